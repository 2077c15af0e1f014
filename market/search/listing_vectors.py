"""The text and image vectors of listings, and comparisons with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.preprocessing import normalize

from market.search.catalogue import ListingPhotos
from market.search.neighbours import OverlaidNeighbours
from market.search.overlaid_vectors import Vectors

SAME_PHOTO_SIMILARITY = 0.97  # cosine above which two photos are nearly equal


@dataclass(frozen=True, eq=False)
class ListingVectors:
    """Vectors of n listings and their m photos.

    Attributes
    ----------
    texts
        n text vectors.
    images
        m image vectors, in the order of `photos`.
    neighbours
        (n, k) int32: positions of each listing's nearest others by text and photos.
    photos
        Which photos belong to which listing.
    unsmoothed
        (n, width) float32: the text vectors before they were smoothed over the neighbours, which
        new listings are compared with; None if `texts` are not smoothed.
    """

    texts: Vectors
    images: Vectors
    neighbours: np.ndarray | OverlaidNeighbours
    photos: ListingPhotos
    unsmoothed: np.ndarray | None = None

    def mean_images(self, positions: np.ndarray) -> np.ndarray:
        """Return unit vectors (k, width): the direction of the mean of each listing's images.

        A listing without photos has 0 everywhere.
        """
        rows, owners = self.photos.rows(positions)
        ones = np.ones(len(rows), np.float32)
        membership = sparse.csr_array(
            (ones, (owners, np.arange(len(rows)))), (len(positions), len(rows))
        )
        sums = membership @ self.images.vectors(rows)
        return normalize(sums) if len(rows) else sums

    def max_image_similarity(self, vector: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Return the cosine (k,) between `vector` and each listing's most similar photo.

        A listing without photos has NaN.
        """
        rows, owners = self.photos.rows(positions)
        largest = np.full(len(positions), -np.inf)
        np.maximum.at(largest, owners, self.images.vectors(rows) @ vector)
        return np.where(np.isinf(largest), np.nan, largest)

    def sharing_a_photo(self, position: int) -> np.ndarray:
        """Return (n,) bool: listings with a photo that nearly equals one of this listing's."""
        rows, _ = self.photos.rows(np.array([position]))
        nearest, _ = self.images.within(self.images.vectors(rows), SAME_PHOTO_SIMILARITY)
        sharing = np.zeros(len(self.texts), bool)
        sharing[self.photos.owner[nearest]] = True
        return sharing
