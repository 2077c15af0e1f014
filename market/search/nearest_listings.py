"""The nearest listings of an index, by text and photos together, for listings that are new."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from threading import Lock
from typing import NamedTuple

import numpy as np
from cachetools import LRUCache
from scipy import sparse
from sklearn.preprocessing import normalize

from market.search.catalogue import ListingPhotos
from market.search.listing_vectors import ListingVectors
from market.search.neighbours import IMAGE_WEIGHT
from market.search.vectors import VectorIndex

DEPTH = 64  # nearest listings that are remembered: many more than neighbours, as some are withdrawn
SAME_PHOTO = 0.999  # cosine from which two photos are one, compressed differently
CACHE_SIZE = 50_000  # listings, of 1 kB each
BATCH_SIZE = 32  # listings that are compared together
BLOCK = 10_000  # listings whose photos are read together


class Nearest(NamedTuple):
    """The nearest listings of an index for a new one.

    Attributes
    ----------
    positions, similarities
        (d,) at most DEPTH of them, the nearest first, and their joint cosines.
    same_photo
        The positions of the listings with the same photo.
    """

    positions: np.ndarray
    similarities: np.ndarray
    same_photo: np.ndarray


def vector_keys(texts: np.ndarray, photos: ListingPhotos, images: np.ndarray) -> list[bytes]:
    """Return a digest of the vectors of each listing's text and photos."""
    return [
        hashlib.blake2b(texts[row].tobytes() + images[start:end].tobytes()).digest()
        for row, (start, end) in enumerate(pairwise(photos.first.tolist()))
    ]


