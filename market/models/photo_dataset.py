"""Packed photos as a torch Dataset, and their augmentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from market.core.extras import needs_extra


class PhotoDataset(Dataset):
    """Items are (photo, label): uint8 (3, side, side), and an int (-1 without labels).

    A random transform draws from a seed made of `seed`, `epoch` and the position. Its result
    depends neither on the number of loader processes nor on where an interrupted training resumed.

    Parameters
    ----------
    encoded
        The bytes of all photos.
    decode
        Turns bytes into (side, side, 3) uint8.
    indices
        (n,) the place of each item's photo in `encoded`.
    labels
        (n,) the label of each item.
    transform
        Changes a photo, a uint8 tensor (3, side, side).
    seed, epoch
        Of a random transform.
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


def augment(side: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a random transform: a crop of 35 to 100 % of a photo, perhaps mirrored.

    The result has `side` pixels each way. Objects look larger in crops, so a network is best
    trained at a smaller side than it is tested at (FixRes: Touvron et al., 2019).
    """
    with needs_extra("train"):
        from torchvision.transforms import v2  # here: its import takes seconds

    return v2.Compose(
        [
            v2.RandomResizedCrop(side, scale=(0.35, 1.0), ratio=(3 / 4, 4 / 3), antialias=True),
            v2.RandomHorizontalFlip(),
        ]
    )
