"""Uploaded photos of listings, in the forms that the store keeps."""

from __future__ import annotations

import io
from collections.abc import Sequence
from threading import BoundedSemaphore

from PIL import Image

from market.core.settings import Clean
from market.data.display_photos import SIZES, display_jpegs, read_whole
from market.data.images import decode_limits, decode_photo, to_jpeg
from market.data.photo_formats import UnusablePhoto
from market.service.catalogue_store import StoredPhoto

MAX_DECODING = 2  # photos decoded at once: 50 megapixels take 150 MB for a moment
_DECODING = BoundedSemaphore(MAX_DECODING)


def read_uploads(
    files: Sequence[bytes], settings: Clean
) -> tuple[list[StoredPhoto], list[tuple[int, str]]]:
    """Decode the uploaded photos of a listing.

    Parameters
    ----------
    files
        The files.
    settings
        The section `clean` of params.yaml.

    Returns
    -------
    photos, unusable
        The usable photos; and of each other one its position from 1 and why it cannot be used.
    """
    photos, unusable = [], []
    for number, file in enumerate(files, start=1):
        try:
            with _DECODING:
                photos.append(_read(file, settings))
        except UnusablePhoto as reason:
            unusable.append((number, str(reason)))
    return photos, unusable


def _read(file: bytes, settings: Clean) -> StoredPhoto:
    square = decode_photo(file, **decode_limits(settings)).picture
    whole = read_whole(file, min_side=settings.min_side, max_megapixels=settings.max_megapixels)
    small, large = (display_jpegs(whole)[size] for size in SIZES)
    return StoredPhoto(
        to_jpeg(square, settings.jpeg_quality), small, large, _size(small), _size(large)
    )


def _size(jpeg: bytes) -> tuple[int, int]:
    """Return width and height of a JPEG in pixels."""
    return Image.open(io.BytesIO(jpeg), formats=("JPEG",)).size
