"""The vector space of images: whitened network features beside colour histograms.

Networks trained to name objects disregard colour, but two photos of one object in one room share
it. Together they find a listing's other photo far more often than either alone (docs/decisions.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from market.core.stage import progress
from market.data.photo_store import PhotoStore

HUE_BINS, SHADE_BINS = 12, 4  # SHADE_BINS each for saturation and brightness
COLOUR_BINS = HUE_BINS * SHADE_BINS * SHADE_BINS


def colour_histogram(pixels: np.ndarray) -> np.ndarray:
    """Return the square roots of a photo's colour shares.

    The dot product of two such histograms is their Bhattacharyya coefficient.

    Parameters
    ----------
    pixels
        (3, side, side) uint8 RGB.

    Returns
    -------
    ndarray
        (COLOUR_BINS,) float32 of length 1.

    Examples
    --------
    >>> red, blue = np.zeros((2, 3, 8, 8), np.uint8)
    >>> red[0], blue[2] = 255, 255
    >>> float(colour_histogram(red) @ colour_histogram(red))
    1.0
    >>> float(colour_histogram(red) @ colour_histogram(blue))
    0.0
    """
    hsv = np.asarray(Image.fromarray(pixels.transpose(1, 2, 0)).convert("HSV")).reshape(-1, 3)
    hue, saturation, brightness = (
        hsv.astype(np.int64) * [HUE_BINS, SHADE_BINS, SHADE_BINS] // 256
    ).T
    bins = (hue * SHADE_BINS + saturation) * SHADE_BINS + brightness
    return np.sqrt(np.bincount(bins, minlength=COLOUR_BINS) / len(bins)).astype(np.float32)


def colour_histograms(photos: PhotoStore) -> np.ndarray:
    """Return the histogram (n, COLOUR_BINS) float32 of every packed photo, in order."""
    histograms = []
    with progress(total=len(photos), desc="count colours", unit="photo") as bar:
        for arrays in photos.arrays():
            histograms += [colour_histogram(photo) for photo in arrays.to_numpy_ndarray()]
            bar.update(len(arrays))
    return np.array(histograms, np.float32).reshape(-1, COLOUR_BINS)


@dataclass(frozen=True, eq=False)
class ImageSpace:
    """Maps network features and a colour histogram of a photo to one unit vector.

    Features are projected on whitened principal components: without whitening, a few directions
    ("indoors") would drown out all others.

    Attributes
    ----------
    mean
        (width,) float32: the mean of the features.
    components
        (n_components, width) float32: principal components over their standard deviations.
    mean_histogram
        (COLOUR_BINS,) float32.
    colour_weight
        Weight of the colours beside the features.
    """

    mean: np.ndarray
    components: np.ndarray
    mean_histogram: np.ndarray
    colour_weight: float

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        histograms: np.ndarray,
        *,
        n_components: int,
        colour_weight: float,
        seed: int,
    ) -> ImageSpace:
        """Fit on photos.

        Parameters
        ----------
        features
            (n, width) float32 of the photo network.
        histograms
            (n, COLOUR_BINS) float32 from `colour_histogram`.
        n_components
            At most n / 2 are used, because whitening turns the last components into noise.
        colour_weight
            0 compares kinds of objects, 1 also the light and the room.
        seed
            Of the randomised PCA.
        """
        width = features.shape[1]
        if len(features) < 2:  # without variation there are no principal components
            return cls(
                np.zeros(width, np.float32),
                np.eye(1, width, dtype=np.float32),
                np.zeros(COLOUR_BINS, np.float32),
                colour_weight,
            )
        n_components = min(n_components, len(features) // 2, width)
        pca = PCA(n_components, svd_solver="randomized", random_state=seed).fit(features)
        deviations = np.sqrt(np.maximum(pca.explained_variance_, 1e-12))
        components = pca.components_ / deviations[:, None]
        mean, components, mean_histogram = (
            array.astype(np.float32) for array in (pca.mean_, components, histograms.mean(0))
        )
        return cls(mean, components, mean_histogram, colour_weight)

    def transform(self, features: np.ndarray, histograms: np.ndarray) -> np.ndarray:
        """Return unit vectors (n, n_components + COLOUR_BINS) float32.

        Parameters
        ----------
        features
            (n, width) float32.
        histograms
            (n, COLOUR_BINS) float32.
        """
        if not len(features):  # `normalize` refuses an empty array
            return np.empty((0, len(self.components) + COLOUR_BINS), np.float32)
        seen = normalize((features - self.mean) @ self.components.T)
        coloured = normalize(histograms - self.mean_histogram) * self.colour_weight
        return normalize(np.hstack([seen, coloured])).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write an .npz file; equal spaces give equal bytes."""
        np.savez(path, **vars(self))

    @classmethod
    def load(cls, path: Path) -> ImageSpace:
        """Read the file that `save` wrote."""
        with np.load(path) as saved:
            return cls(
                saved["mean"],
                saved["components"],
                saved["mean_histogram"],
                float(saved["colour_weight"]),
            )
