"""One photo file, whatever it is, into one square RGB picture, or a reason why not."""

from __future__ import annotations

import io
import re
import stat
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

# What a marketplace's photos are. Every other decoder Pillow has is attack surface.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")

# Where `dvc config cache.type symlink` makes links lead: to a file that is named after its hash.
IN_CACHE = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")


class UnusablePhoto(Exception):
    """The photo cannot be used; the message is the reason, for the rejects file."""


def limits_of(clean: dict[str, Any]) -> dict[str, Any]:
    """What the params of stage clean hold a photo to, as arguments of `decode_photo`."""
    return {
        "size": clean["photo_size"],
        "min_side": clean["min_side"],
        "max_megapixels": clean["max_megapixels"],
    }


def decode_photo(source: Path | bytes, *, size: int, min_side: int, max_megapixels: float):
    """Return (picture, (width, height), format): an RGB PIL picture of `size` × `size`.

    The first frame, upright by its EXIF orientation, transparency over white, squeezed to a
    square. Width and height are the file's own. Raises UnusablePhoto for what cannot or must not
    be decoded: another format, damaged, a side under `min_side`, more than `max_megapixels`.
    """
    # Twice the bytes of the largest picture allowed, at 8 bits and four channels.
    most = int(max_megapixels * 8e6)
    data = source if isinstance(source, bytes) else _read(source, most)
    if not data:
        raise UnusablePhoto("empty file")
    try:
        # Our own cap, below, is the one that counts; Pillow's warnings would only repeat it, and
        # say of which EXIF field it makes nothing.
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(io.BytesIO(data), formats=FORMATS) as photo,
        ):
            width, height = photo.size
            if min(width, height) < min_side:
                raise UnusablePhoto(f"a side under {min_side} pixels ({width}x{height})")
            if width * height > max_megapixels * 1e6:
                raise UnusablePhoto(f"over {max_megapixels:g} megapixels ({width}x{height})")
            format_name = photo.format or ""
            # JPEG only, and a no-op below twice the size: libjpeg decodes at 1/2, 1/4 or 1/8.
            photo.draft("RGB", (2 * size, 2 * size))
            ImageOps.exif_transpose(photo, in_place=True)
            picture = _to_rgb(photo)
    except UnusablePhoto:
        raise
    except Image.DecompressionBombError:
        raise UnusablePhoto(f"over {max_megapixels:g} megapixels") from None
    except Image.UnidentifiedImageError:
        raise UnusablePhoto(f"not one of {', '.join(FORMATS)}") from None
    # On damaged files Pillow's decoders raise whatever their parsers do: struct.error, zlib.error…
    except Exception as error:
        raise UnusablePhoto(f"damaged ({' '.join(str(error).split())[:80]})") from None
    square = picture.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return square, (width, height), format_name


def _read(path: Path, most: int) -> bytes:
    """The file's bytes; a link may lead to a file beside it, or into DVC's cache."""
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


def _to_rgb(photo: Image.Image) -> Image.Image:
    if photo.mode.startswith("I"):  # 16-bit grey: convert("RGB") would clip it to white
        grey = np.asarray(photo).astype(np.int64) >> 8
        photo = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    if photo.has_transparency_data:
        photo = photo.convert("RGBA")
        white = Image.new("RGBA", photo.size, "white")
        photo = Image.alpha_composite(white, photo)
    return photo.convert("RGB")


def to_jpeg(picture: Image.Image, quality: int) -> bytes:
    """Return the picture as it is packed: JPEG, 4:4:4."""
    encoded = io.BytesIO()
    # A second chroma subsampling of an already subsampled photo costs colour detail.
    picture.save(encoded, "JPEG", quality=quality, subsampling=0)
    return encoded.getvalue()


def to_array(picture: Image.Image, size: int) -> np.ndarray:
    """Return the picture as (3, size, size) uint8."""
    small = picture.resize((size, size), Image.Resampling.BOX)
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))
