"""Photos decoded once each, in parallel, into the square forms that later stages read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from market.core.settings import Clean
from market.data.images import UnusablePhoto, decode_limits, decode_photo, to_array, to_jpeg
from market.data.photo_tasks import map_photos


class Square(NamedTuple):
    """The square forms of a photo, and facts about its file."""

    encoded: bytes  # JPEG, photo_size × photo_size
    array: np.ndarray  # (3, array_size, array_size) uint8
    pixel_hash: str  # of the square's pixels: equal for copies in any file format
    width: int  # of the file, in pixels
    height: int
    format: str  # Pillow's name of the file format


def square_photo(path: Path, settings: Clean) -> Square | str:
    """Decode one photo into its square forms; return the reason if it cannot be used."""
    try:
        picture, (width, height), format_name = decode_photo(path, **decode_limits(settings))
    except UnusablePhoto as reason:
        return str(reason)
    return Square(
        to_jpeg(picture, settings.jpeg_quality),
        to_array(picture, settings.array_size),
        hashlib.sha256(picture.tobytes()).hexdigest()[:32],
        width,
        height,
        format_name,
    )


def square_photos(paths: list[Path], settings: Clean) -> Iterator[Square | str]:
    """Decode photos on every core or worker.

    Parameters
    ----------
    paths
        The files (n).
    settings
        Sizes and limits.

    Yields
    ------
    Square or str
        In the order of `paths`: a photo, or the reason why it cannot be used. Memory holds the
        photos that are decoded and not yet consumed.

    Raises
    ------
    MarketError
        If a process that decodes photos was killed.
    """
    yield from map_photos(partial(square_photo, settings=settings), paths, verb="decode")
