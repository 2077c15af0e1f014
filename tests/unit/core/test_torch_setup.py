"""Set-up of torch: device, threads, and, as far as is testable without one, the use of a GPU."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from repository import REPO
from torch.utils.data import DataLoader, TensorDataset

from market.core.torch_setup import set_up_torch
from market.models import batches, embeddings
from market.models.backbones import PhotoNetwork
from market.models.photo_dataset import PhotoDataset

pytestmark = pytest.mark.slow

GPU = torch.device("cuda:0")


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("DEVICE", raising=False)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(
    ("has_cuda", "has_mps", "device", "expected"),
    [
        (False, False, "auto", "cpu"),
        (True, False, "auto", "cuda:0"),
        (True, False, "cuda", "cuda:0"),
        (True, False, "cuda:1", "cuda:1"),
        (True, False, "cpu", "cpu"),
        (False, True, "auto", "mps"),
        (False, True, "mps", "mps"),
        (False, True, "cpu", "cpu"),
        (True, True, "auto", "cuda:0"),
    ],
)
def test_a_gpu_is_used_if_there_is_one(
    monkeypatch: pytest.MonkeyPatch, has_cuda: bool, has_mps: bool, device: str, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    monkeypatch.setattr(torch.mps, "is_available", lambda: has_mps)
    monkeypatch.setenv("DEVICE", device)
    assert set_up_torch(seed=0) == torch.device(expected)
    assert torch.are_deterministic_algorithms_enabled()


def test_operations_that_apples_gpu_lacks_run_on_the_cpu() -> None:
    # torch reads the variable when it is imported, so a stage must import market.core before it.
    code = (
        "import os, sys, market.core; assert 'torch' not in sys.modules; "
        "print(os.environ['PYTORCH_ENABLE_MPS_FALLBACK'])"
    )
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTORCH_ENABLE_MPS_FALLBACK"
    }
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "1"


@pytest.mark.parametrize(
    "stage", sorted((REPO / "stages").glob("*.py")), ids=lambda path: path.stem
)
def test_stages_import_the_project_before_torch(stage: Path) -> None:
    imports = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.parse(stage.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    packages = [name.partition(".")[0] for name in imports if name]
    assert "torch" not in packages or packages.index("market") < packages.index("torch")


@pytest.mark.parametrize(("threads", "expected"), [(None, 8), ("3", 3)])
def test_torch_uses_every_core_by_default(
    monkeypatch: pytest.MonkeyPatch, threads: str | None, expected: int
) -> None:
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    monkeypatch.delenv("TORCH_THREADS")
    if threads:
        monkeypatch.setenv("TORCH_THREADS", threads)
    set_up_torch(seed=0)
    assert torch.get_num_threads() == expected


def options_of_loader(monkeypatch: pytest.MonkeyPatch, module: Any) -> list[dict[str, Any]]:
    """Return the list to which the options of each new loader of `module` are appended.

    The loaders pin no memory, as there is no GPU.
    """
    options_seen: list[dict[str, Any]] = []

    def loader(*args: Any, **options: Any) -> DataLoader:
        options_seen.append(dict(options))
        return DataLoader(*args, **{**options, "pin_memory": False, "num_workers": 0})

    monkeypatch.setattr(module, "DataLoader", loader)
    return options_seen


@pytest.mark.parametrize("device", [GPU, torch.device("cpu")])
def test_photos_for_a_gpu_come_from_pinned_memory(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    options_seen = options_of_loader(monkeypatch, batches)
    data = TensorDataset(torch.arange(6), torch.arange(6))
    loaded = list(batches.load_batches(data, [[0, 3], [5]], device))
    assert [labels.tolist() for _, labels in loaded] == [[0, 3], [5]]
    photos = PhotoDataset([bytes(3)] * 4, lambda photo: np.zeros((1, 1, 3), np.uint8), np.arange(4))
    monkeypatch.setenv("LOADER_WORKERS", "2")
    assert len(list(batches.load_batches(photos, [[0, 1], [2]], device))) == 2
    assert [options["pin_memory"] for options in options_seen] == [device.type == "cuda"] * 2
    assert options_seen[1]["num_workers"] == 2


class OnGPU(torch.nn.Module):
    """Stands in for a network on a GPU; it computes on the CPU."""

    width = 3

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        yield type("Weight", (), {"device": GPU})

    def features(self, photos: torch.Tensor) -> torch.Tensor:
        return photos.float().mean((2, 3))


def test_embedding_on_a_gpu_decodes_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    options_seen = options_of_loader(monkeypatch, embeddings)
    sent: list[tuple[torch.device, bool]] = []

    def to(tensor: torch.Tensor, device: torch.device, non_blocking: bool = False) -> torch.Tensor:
        sent.append((device, non_blocking))
        return tensor

    monkeypatch.setattr(torch.Tensor, "to", to)
    monkeypatch.setattr(
        embeddings, "open_photo", lambda photo, side: np.full((side, side, 3), photo[0], np.uint8)
    )
    monkeypatch.setenv("LOADER_WORKERS", "3")
    model: Any = OnGPU()
    photos = [bytes([value]) for value in (7, 8, 9)]
    features = embeddings.embed_photos(model, photos, np.array([2, 0]), photo_size=4, batch_size=1)
    assert features.tolist() == [[9.0] * 3, [7.0] * 3]
    assert [(options["pin_memory"], options["num_workers"]) for options in options_seen] == [
        (True, 3)
    ]
    assert sent == [(GPU, True)] * 2


def test_convolutions_see_channels_last() -> None:
    model = PhotoNetwork("efficientnet_lite0", "none", 3)
    are_channels_last: list[bool] = []

    def record(module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        are_channels_last.append(inputs[0].is_contiguous(memory_format=torch.channels_last))

    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_pre_hook(record)
    model.eval()(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert len(are_channels_last) > 40 and all(are_channels_last)
