"""The neighbours of each listing by text and photos, and text vectors smoothed over them.

A short text says less than several: moving a listing's text vector towards its neighbours' vectors
helps queries in words (docs/decisions.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import normalize

from market.core.stage import progress
from market.search.vectors import VectorIndex

NEIGHBOURS = 10  # 5 to 20 were equally good
IMAGE_WEIGHT = 0.5  # of the photos beside the text
BATCH_SIZE = 128


@dataclass(frozen=True, eq=False)
class OverlaidNeighbours:
    """The neighbours of the n listings of an index and of m changed ones; indexed like an array.

    Attributes
    ----------
    base
        (n, k) int32: the neighbours that the index found.
    added
        (m, k) int32: the neighbours of the changed listings, whose positions follow the others'.
    replacement
        (n,) int32: the position of the listing that stands for each of the index: its own, that of
        the changed listing which supersedes it, or -1 if it is removed.
    """

    base: np.ndarray
    added: np.ndarray
    replacement: np.ndarray

    def __getitem__(self, positions: np.ndarray) -> np.ndarray:
        """Return the neighbours (len(positions), k) of listings.

        Where a neighbour was removed, the listing itself fills the place.
        """
        is_added = positions >= len(self.base)
        neighbours = np.empty((len(positions), self.base.shape[1]), np.int32)
        neighbours[~is_added] = self.replacement[self.base[positions[~is_added]]]
        neighbours[is_added] = self.added[positions[is_added] - len(self.base)]
        return np.where(neighbours < 0, positions[:, None], neighbours)


def joint_vectors(
    text_vectors: np.ndarray, image_vectors: np.ndarray, owners: np.ndarray
) -> np.ndarray:
    """Return each listing's text vector beside the mean of its image vectors.

    Parameters
    ----------
    text_vectors
        (n, text width) unit vectors, one for each listing.
    image_vectors
        (m, image width) unit vectors, one for each photo.
    owners
        (m,) the position of each photo's listing.

    Returns
    -------
    ndarray
        (n, text width + image width) unit vectors. The image part is 0 without photos.
    """
    sums = np.zeros((len(text_vectors), image_vectors.shape[1]), np.float32)
    np.add.at(sums, owners, image_vectors)
    return normalize(np.hstack([text_vectors, IMAGE_WEIGHT * normalize(sums)]))


def nearest_neighbours(index: VectorIndex, vectors: np.ndarray) -> np.ndarray:
    """Return the positions of each listing's nearest other listings, the nearest first.

    Parameters
    ----------
    index
        An index over `vectors`.
    vectors
        (n, width) unit vectors.

    Returns
    -------
    ndarray
        (n, NEIGHBOURS) int32, with fewer columns for fewer listings. Where an approximate index
        finds too few others, the listing itself fills the places.
    """
    count = min(NEIGHBOURS, max(len(vectors) - 1, 0))
    neighbours = np.empty((len(vectors), count), np.int32)
    starts = range(0, len(vectors), BATCH_SIZE)
    for start in progress(starts, desc="find neighbours", unit="batch"):
        rows = np.arange(start, min(start + BATCH_SIZE, len(vectors)))[:, None]
        nearest = index.search(vectors[rows[:, 0]], count + 1)[1]
        # Put the listing itself last. It need not come first: its copies are as near.
        order = np.argsort(nearest == rows, axis=1, kind="stable")[:, :count]
        nearest = np.take_along_axis(nearest, order, axis=1)
        neighbours[rows[:, 0]] = np.where(nearest < 0, rows, nearest)
    return neighbours


def smooth(vectors: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Move each vector halfway to the mean of its neighbours' vectors.

    Parameters
    ----------
    vectors
        (n, width) unit vectors.
    neighbours
        (n, k) positions.

    Returns
    -------
    ndarray
        (n, width) unit vectors; `vectors` itself if k is 0.

    Examples
    --------
    >>> smooth(np.eye(2), np.array([[1], [0]])).round(2).tolist()
    [[0.71, 0.71], [0.71, 0.71]]
    """
    if not neighbours.size:
        return vectors
    means = np.zeros_like(vectors)
    for column in neighbours.T:
        means += vectors[column] / neighbours.shape[1]
    return normalize(vectors + means)


def smooth_towards(vectors: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Move each vector halfway to the mean of its neighbours' vectors, which are given.

    Parameters
    ----------
    vectors
        (m, width) unit vectors.
    neighbours
        (m, k, width) the vectors of their neighbours, k > 0.

    Returns
    -------
    ndarray
        (m, width) unit vectors.
    """
    means = np.zeros_like(vectors)
    for column in range(neighbours.shape[1]):
        means += neighbours[:, column] / neighbours.shape[1]
    return normalize(vectors + means) if len(vectors) else vectors
