"""Which device, how many threads; what a GPU would be given, as far as it can be seen without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from market.core.torch_setup import set_up_torch
from market.models import batches, embeddings
from market.models.backbones import PhotoNetwork
from market.models.photo_dataset import PhotoDataset

GPU = torch.device("cuda:0")


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("DEVICE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(
    ("there", "device", "rank", "expected"),
    [
        (False, "auto", None, "cpu"),
        (True, "auto", None, "cuda:0"),
        (True, "auto", "1", "cuda:1"),
        (True, "cuda", "3", "cuda:3"),
        (True, "cpu", "1", "cpu"),
    ],
)
def test_each_process_takes_the_gpu_of_its_number(
    monkeypatch: pytest.MonkeyPatch, there: bool, device: str, rank: str | None, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setenv("DEVICE", device)
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    assert set_up_torch(seed=0) == torch.device(expected)
    assert torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("processes", "asked", "expected"), [(1, 0, 8), (4, 0, 2), (16, 0, 1), (4, 3, 3)]
)
def test_processes_of_one_machine_share_its_cores(
    monkeypatch: pytest.MonkeyPatch, processes: int, asked: int, expected: int
) -> None:
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    monkeypatch.delenv("TORCH_THREADS")
    if asked:
        monkeypatch.setenv("TORCH_THREADS", str(asked))
    set_up_torch(seed=0)
    assert torch.get_num_threads() == expected


def options_of_loader(monkeypatch: pytest.MonkeyPatch, module: Any) -> list[dict[str, Any]]:
    """The options that `module` makes loaders with; they pin nothing, as there is no GPU."""
    seen = []

    def loader(*args: Any, **options: Any) -> DataLoader:
        seen.append(dict(options))
        return DataLoader(*args, **{**options, "pin_memory": False, "num_workers": 0})

    monkeypatch.setattr(module, "DataLoader", loader)
    return seen


@pytest.mark.parametrize("device", [GPU, torch.device("cpu")])
def test_photos_for_a_gpu_come_from_pinned_memory(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    seen = options_of_loader(monkeypatch, batches)
    data = TensorDataset(torch.arange(6), torch.arange(6))
    loaded = list(batches.load_batches(data, [[0, 3], [5]], device))
    assert [labels.tolist() for _, labels in loaded] == [[0, 3], [5]]
    photos = PhotoDataset([bytes(3)] * 4, lambda of: np.zeros((1, 1, 3), np.uint8), np.arange(4))
    monkeypatch.setenv("LOADER_WORKERS", "2")
    assert len(list(batches.load_batches(photos, [[0, 1], [2]], device))) == 2
    assert [options["pin_memory"] for options in seen] == [device.type == "cuda"] * 2
    assert seen[1]["num_workers"] == 2


class OnGPU(torch.nn.Module):
    """Stands for a network on a GPU: says so, and computes here."""

    width = 3

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        yield type("Weight", (), {"device": GPU})

    def features(self, photos: torch.Tensor) -> torch.Tensor:
        return photos.float().mean((2, 3))


def test_embedding_on_a_gpu_decodes_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = options_of_loader(monkeypatch, embeddings)
    sent: list[tuple[torch.device, bool]] = []

    def to(tensor: torch.Tensor, device: torch.device, non_blocking: bool = False) -> torch.Tensor:
        sent.append((device, non_blocking))
        return tensor

    monkeypatch.setattr(torch.Tensor, "to", to)
    monkeypatch.setattr(
        embeddings, "open_photo", lambda of, side: np.full((side, side, 3), of[0], np.uint8)
    )
    monkeypatch.setenv("LOADER_WORKERS", "3")
    model: Any = OnGPU()
    photos = [bytes([value]) for value in (7, 8, 9)]
    found = embeddings.embed_photos(model, photos, np.array([2, 0]), photo_size=4, batch_size=1)
    assert found.tolist() == [[9.0] * 3, [7.0] * 3]
    assert [(of["pin_memory"], of["num_workers"]) for of in seen] == [(True, 3)]
    assert sent == [(GPU, True)] * 2


def test_convolutions_see_channels_last() -> None:
    model = PhotoNetwork("efficientnet_lite0", "none", 3)
    seen: list[bool] = []

    def look(module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        seen.append(inputs[0].is_contiguous(memory_format=torch.channels_last))

    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_pre_hook(look)
    model.eval()(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert len(seen) > 40 and all(seen)
