"""Batches of a dataset, in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, TensorDataset


def shuffled_positions(
    count: int, batch_size: int, *, seed: int, phase: str, epoch: int
) -> list[list[int]]:
    """Return the positions 0 … count - 1 in random batches, each position once.

    The order depends on `seed`, `phase` and `epoch` alone, so that a resumed training continues
    with the batches that it would have seen.

    Examples
    --------
    >>> order = shuffled_positions(5, batch_size=2, seed=0, phase="head", epoch=0)
    >>> [len(batch) for batch in order], sorted(sum(order, []))
    ([2, 2, 1], [0, 1, 2, 3, 4])
    >>> order == shuffled_positions(5, batch_size=2, seed=0, phase="head", epoch=0)
    True
    """
    text = repr((seed, phase, epoch, "order"))
    entropy = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    order = np.random.default_rng(entropy).permutation(count).tolist()
    return list(BatchSampler(order, batch_size, drop_last=False))


def load_batches(dataset: Dataset, batches: list[list[int]], device: torch.device) -> Iterator[Any]:
    """Yield these batches of a dataset, for a network on `device`; the batches stay on the CPU.

    Parameters
    ----------
    dataset
        Items are tuples of tensors and numbers.
    batches
        The positions of each batch.
    device
        For a GPU, batches lie in pinned memory: copying them then overlaps with computing.

    Notes
    -----
    The environment variable LOADER_WORKERS (default 1) is the number of processes that load items
    ahead.
    """
    options: dict[str, Any] = {
        # A generator of its own: otherwise the loader would draw from the one that training uses.
        "generator": torch.Generator(),
        "pin_memory": device.type == "cuda",
    }
    if isinstance(dataset, TensorDataset):
        # Indexing tensors with a whole batch is 100 times faster than item by item.
        yield from DataLoader(dataset, None, sampler=batches, **options)
    else:
        workers = int(os.environ.get("LOADER_WORKERS", 1))
        yield from DataLoader(dataset, batch_sampler=batches, num_workers=workers, **options)


def predict_probabilities(module: nn.Module, dataset: Dataset, batch_size: int) -> np.ndarray:
    """Return (n, labels) float32 probabilities for the n items of a dataset, in its order.

    `module` gives logits (batch, labels) and is left in evaluation mode.
    """
    device = next(module.eval().parameters()).device
    order = range(len(dataset))  # type: ignore[arg-type]
    batches = list(BatchSampler(order, batch_size, drop_last=False))
    with torch.inference_mode():
        loaded = load_batches(dataset, batches, device)
        parts = [module(inputs.to(device)).softmax(1).cpu().numpy() for inputs, _ in loaded]
    return np.concatenate(parts)
