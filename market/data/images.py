"""One photo file, whatever it is, into one square RGB picture, or a reason why not."""

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

# What a marketplace's photos are. Every other decoder Pillow has is attack surface.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")

# Where `dvc config cache.type symlink` makes links lead: to a file that is named after its hash.
IN_CACHE = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")

# A JPEG's markers, each after a byte 255.
END = b"\xff\xd9"
SCAN = 0xDA
FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: what libjpeg decodes
RESTARTS = range(0xD0, 0xD8)
WITHOUT_CONTENT = (0x00, 0x01, *RESTARTS, 0xD8, 0xD9)

SAME_COLOUR = 2  # of 255: a profile that changes no colour by more is sRGB under another name
PROFILES_KEPT = 16  # in memory: a marketplace's photos come from few kinds of cameras


class UnusablePhoto(Exception):
    """The photo cannot be used; the message is the reason, for the rejects file."""


def limits_of(settings: Clean) -> dict[str, Any]:
    """Return the arguments of `decode_photo` that the settings of stage clean determine."""
    return {
        "size": settings.photo_size,
        "min_side": settings.min_side,
        "max_megapixels": settings.max_megapixels,
    }


def decode_photo(source: Path | bytes, *, size: int, min_side: int, max_megapixels: float):
    """Return (picture, (width, height), format): an RGB PIL picture of `size` × `size`.

    The first frame, upright by its EXIF orientation, its colours in sRGB by the embedded profile,
    transparency over white, squeezed to a square. Width and height are the file's own. A JPEG that
    lacks only its end mark is whole. Raises UnusablePhoto for what cannot or must not be decoded:
    another format, damaged, a side under `min_side`, more than `max_megapixels`.
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
        if lacks_only_end_mark(data):
            whole = data.rstrip(b"\xff") + END
            return decode_photo(whole, size=size, min_side=min_side, max_megapixels=max_megapixels)
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


def lacks_only_end_mark(data: bytes) -> bool:
    """Return whether `data` is a JPEG with all its pixels, cut off where its end mark should be.

    libjpeg fills missing pixels in silence, with whatever bits follow. So if none is missing, what
    follows changes nothing: the photo is decoded with several endings, and compared.
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
    """Return the restart marker that would come next; None unless the JPEG has all its scans.

    It has if each coefficient of each colour was sent to its last bit, in one scan or in several.
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
    """Return the photo as sRGB; its profile is ignored where it is broken or of another mode."""
    space = "CMYK" if photo.mode == "CMYK" else "L" if photo.mode in ("1", "L", "LA") else "RGB"
    change = _transform(profile, space)
    if change is None:
        return photo.convert("RGB")
    return change.apply(photo.convert(space))


@lru_cache(PROFILES_KEPT)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return what makes sRGB of pictures of a mode and profile; None if that changes nothing."""
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
    """Return the picture as it is packed: JPEG, 4:4:4."""
    encoded = io.BytesIO()
    # A second chroma subsampling of an already subsampled photo costs colour detail.
    picture.save(encoded, "JPEG", quality=quality, subsampling=0)
    return encoded.getvalue()


def to_array(picture: Image.Image, size: int) -> np.ndarray:
    """Return the picture as (3, size, size) uint8."""
    small = picture.resize((size, size), Image.Resampling.BOX)
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))
