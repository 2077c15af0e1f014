"""The training loop: it learns, it draws the same whatever the workers, it goes on where it was."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import BatchSampler, Dataset, TensorDataset

from market.core.atomic import replace_when_done
from market.models.metrics import loss_and_accuracy
from market.models.photo_dataset import PhotoDataset
from market.models.training import (
    Checkpoint,
    Phase,
    Progress,
    augment,
    deal,
    load_batches,
    predict_labels,
    run_key,
    run_phase,
)

CPU = torch.device("cpu")


# --- One phase ------------------------------------------------------------------------------------
def separable(n: int = 240) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 3
    noise = torch.randn(n, 8, generator=generator)
    signal = 4 * nn.functional.one_hot(labels, 8) + noise
    return TensorDataset(signal[:, :, None, None], labels)  # a photo of one pixel, in 8 colours


def train_linear(
    checkpoint: Checkpoint | None = None,
    epochs: int = 5,
    seed: int = 0,
    micro_batch: int = 16,
    **of_phase: Any,
):
    """Train a layer, from the checkpoint if it holds one; return (layer, history)."""
    torch.manual_seed(0)
    model, data = nn.Sequential(nn.Flatten(), nn.Linear(8, 3)), separable()
    phase = Phase(
        name="head",
        module=model,
        dataset=lambda epoch: data,
        parents=np.arange(3),
        evaluate=lambda module: loss_and_accuracy(
            predict_labels(module, data, 50), data.tensors[1].numpy()
        ),
        epochs=epochs,
        batch_size=16,
        micro_batch=micro_batch,
        groups=[{"params": list(model.parameters()), "lr": 0.1}],
        momentum=0.9,
        weight_decay=1e-4,
        label_smoothing=0.0,
        seed=seed,
        **of_phase,
    )
    resumed = checkpoint.load() if checkpoint else None
    progress = Progress(**resumed["progress"]) if resumed else Progress(phase.name)
    reported = list(progress.history)
    run_phase(phase, progress, resumed=resumed, checkpoint=checkpoint, report=reported.append)
    assert reported == progress.history
    return model, progress.history


def accuracy_of(model: nn.Module) -> float:
    inputs, labels = separable().tensors
    return (model(inputs).argmax(1) == labels).float().mean().item()


def test_a_phase_learns_what_is_separable() -> None:
    model, history = train_linear()
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5]
    assert history[-1]["val_accuracy"] > 0.95 and history[-1]["train_accuracy"] > 0.95
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert history[-1]["val_accuracy"] == pytest.approx(accuracy_of(model))


def test_the_moving_average_is_the_result() -> None:
    plain, _ = train_linear()
    averaged, history = train_linear(average=0.9)
    assert averaged[1].weight.norm() < plain[1].weight.norm(), "it lags behind weights that grow"
    assert history[-1]["val_accuracy"] == pytest.approx(accuracy_of(averaged))


def test_mixed_photos_are_harder_to_learn() -> None:
    _, plain = train_linear()
    _, mixed = train_linear(mixup=1.0)
    assert mixed[-1]["train_loss"] > 2 * plain[-1]["train_loss"]
    assert mixed[-1]["val_accuracy"] > 0.9


def test_bfloat16_learns_the_same_within_its_rounding() -> None:
    _, exact = train_linear()
    _, rounded = train_linear(amp=True)
    assert rounded != exact
    assert rounded[-1]["val_accuracy"] > 0.95
    assert rounded[-1]["train_loss"] == pytest.approx(exact[-1]["train_loss"], rel=0.1)


def test_the_seed_fixes_every_weight() -> None:
    weights = [train_linear(epochs=2, seed=seed)[0].state_dict()["1.weight"] for seed in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("micro_batch", [5, 1, 100])
def test_the_parts_of_a_batch_add_up(micro_batch: int) -> None:
    whole, expected = train_linear()
    parts, history = train_linear(micro_batch=micro_batch)
    torch.testing.assert_close(parts.state_dict(), whole.state_dict(), rtol=1e-4, atol=1e-5)
    for figure in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
        assert [row[figure] for row in history] == pytest.approx([row[figure] for row in expected])


class Mortal(Checkpoint):
    """Saves after every step and dies after `steps` of them."""

    def __init__(self, path: Path, steps: float) -> None:
        super().__init__(path, 0, replace_when_done)
        self.steps = steps

    def save(self, progress: Progress, **state: object) -> None:
        super().save(progress, **state)
        self.steps -= 1
        if self.steps == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("steps", [1, 14, 15, 16, 44, 75])
def test_a_phase_cut_short_anywhere_ends_the_same(tmp_path: Path, steps: int) -> None:
    how: dict[str, Any] = {"mixup": 0.2, "average": 0.9}
    with pytest.raises(KeyboardInterrupt):
        train_linear(Mortal(tmp_path / "checkpoint.pt", steps), **how)
    model, history = train_linear(Mortal(tmp_path / "checkpoint.pt", math.inf), **how)
    whole, expected = train_linear(**how)
    assert history == expected
    assert torch.equal(model.state_dict()["1.weight"], whole.state_dict()["1.weight"])


def test_a_run_is_named_after_all_that_determines_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_text("one")
    key = run_key(folder, {"lr": 0.1})
    assert run_key(folder, {"lr": 0.1}) == key
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/a.pyc").write_text("compiled")
    assert run_key(folder, {"lr": 0.1}) == key
    assert run_key(folder, {"lr": 0.2}) != key
    (folder / "a").write_text("two")
    assert run_key(folder, {"lr": 0.1}) != key


# --- Batches --------------------------------------------------------------------------------------
class Items(Dataset):
    """A dataset read item by item."""

    def __init__(self, data: TensorDataset) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        return self.data[index]


def test_batches_are_the_same_for_tensors_and_items() -> None:
    data = separable(50)
    order = np.random.default_rng(0).permutation(50)[:43].tolist()
    whole = list(load_batches(data, list(BatchSampler(order, 8, False)), CPU))
    single = list(load_batches(Items(data), list(BatchSampler(order, 8, False)), CPU))
    assert [len(labels) for _, labels in whole] == [8, 8, 8, 8, 8, 3]
    assert torch.equal(torch.cat([inputs for inputs, _ in whole]), data.tensors[0][order])
    for (inputs, labels), (other_inputs, other_labels) in zip(whole, single, strict=True):
        assert torch.equal(inputs, other_inputs) and torch.equal(labels, other_labels)


def test_loading_draws_nothing_from_the_trainings_generator() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(load_batches(Items(separable(8)), list(BatchSampler(list(range(8)), 4, False)), CPU))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("size", [1, 5, 6, 8, 9, 17])
def test_every_process_gets_parts_of_each_batch(size: int) -> None:
    batch = list(range(size))
    dealt = [deal(batch, 2, rank, 4) for rank in range(4)]
    assert all(dealt)
    working = min(4, -(-size // 2))
    counted = [position for part in dealt[:working] for position in part]
    assert sorted(counted) == batch, "none twice among those that count"
    whole = [tuple(batch[start : start + 2]) for start in range(0, size, 2)]
    for rank, mine in enumerate(dealt[:working]):
        parts = [tuple(part.tolist()) for part in torch.tensor(mine).split(2)]
        assert parts == whole[rank::4], "the same parts, whoever has them"


def decode(encoded: bytes) -> np.ndarray:
    return np.frombuffer(encoded, np.uint8).reshape(24, 24, 3)


def photo_dataset(seed: int = 0, epoch: int = 0) -> PhotoDataset:
    rng = np.random.default_rng(0)
    encoded = [rng.bytes(24 * 24 * 3) for _ in range(4)] * 3  # position 0, 4 and 8 are copies
    labels = np.arange(12) % 4
    return PhotoDataset(encoded, decode, np.arange(12), labels, augment(16), seed, epoch)


def augmented(order: list[int], seed: int = 0, epoch: int = 0) -> dict[int, torch.Tensor]:
    batches = list(
        load_batches(photo_dataset(seed, epoch), list(BatchSampler(order, 5, False)), CPU)
    )
    photos = torch.cat([photos for photos, _ in batches])
    assert torch.equal(torch.cat([labels for _, labels in batches]), torch.tensor(order) % 4)
    return dict(zip(order, photos, strict=True))


def test_what_a_photo_becomes_depends_on_no_worker_and_no_neighbour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = {position: photo_dataset()[position][0] for position in range(12)}
    for workers, order in (("0", list(range(12))), ("1", [7, 3, 11]), ("2", [11, *range(11)])):
        monkeypatch.setenv("LOADER_WORKERS", workers)
        torch.manual_seed(int(workers))
        for position, photo in augmented(order).items():
            assert torch.equal(photo, alone[position])


def test_each_seed_epoch_and_position_draws_anew() -> None:
    usual = augmented([0, 4])
    drawn = [usual[0], usual[4], augmented([0], epoch=1)[0], augmented([0], seed=1)[0]]
    assert {photo.shape for photo in drawn} == {(3, 16, 16)}
    assert {photo.dtype for photo in drawn} == {torch.uint8}
    different = {photo.numpy().tobytes() for photo in drawn}
    assert len(different) == 4