class NearestListings:
    """Finds the nearest listings of an index, and remembers them. Thread-safe.

    Exact with a "Flat" index. Otherwise only the nearest by text, and those by photo, are compared.

    Parameters
    ----------
    vectors
        Of the n listings of an index, without changes.
    """

    def __init__(self, vectors: ListingVectors) -> None:
        self._vectors = vectors
        self._lock = Lock()
        self._cache: LRUCache[bytes, Nearest] = LRUCache(CACHE_SIZE)

    def find(
        self, keys: Sequence[bytes], texts: np.ndarray, photos: ListingPhotos, images: np.ndarray
    ) -> list[Nearest]:
        """Return the nearest listings of each of m new ones.

        Parameters
        ----------
        keys
            From `vector_keys`.
        texts
            (m, width) unit text vectors, not smoothed.
        photos, images
            The photos of the m listings, and their unit vectors.
        """
        with self._lock:
            new = [row for row, key in enumerate(keys) if key not in self._cache]
            for start in range(0, len(new), BATCH_SIZE):
                rows = np.array(new[start : start + BATCH_SIZE])
                for row, nearest in zip(
                    rows, self._search(texts, photos, images, rows), strict=True
                ):
                    self._cache[keys[row]] = nearest
            return [self._cache[key] for key in keys]

    def allowed(
        self, text: np.ndarray, images: np.ndarray, allowed: np.ndarray, count: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the `count` nearest listings of a new one among those `allowed` (n,) bool.

        This is for the rare listing whose remembered ones were nearly all withdrawn.

        Returns
        -------
        positions, similarities
            The nearest first.
        """
        owners = np.zeros(len(images), np.int64)
        positions = np.flatnonzero(allowed)
        mean = _mean_images(images, owners, 1)
        similarities = self._joint(text[None], mean, positions)[0]
        nearest = np.argsort(-similarities, kind="stable")[:count]
        return positions[nearest], similarities[nearest]

    def _search(
        self, texts: np.ndarray, photos: ListingPhotos, images: np.ndarray, rows: np.ndarray
    ) -> list[Nearest]:
        photo_rows, owners = photos.rows(rows)
        batch_texts, batch_images = texts[rows], images[photo_rows]
        index_texts, index_images = self._vectors.texts, self._vectors.images
        assert isinstance(index_texts, VectorIndex) and isinstance(index_images, VectorIndex)
        if index_texts.stored is not None and index_images.stored is not None:
            return self._compare_all(batch_texts, batch_images, owners, index_images.stored)
        near_texts = index_texts.search(batch_texts, DEPTH)[1]
        cosines, near_photos = index_images.search(batch_images, DEPTH)
        return [
            self._compare_some(
                batch_texts[[row]], batch_images[owners == row], near_texts[row],
                near_photos[owners == row].ravel(), cosines[owners == row].ravel(),
            )
            for row in range(len(rows))
        ]  # fmt: skip

    def _compare_all(
        self, texts: np.ndarray, images: np.ndarray, owners: np.ndarray, stored: np.ndarray
    ) -> list[Nearest]:
        """Compare new listings with all of the index, whose photos have the vectors `stored`."""
        photo_cosines = images @ stored.T
        sums = _sum_by_owner(photo_cosines, owners, len(texts))
        lengths = np.linalg.norm(_sum_by_owner(images, owners, len(texts)), axis=1)
        lengths[lengths == 0] = 1
        image_cosines = (self._mean_weights @ np.ascontiguousarray(sums.T / lengths)).T
        text_cosines = texts @ self._unsmoothed(slice(None)).T
        has_photo = np.bincount(owners, minlength=len(texts)) > 0
        joint = _joint_cosines(text_cosines, image_cosines, _joint_scale(has_photo), self._scale)
        return [
            Nearest(
                *_largest(joint[row], DEPTH),
                self._owners((photo_cosines[owners == row] >= SAME_PHOTO).any(axis=0)),
            )
            for row in range(len(texts))
        ]

    def _owners(self, rows: np.ndarray) -> np.ndarray:
        """Return the listings of photos, ascending, each once."""
        return np.unique(self._vectors.photos.owner[rows])

    def _compare_some(
        self,
        text: np.ndarray,
        images: np.ndarray,
        near_texts: np.ndarray,
        near_photos: np.ndarray,
        cosines: np.ndarray,
    ) -> Nearest:
        """Compare a new listing with those of the index that its text or a photo is near to."""
        owner = self._vectors.photos.owner
        known = near_photos >= 0
        near_photos, cosines = near_photos[known], cosines[known]
        positions = np.unique(np.concatenate([near_texts[near_texts >= 0], owner[near_photos]]))
        mean = _mean_images(images, np.zeros(len(images), np.int64), 1)
        rows, similarities = _largest(self._joint(text, mean, positions)[0], DEPTH)
        same_photo = self._owners(near_photos[cosines >= SAME_PHOTO])
        return Nearest(positions[rows], similarities, same_photo)

    def _joint(self, texts: np.ndarray, means: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Return the joint cosines (q, k) of q new listings with those at k positions."""
        own_means = self._vectors.mean_images(positions)
        return _joint_cosines(
            texts @ self._unsmoothed(positions).T,
            means @ own_means.T,
            _joint_scale(np.asarray(means.any(1))),
            _joint_scale(np.asarray(own_means.any(1))),
        )

    def _unsmoothed(self, positions: np.ndarray | slice) -> np.ndarray:
        texts = self._vectors.texts
        assert isinstance(texts, VectorIndex)
        vectors = self._vectors.unsmoothed if self._vectors.unsmoothed is not None else texts.stored
        return vectors[positions] if vectors is not None else texts.vectors(np.asarray(positions))

    @cached_property
    def _scale(self) -> np.ndarray:
        return _joint_scale(np.diff(self._vectors.photos.first) > 0)

    @cached_property
    def _mean_weights(self) -> sparse.csr_array:
        """(n, photos): 1 over the length of the sum of a listing's images, for its photos.

        Its product with cosines of photos is the cosine of each listing's mean image.
        """
        photos, count = self._vectors.photos, len(self._vectors.texts)
        weights = np.empty(len(photos.owner), np.float32)
        for start in range(0, count, BLOCK):
            positions = np.arange(start, min(start + BLOCK, count))
            rows, owners = photos.rows(positions)
            sums = _sum_by_owner(self._vectors.images.vectors(rows), owners, len(positions))
            lengths = np.linalg.norm(sums, axis=1)
            weights[rows] = 1 / np.where(lengths, lengths, 1)[owners]
        return sparse.csr_array(
            (weights, np.arange(len(weights)), photos.first), (count, len(weights))
        )


def _joint_cosines(
    text_cosines: np.ndarray, image_cosines: np.ndarray, scale: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """Return the cosines (q, k) of `neighbours.joint_vectors` from those of their two parts.

    `scale` (q,) and `other` (k,) are from `_joint_scale`. The arguments are overwritten.
    """
    image_cosines *= IMAGE_WEIGHT**2
    text_cosines += image_cosines
    text_cosines *= other
    text_cosines *= scale[:, None]
    return text_cosines


def _joint_scale(has_photo: np.ndarray) -> np.ndarray:
    """Return 1 over the length (k,) of a listing's text and image vector side by side."""
    return (1 / np.sqrt(1 + IMAGE_WEIGHT**2 * has_photo)).astype(np.float32)


def _sum_by_owner(rows: np.ndarray, owners: np.ndarray, count: int) -> np.ndarray:
    """Return the sums (count, width) of the rows (k, width) of each owner (k,)."""
    membership = sparse.csr_array(
        (np.ones(len(rows), np.float32), (owners, np.arange(len(rows)))), (count, len(rows))
    )
    return membership @ rows


def _mean_images(images: np.ndarray, owners: np.ndarray, count: int) -> np.ndarray:
    return normalize(_sum_by_owner(images, owners, count))


def _largest(values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices and values of the `count` largest values, the largest first."""
    count = min(count, len(values))
    best = np.argpartition(-values, count - 1)[:count] if count else np.empty(0, np.int64)
    best = best[np.lexsort((best, -values[best]))]
    return best, values[best]
