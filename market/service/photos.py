"""Photos in the API: their URLs, which survive a reload, and the decoding of uploads."""

from __future__ import annotations

from collections.abc import Sequence
from threading import BoundedSemaphore
from typing import NamedTuple

from fastapi import HTTPException
from PIL import Image

from market.data.display_photos import SIZES
from market.data.display_store import DisplayPhotos
from market.data.images import DecodeLimits, UnusablePhoto, decode_photo
from market.data.photo_store import PhotoStore

MAX_DECODING = 2  # photos decoded at once: 50 megapixels take 150 MB for a moment


DisplaySource = DisplayPhotos | PhotoStore  # squares stand in until stage resize has run


class PhotoAddress(NamedTuple):
    """The URLs of a photo, relative to the root of the service, and its sizes in pixels.

    Both URLs are equal for a photo that is no larger than the small size.
    """

    url: str
    width: int
    height: int
    url_large: str
    width_large: int
    height_large: int


class LivePhoto(NamedTuple):
    """A photo in the store of changes: its SHA-256, and its sizes for display in pixels."""

    sha256: str
    width: int
    height: int
    width_large: int
    height_large: int

    def address(self) -> PhotoAddress:
        """Return the address of the photo."""
        small, large = (f"api/photos/live/{self.sha256}?size={size}" for size in SIZES)
        is_small = (self.width, self.height) == (self.width_large, self.height_large)
        return PhotoAddress(
            small,
            self.width,
            self.height,
            small if is_small else large,
            self.width_large,
            self.height_large,
        )


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
        `current`, or the photo in the store of changes.
    """

    def __init__(
        self,
        current: DisplaySource,
        previous: dict[str, DisplaySource] | None = None,
        live: Sequence[int | LivePhoto] = (),
        version: str | None = None,
    ) -> None:
        self._current = current
        self._previous = previous or {}
        self._live = live
        self._sizes = current.nominal_sizes
        self.version = current.version() if version is None else version

    def replaced_by(self, photos: DisplaySource) -> PhotoVersions:
        """Return the versions after a reload, which drops all but the last previous one."""
        return PhotoVersions(photos, {self.version: self._current})

    def with_live(self, live: Sequence[int | LivePhoto]) -> PhotoVersions:
        """Return the versions with other photos of changed listings."""
        return PhotoVersions(self._current, self._previous, live, self.version)

    def addresses(self, numbers: Sequence[int]) -> list[PhotoAddress]:
        """Return the addresses of photos of the current index by their numbers."""
        return [self._address(number) for number in numbers]

    def _address(self, number: int) -> PhotoAddress:
        packed = len(self._current)
        if number >= packed:
            live = self._live[number - packed]
            if not isinstance(live, int):
                return live.address()
            number = live
        width, height, large_width, large_height = self._current.sizes(number)
        small, large = (f"api/photos/{number}?v={self.version}&size={size}" for size in self._sizes)
        if (width, height) == (large_width, large_height):
            large = small
        return PhotoAddress(small, width, height, large, large_width, large_height)

    def numbers_of(self, sha256: str) -> list[int]:
        """Return the numbers of a photo in the store of changes, for each listing that has it."""
        return [
            len(self._current) + row
            for row, photo in enumerate(self._live)
            if not isinstance(photo, int) and photo.sha256 == sha256
        ]

    def read(self, number: int, version: str, size: int | None = None) -> bytes:
        """Return a photo as JPEG.

        Parameters
        ----------
        number
            Number of the photo in its store.
        version
            Version from a URL; "" is the current one.
        size
            Longest side in pixels that the photo is shown at. Without it the small photo.

        Raises
        ------
        LookupError
            There is no such version or number.
        """
        stores = {**self._previous, self.version: self._current, "": self._current}
        return stores[version].read(number, size or 0)


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
