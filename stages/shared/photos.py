"""One photo file, whatever it is, into one square RGB picture, or a reason why not."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

# What a marketplace's photos are. Every other decoder Pillow has is attack surface.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")


class UnusablePhoto(Exception):
    """The photo cannot be used; the message is the reason, for the rejects file."""


def decode_photo(source: Path | bytes, *, size: int, min_side: int, max_megapixels: float):
    """Return (picture, (width, height), format): an RGB PIL picture of `size` × `size`.

    The first frame, upright by its EXIF orientation, transparency over white, squeezed to a
    square. Width and height are the file's own. Raises UnusablePhoto for what cannot or must not
    be decoded: another format, damaged, a side under `min_side`, more than `max_megapixels`.
    """
    data = source if isinstance(source, bytes) else _read(source)
    if not data:
        raise UnusablePhoto("empty file")
    try:
        # Our own cap, below, is the one that counts; Pillow's warning would only repeat it.
        with (
            warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning),
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
            picture = _to_rgb(ImageOps.exif_transpose(photo))
    except UnusablePhoto:
        raise
    except Image.DecompressionBombError:
        raise UnusablePhoto(f"over {max_megapixels:g} megapixels") from None
    except Image.UnidentifiedImageError:
        raise UnusablePhoto(f"not one of {', '.join(FORMATS)}") from None
    # Pillow's decoders raise all of these, and MemoryError, on damaged files.
    except (OSError, SyntaxError, ValueError, IndexError, KeyError, TypeError, MemoryError,
            EOFError, OverflowError, ZeroDivisionError) as error:  # fmt: skip
        raise UnusablePhoto(f"damaged ({' '.join(str(error).split())[:80]})") from None
    square = picture.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return square, (width, height), format_name


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusablePhoto(f"unreadable ({error.strerror})") from None


def _to_rgb(photo: Image.Image) -> Image.Image:
    if photo.mode.startswith("I"):  # 16-bit grey: convert("RGB") would clip it to white
        grey = np.asarray(photo).astype(np.int64) >> 8
        photo = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    if photo.has_transparency_data:
        photo = photo.convert("RGBA")
        white = Image.new("RGBA", photo.size, "white")
        photo = Image.alpha_composite(white, photo)
    return photo.convert("RGB")


def to_array(picture: Image.Image, size: int) -> np.ndarray:
    """Return the picture as (3, size, size) uint8."""
    small = picture.resize((size, size), Image.Resampling.BOX)
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))
