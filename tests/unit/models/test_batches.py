"""Batches: the same for any number of loader processes, and for tensors and items."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from market.models.batches import load_batches, predict_probabilities, shuffled_positions
from market.models.photo_dataset import PhotoDataset, augment

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


class Items(Dataset):
    """A dataset that is read item by item."""

    def __init__(self, data: TensorDataset) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        return self.data[index]


def points(n: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    return TensorDataset(torch.randn(n, 8, generator=generator), torch.arange(n) % 3)


def batched(positions: list[int], size: int) -> list[list[int]]:
    return [positions[start : start + size] for start in range(0, len(positions), size)]


def test_each_position_is_in_one_batch_in_another_order_each_epoch() -> None:
    def order(**changes: int | str) -> list[list[int]]:
        options: dict = {"seed": 0, "phase": "head", "epoch": 0, **changes}
        return shuffled_positions(43, 8, **options)

    assert [len(batch) for batch in order()] == [8, 8, 8, 8, 8, 3]
    assert sorted(position for batch in order() for position in batch) == list(range(43))
    assert order() == order()
    changed = [order(seed=1), order(phase="finetune"), order(epoch=1)]
    assert all(batches != order() for batches in changed)


def test_batches_are_the_same_for_tensors_and_items() -> None:
    data = points(50)
    order = np.random.default_rng(0).permutation(50)[:43].tolist()
    whole = list(load_batches(data, batched(order, 8), CPU))
    single = list(load_batches(Items(data), batched(order, 8), CPU))
    assert [len(labels) for _, labels in whole] == [8, 8, 8, 8, 8, 3]
    assert torch.equal(torch.cat([inputs for inputs, _ in whole]), data.tensors[0][order])
    for (inputs, labels), (other_inputs, other_labels) in zip(whole, single, strict=True):
        assert torch.equal(inputs, other_inputs) and torch.equal(labels, other_labels)


def test_loading_does_not_draw_from_torchs_generator() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(load_batches(Items(points(8)), batched(list(range(8)), 4), CPU))
    assert torch.equal(torch.get_rng_state(), before)


def test_predictions_are_in_the_order_of_the_dataset() -> None:
    data, layer = points(43), nn.Linear(8, 3)
    expected = layer(data.tensors[0]).softmax(1).detach().numpy()
    for dataset in (data, Items(data)):
        probabilities = predict_probabilities(layer, dataset, 8)
        np.testing.assert_allclose(probabilities, expected, rtol=1e-6)
    assert not layer.training


# --- Augmentation ---------------------------------------------------------------------------------
def decode(encoded: bytes) -> np.ndarray:
    return np.frombuffer(encoded, np.uint8).reshape(24, 24, 3)


def photo_dataset(seed: int = 0, epoch: int = 0) -> PhotoDataset:
    rng = np.random.default_rng(0)
    encoded = [rng.bytes(24 * 24 * 3) for _ in range(4)] * 3  # positions 0, 4 and 8 are copies
    labels = np.arange(12) % 4
    return PhotoDataset(encoded, decode, np.arange(12), labels, augment(16), seed, epoch)


def augmented(order: list[int], seed: int = 0, epoch: int = 0) -> dict[int, torch.Tensor]:
    batches = list(load_batches(photo_dataset(seed, epoch), batched(order, 5), CPU))
    photos = torch.cat([photos for photos, _ in batches])
    assert torch.equal(torch.cat([labels for _, labels in batches]), torch.tensor(order) % 4)
    return dict(zip(order, photos, strict=True))


def test_augmentation_depends_neither_on_workers_nor_on_the_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = {position: photo_dataset()[position][0] for position in range(12)}
    for workers, order in (("0", list(range(12))), ("1", [7, 3, 11]), ("2", [11, *range(11)])):
        monkeypatch.setenv("LOADER_WORKERS", workers)
        torch.manual_seed(int(workers))
        for position, photo in augmented(order).items():
            assert torch.equal(photo, alone[position])


def test_augmentation_depends_on_seed_epoch_and_position() -> None:
    usual = augmented([0, 4])
    drawn = [usual[0], usual[4], augmented([0], epoch=1)[0], augmented([0], seed=1)[0]]
    assert {photo.shape for photo in drawn} == {(3, 16, 16)}
    assert {photo.dtype for photo in drawn} == {torch.uint8}
    different = {photo.numpy().tobytes() for photo in drawn}
    assert len(different) == 4
