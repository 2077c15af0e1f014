"""A photo as a vector in which the same thing is near: what a network sees in it, and its colours.

Networks trained to name things disregard colour, and two photos of one thing in one room share it:
side by side they find a listing's other photo far more often than either (docs/decisions.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

HUES, SHADES = 12, 4  # bins of hue, and each of saturation and of brightness
COLOURS = HUES * SHADES * SHADES


def colour_histogram(pixels: np.ndarray) -> np.ndarray:
    """Return (COLOURS,) float32 for a photo, (3, side, side) uint8: square roots of the shares.

    The dot product of two is their Bhattacharyya coefficient.
    """
    hsv = np.asarray(Image.fromarray(pixels.transpose(1, 2, 0)).convert("HSV")).reshape(-1, 3)
    hue, saturation, brightness = (hsv.astype(np.int64) * [HUES, SHADES, SHADES] // 256).T
    bins = (hue * SHADES + saturation) * SHADES + brightness
    return np.sqrt(np.bincount(bins, minlength=COLOURS) / len(bins)).astype(np.float32)


@dataclass(frozen=True)
class PhotoSpace:
    """Whitened principal components of a network's features, beside a centred colour histogram.

    Whitened, because a few directions ("indoors") would drown out all others.
    """

    mean: np.ndarray  # (width,) float32 of the features
    axes: np.ndarray  # (components, width) float32, divided by the standard deviations
    mean_colour: np.ndarray  # (COLOURS,) float32
    colour: float  # weight of the colours beside what the network sees

    @classmethod
    def fit(
        cls, features: np.ndarray, colours: np.ndarray, *, components: int, colour: float, seed: int
    ) -> PhotoSpace:
        """Fit on (n, width) features and (n, COLOURS) histograms of photos.

        At most half as many components as photos: of the last ones whitening makes noise.
        """
        width = features.shape[1]
        if len(features) < 2:  # nothing varies
            return cls(np.zeros(width, np.float32), np.eye(1, width, dtype=np.float32),
                       np.zeros(COLOURS, np.float32), colour)  # fmt: skip
        components = min(components, len(features) // 2, width)
        pca = PCA(components, svd_solver="randomized", random_state=seed).fit(features)
        deviations = np.sqrt(np.maximum(pca.explained_variance_, 1e-12))
        axes = pca.components_ / deviations[:, None]
        mean, axes, mean_colour = (
            part.astype(np.float32) for part in (pca.mean_, axes, colours.mean(0))
        )
        return cls(mean, axes, mean_colour, colour)

    def transform(self, features: np.ndarray, colours: np.ndarray) -> np.ndarray:
        """Return unit vectors (n, components + COLOURS) float32."""
        if not len(features):  # which normalize refuses
            return np.empty((0, len(self.axes) + COLOURS), np.float32)
        seen = normalize((features - self.mean) @ self.axes.T)
        coloured = normalize(colours - self.mean_colour) * self.colour
        return normalize(np.hstack([seen, coloured])).astype(np.float32)

    def save(self, path: Path) -> None:
        np.savez(path, **vars(self))

    @classmethod
    def load(cls, path: Path) -> PhotoSpace:
        with np.load(path) as saved:
            return cls(saved["mean"], saved["axes"], saved["mean_colour"], float(saved["colour"]))
