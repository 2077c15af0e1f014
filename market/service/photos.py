"""Photos in the API: their URLs, which survive a reload, and the decoding of uploads."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from threading import BoundedSemaphore

import pyarrow.compute as pc
from fastapi import HTTPException
from PIL import Image

from market.data.display_photos import SIZES
from market.data.images import DecodeLimits, UnusablePhoto, decode_photo
from market.data.photo_store import PhotoStore

MAX_DECODING = 2  # photos decoded at once: 50 megapixels take 150 MB for a moment


class PhotoVersions:
    """The photos of the current index and of the one before it, by version.

    A photo's number means another photo after a reload, so every URL names a version. A URL with
    a version always shows the same photo, and pages opened before a reload keep working.

    Parameters
    ----------
    current
        Photos of the current index.
    previous
        Photos of the index before it, by version.
    live
        For each number above those of `current`, the photo of a changed listing: its number in
        `current`, or its SHA-256 in the store of changes.
    """

    def __init__(
        self,
        current: PhotoStore,
        previous: dict[str, PhotoStore] | None = None,
        live: Sequence[int | str] = (),
        version: str | None = None,
    ) -> None:
        self._current = current
        self._previous = previous or {}
        self._live = live
        self.version = version_of(current) if version is None else version

    def replaced_by(self, photos: PhotoStore) -> PhotoVersions:
        """Return the versions after a reload, which drops all but the last previous one."""
        return PhotoVersions(photos, {self.version: self._current})

    def with_live(self, live: Sequence[int | str]) -> PhotoVersions:
        """Return the versions with other photos of changed listings."""
        return PhotoVersions(self._current, self._previous, live, self.version)

    def urls(self, numbers: Sequence[int]) -> list[str]:
        """Return the URLs of photos, relative to the root of the service."""
        return [self._url(number) for number in numbers]

    def _url(self, number: int) -> str:
        packed = len(self._current)
        photo = number if number < packed else self._live[number - packed]
        if isinstance(photo, str):
            return f"api/photos/live/{photo}?size={SIZES[0]}"
        return f"api/photos/{photo}?v={self.version}"

    def read(self, number: int, version: str) -> bytes:
        """Return a photo as JPEG.

        Parameters
        ----------
        number
            Number of the photo in its store.
        version
            Version from a URL; "" is the current one.

        Raises
        ------
        LookupError
            There is no such version or number.
        """
        stores = {**self._previous, self.version: self._current, "": self._current}
        return stores[version][number]


def version_of(photos: PhotoStore) -> str:
    """Return a hash of the photos' order, equal in every process that serves the same photos.

    It covers ids and lengths only, as reading all photos would delay the start.
    """
    digest = hashlib.sha256()
    for batch in photos.batches():
        lengths = pc.binary_length(batch["photo"]).to_pylist()
        digest.update(repr((batch["image_id"].to_pylist(), lengths)).encode())
    return digest.hexdigest()[:16]


class PhotoDecoder:
    """Decode uploaded photos, a few at once.

    Parameters
    ----------
    limits
        Keyword arguments of `decode_photo`, as stage clean sets them.
    """

    def __init__(self, limits: DecodeLimits) -> None:
        self._limits = limits
        self._slots = BoundedSemaphore(MAX_DECODING)

    def decode(self, data: bytes) -> Image.Image:
        """Return an uploaded photo as an RGB picture.

        Raises
        ------
        HTTPException
            422 with the reason: the file is not a usable photo.
        """
        with self._slots:
            try:
                picture, _, _ = decode_photo(data, **self._limits)
            except UnusablePhoto as reason:
                raise HTTPException(422, f"photo: {reason}") from None
        return picture
