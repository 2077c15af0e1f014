"""Photo files: any of them becomes a square RGB picture, or a reason why it cannot be used."""

from __future__ import annotations

import io
import re
import stat
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps

from market.core.settings import Clean

# The formats of photos in a marketplace. Every other decoder of Pillow is attack surface.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")

# The target of a link under `dvc config cache.type symlink`: a file that is named after its hash.
IN_CACHE = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")

# A JPEG's markers, each after a byte 255.
END = b"\xff\xd9"
SCAN = 0xDA
FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: what libjpeg decodes
RESTARTS = range(0xD0, 0xD8)
WITHOUT_CONTENT = (0x00, 0x01, *RESTARTS, 0xD8, 0xD9)

SAME_COLOUR = 2  # of 255; a profile that changes no colour by more is equivalent to sRGB
PROFILES_KEPT = 16  # in memory; most photos come from a few kinds of cameras


class UnusablePhoto(Exception):
    """A photo that cannot be used; the message is the reason."""


def limits_of(settings: Clean) -> dict[str, Any]:
    """Return the arguments of `decode_photo` that the settings of stage clean determine."""
    return {
        "size": settings.photo_size,
        "min_side": settings.min_side,
        "max_megapixels": settings.max_megapixels,
    }


def decode_photo(source: Path | bytes, *, size: int, min_side: int, max_megapixels: float):
    """Decode a photo into a square picture.

    The picture is the first frame, upright by its EXIF orientation, in sRGB by its embedded colour
    profile, with transparency over white, and squeezed to a square. A JPEG that lacks only its end
    mark counts as whole.

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
    picture, (width, height), format
        An RGB picture of `size` × `size` pixels, the size of the file in pixels, and its format.

    Raises
    ------
    UnusablePhoto
        If the file is not one of FORMATS, damaged, too small or too large.
    """
    # Twice the bytes of the largest allowed picture with four channels of 8 bits.
    most = int(max_megapixels * 8e6)
    data = source if isinstance(source, bytes) else _read(source, most)
    if not data:
        raise UnusablePhoto("empty file")
    try:
        # Pillow warns of large pictures, which are rejected below, and of unknown EXIF fields.
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
            # Makes libjpeg decode a large JPEG at 1/2, 1/4 or 1/8; no effect on other files.
            photo.draft("RGB", (2 * size, 2 * size))
            ImageOps.exif_transpose(photo, in_place=True)
            picture = _to_rgb(photo)
    except UnusablePhoto:
        raise
    except Image.DecompressionBombError:
        raise UnusablePhoto(f"over {max_megapixels:g} megapixels") from None
    except Image.UnidentifiedImageError:
        raise UnusablePhoto(f"not one of {', '.join(FORMATS)}") from None
    # On damaged files Pillow's decoders raise errors of many types: struct.error, zlib.error…
    except Exception as error:
        if lacks_only_end_mark(data):
            whole = data.rstrip(b"\xff") + END
            return decode_photo(whole, size=size, min_side=min_side, max_megapixels=max_megapixels)
        raise UnusablePhoto(f"damaged ({' '.join(str(error).split())[:80]})") from None
    square = picture.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return square, (width, height), format_name


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


def lacks_only_end_mark(data: bytes) -> bool:
    """Return whether `data` is a JPEG with all its pixels that lacks only its end mark.

    libjpeg silently fills missing pixels from the bits that follow. If no pixel is missing, these
    bits change nothing: so the photo is decoded with several endings, and the results compared.
    """
    restart = _next_restart(data)
    if data.endswith(END) or restart is None:
        return False
    data = data.rstrip(b"\xff")
    noise = b"\x55\xa3" * 32
    endings = (b"", noise, bytes(64), bytes([0xFF, restart]) + noise)
    try:
        first, *others = (_pixels(data + ending + END) for ending in endings)
    except Exception:  # as for damaged files
        return False
    return all(other == first for other in others)


def _pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as photo:
        return photo.tobytes()


def _next_restart(data: bytes) -> int | None:
    """Return the restart marker that would come next, or None if the JPEG lacks a scan.

    No scan is missing if each coefficient of each colour is complete to its last bit, be it in one
    scan or in several.
    """
    missing: set[tuple[int, int]] | None = None  # (colour, coefficient)
    restarts = 0
    at = 2
    while 0 <= (at := data.find(b"\xff", at)) < len(data) - 3:
        marker = data[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker in WITHOUT_CONTENT:
            restarts += marker in RESTARTS
            at += 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        content = data[at + 4 : end]
        try:
            if marker in FRAMES:
                colours = [content[6 + 3 * number] for number in range(content[5])]
                missing = {(colour, place) for colour in colours for place in range(64)}
            elif marker == SCAN:
                restarts = 0
                count = content[0]
                colours = [content[1 + 2 * number] for number in range(count)]
                first, last, bits = content[1 + 2 * count : 4 + 2 * count]
                if missing is not None and bits & 15 == 0:
                    missing -= {(c, place) for c in colours for place in range(first, last + 1)}
        except (IndexError, ValueError):  # cut within the segment
            return None
        at = end
    return RESTARTS[restarts % 8] if missing == set() else None


def _to_rgb(photo: Image.Image) -> Image.Image:
    profile = photo.info.get("icc_profile")
    if photo.mode.startswith("I"):  # 16-bit grey: convert("RGB") would clip it to white
        grey = np.asarray(photo).astype(np.int64) >> 8
        photo = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    alpha = photo.convert("RGBA").getchannel("A") if photo.has_transparency_data else None
    photo = _to_srgb(photo, profile) if profile else photo.convert("RGB")
    if alpha is None:
        return photo
    photo.putalpha(alpha)
    white = Image.new("RGBA", photo.size, "white")
    return Image.alpha_composite(white, photo).convert("RGB")


def _to_srgb(photo: Image.Image, profile: bytes) -> Image.Image:
    """Return the photo in sRGB; a profile that is broken or of another mode is ignored."""
    space = "CMYK" if photo.mode == "CMYK" else "L" if photo.mode in ("1", "L", "LA") else "RGB"
    change = _transform(profile, space)
    if change is None:
        return photo.convert("RGB")
    return change.apply(photo.convert(space))


@lru_cache(PROFILES_KEPT)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the transform from a profile to sRGB, or None if it would change no colour."""
    try:
        change = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if mode == "RGB":
        steps = np.linspace(0, 255, 6).astype(np.uint8)
        colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
        changed = np.asarray(change.apply(Image.fromarray(colours))).astype(int)
        if np.abs(changed - colours).max() <= SAME_COLOUR:
            return None
    return change


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
