"""Photos as people see them: whole, without black borders, in two sizes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from market.data.images import decode_whole

SIZES = (480, 1200)  # longest side in pixels: for a card, and for a zoomed photo
QUALITY = 80  # of JPEG: differences from the original are hard to see from about 75 on
BLACK = 24  # of 255: compression makes black borders a little brighter
BLACK_SHARE = 0.99  # of the pixels of a line that belongs to a border
MIN_LEFT = 0.25  # of each side: a photo that is black almost everywhere keeps its borders


def read_whole(
    source: Path | bytes, *, min_side: int, max_megapixels: float, size: int = SIZES[-1]
) -> Image.Image:
    """Decode a photo with enough detail for display.

    Parameters
    ----------
    source
        A file, or its bytes.
    min_side, max_megapixels
        As in `images.decode_photo`.
    size
        Longest side of the largest display photo in pixels.

    Raises
    ------
    UnusablePhoto
        As `images.decode_photo` does.
    """
    return decode_whole(
        source, detail=size, min_side=min_side, max_megapixels=max_megapixels
    ).picture


def display_jpegs(
    photo: Image.Image, *, sizes: tuple[int, ...] = SIZES, quality: int = QUALITY
) -> dict[int, bytes]:
    """Return a photo as JPEGs for people: its aspect is kept, and black borders are trimmed.

    Parameters
    ----------
    photo
        Upright, in mode RGB, as `read_whole` returns it.
    sizes
        Longest sides in pixels. A smaller photo is not enlarged.
    quality
        Of the JPEGs, 1 to 100.

    Returns
    -------
    dict of int to bytes
        The JPEG of each size. They hold pixels only: no place, time or camera from the file.
    """
    trimmed = trim_black_borders(photo)
    return {size: _jpeg(_fit(trimmed, size), quality) for size in sizes}


def trim_black_borders(photo: Image.Image) -> Image.Image:
    """Return a photo without the uniform black borders that screenshots and televisions add.

    Parameters
    ----------
    photo
        In mode RGB.

    Returns
    -------
    Image.Image
        The photo itself if it has no such border, or is black almost everywhere.
    """
    is_bright = np.asarray(photo).max(axis=2) > BLACK
    rows = np.flatnonzero(is_bright.mean(axis=1) > 1 - BLACK_SHARE)
    columns = np.flatnonzero(is_bright.mean(axis=0) > 1 - BLACK_SHARE)
    if not len(rows) or not len(columns):
        return photo
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    is_enough = bottom - top >= MIN_LEFT * photo.height and right - left >= MIN_LEFT * photo.width
    if not is_enough or (left, top, right, bottom) == (0, 0, *photo.size):
        return photo
    return photo.crop((left, top, right, bottom))


def _fit(photo: Image.Image, size: int) -> Image.Image:
    scale = min(1.0, size / max(photo.size))
    width, height = (max(1, round(side * scale)) for side in photo.size)
    if (width, height) == photo.size:
        return photo
    return photo.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _jpeg(photo: Image.Image, quality: int) -> bytes:
    encoded = io.BytesIO()
    # Pillow would copy the comment of the file, which may name its owner.
    photo.save(encoded, "JPEG", quality=quality, optimize=True, progressive=True, comment=b"")
    return encoded.getvalue()
