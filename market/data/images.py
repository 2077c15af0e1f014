"""Photo files: any of them becomes a square RGB picture, or a reason why it cannot be used."""

from __future__ import annotations

import io
import re
import stat
import warnings
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np
from PIL import Image, ImageOps

from market.core.settings import Clean
from market.data.colours import to_srgb
from market.data.jpeg_endings import lacks_only_end_mark, with_end_mark
from market.data.photo_formats import UnusablePhoto, open_photo_file, unknown_format

# The target of a link under `dvc config cache.type symlink`: a file that is named after its hash.
IN_CACHE = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")


class DecodeLimits(TypedDict):
    """The keyword arguments of `decode_photo`."""

    size: int  # side of the picture in pixels
    min_side: int  # smallest side of a file in pixels
    max_megapixels: float  # largest area of a file


class _Limits(TypedDict):
    detail: int  # pixels that suffice for each side
    min_side: int
    max_megapixels: float


class DecodedPhoto(NamedTuple):
    """A picture, and facts about its file."""

    picture: Image.Image  # RGB
    size: tuple[int, int]  # width and height of the file in pixels
    format: str  # Pillow's name of the file's format


def decode_limits(settings: Clean) -> DecodeLimits:
    """Return the arguments of `decode_photo` that the settings of stage clean determine."""
    return {
        "size": settings.photo_size,
        "min_side": settings.min_side,
        "max_megapixels": settings.max_megapixels,
    }


def decode_photo(
    source: Path | bytes, *, size: int, min_side: int, max_megapixels: float
) -> DecodedPhoto:
    """Decode a photo into a square picture.

    The picture is as `decode_whole` returns it, squeezed to a square.

    Parameters
    ----------
    source
        A file, or its bytes.
    size
        Side of the picture in pixels.
    min_side
        Smallest side of the file in pixels.
    max_megapixels
        Largest area of the file.

    Returns
    -------
    DecodedPhoto
        The picture, the size of the file and its format.

    Raises
    ------
    UnusablePhoto
        If the file has none of the formats in `photo_formats.FORMATS`, or is damaged, too small or
        too large.
    """
    whole = decode_whole(source, detail=2 * size, min_side=min_side, max_megapixels=max_megapixels)
    square = whole.picture.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return whole._replace(picture=square)


def decode_whole(
    source: Path | bytes, *, detail: int, min_side: int, max_megapixels: float
) -> DecodedPhoto:
    """Decode a photo, and keep its aspect.

    The picture is the first frame or page, upright by its EXIF orientation, in sRGB by its embedded
    colour profile, with transparency over white. A JPEG that lacks only its end mark counts as
    whole.

    Parameters
    ----------
    source
        A file, or its bytes.
    detail
        Pixels that suffice for each side: a larger JPEG is decoded at 1/2, 1/4 or 1/8 of its size,
        as long as both sides keep as many.
    min_side, max_megapixels
        As in `decode_photo`.

    Returns
    -------
    DecodedPhoto
        The picture, the size of the file and its format.

    Raises
    ------
    UnusablePhoto
        As `decode_photo` does.
    """
    limits: _Limits = {"detail": detail, "min_side": min_side, "max_megapixels": max_megapixels}
    # Twice the bytes of the largest allowed picture with four channels of 8 bits.
    data = source if isinstance(source, bytes) else _read(source, int(max_megapixels * 8e6))
    if not data:
        raise UnusablePhoto("empty file")
    try:
        return _decode(data, limits)
    except (UnusablePhoto, Image.DecompressionBombError, Image.UnidentifiedImageError) as error:
        raise _reason(error, data, max_megapixels) from None
    # On damaged files Pillow's decoders raise errors of many types: struct.error, zlib.error…
    except Exception as error:
        if lacks_only_end_mark(data):
            return decode_whole(with_end_mark(data), **limits)
        raise UnusablePhoto(f"damaged ({' '.join(str(error).split())[:80]})") from None


def _reason(error: Exception, data: bytes, max_megapixels: float) -> UnusablePhoto:
    if isinstance(error, UnusablePhoto):
        return error
    if isinstance(error, Image.DecompressionBombError):
        return UnusablePhoto(f"over {max_megapixels:g} megapixels")
    return UnusablePhoto(unknown_format(data))


def _decode(data: bytes, limits: _Limits) -> DecodedPhoto:
    """Decode the bytes of a file that has its end; raise any error of Pillow's decoders."""
    detail, max_megapixels = limits["detail"], limits["max_megapixels"]
    # Pillow warns of large pictures, which are rejected below, and of unknown EXIF fields.
    with warnings.catch_warnings(action="ignore"), open_photo_file(io.BytesIO(data)) as photo:
        width, height = photo.size
        if min(width, height) < limits["min_side"]:
            raise UnusablePhoto(f"a side under {limits['min_side']} pixels ({width}x{height})")
        if width * height > max_megapixels * 1e6:
            raise UnusablePhoto(f"over {max_megapixels:g} megapixels ({width}x{height})")
        format_name = photo.format or ""
        # Makes libjpeg decode a large JPEG at 1/2, 1/4 or 1/8; no effect on other files.
        photo.draft("RGB", (detail, detail))
        ImageOps.exif_transpose(photo, in_place=True)
        return DecodedPhoto(to_srgb(photo), (width, height), format_name)


def _read(path: Path, most: int) -> bytes:
    """Return a file's bytes; a link may lead to a file in its folder, or into DVC's cache."""
    try:
        actual, about = path, path.lstat()
        if stat.S_ISLNK(about.st_mode):
            actual = path.resolve(strict=True)
            about = actual.stat()
        if not stat.S_ISREG(about.st_mode):
            # Reading a pipe or a device might never end.
            raise UnusablePhoto("unreadable (not a file)")
        if actual != path and (
            actual.parent != path.parent.resolve() and not IN_CACHE.search(actual.as_posix())
        ):
            raise UnusablePhoto("a link out of its folder")
        if about.st_size > most:
            raise UnusablePhoto(f"over {most / 1e6:.0f} MB")
        return actual.read_bytes()
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        reason = getattr(error, "strerror", None) or "links in a circle"
        raise UnusablePhoto(f"unreadable ({reason})") from None


def to_jpeg(picture: Image.Image, quality: int) -> bytes:
    """Return the picture as a JPEG of this quality (1 to 100), without chroma subsampling."""
    encoded = io.BytesIO()
    # Most photos are subsampled already; a second time would lose colour detail.
    picture.save(encoded, "JPEG", quality=quality, subsampling=0)
    return encoded.getvalue()


def to_array(picture: Image.Image, size: int) -> np.ndarray:
    """Return the picture, shrunk, as an array (3, size, size) of uint8."""
    small = picture.resize((size, size), Image.Resampling.BOX)
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))
