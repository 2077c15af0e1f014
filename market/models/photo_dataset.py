"""Packed photos as a torch Dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.utils.data import Dataset


class PhotoDataset(Dataset):
    """(photo, label) by position: photo uint8 (3, side, side), label int64 (-1: none).

    `encoded` gives the bytes of photo i, `decode` turns them into (side, side, 3) uint8 and
    `transform`, if any, changes the tensor. A transform that draws at random gets a seed of its own
    for each photo, made of `seed`, `epoch` and the position, so what it draws does not depend on
    the number of loader workers or on where an interrupted run began again.
    """

    def __init__(
        self,
        encoded: Sequence[bytes],
        decode: Callable[[bytes], np.ndarray],
        indices: np.ndarray,
        labels: np.ndarray | None = None,
        transform: Callable[[torch.Tensor], torch.Tensor] | None = None,
        seed: int = 0,
        epoch: int = 0,
    ) -> None:
        self.encoded, self.decode = encoded, decode
        self.indices, self.labels = indices, labels
        self.transform, self.seed, self.epoch = transform, seed, epoch

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, int]:
        pixels = self.decode(self.encoded[int(self.indices[position])])
        photo = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
        if self.transform is not None:
            with torch.random.fork_rng(devices=[]):
                entropy = np.random.SeedSequence([self.seed, self.epoch, position])
                torch.manual_seed(int(entropy.generate_state(1)[0]))
                photo = self.transform(photo)
        return photo, -1 if self.labels is None else int(self.labels[position])
