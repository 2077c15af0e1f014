"""The file formats of photos that are read, one list for the pipeline, the service and the page.

Every decoder is attack surface, so the list holds only what telephones, cameras, scanners and
browsers write. JPEG 2000 is left out: none of these writes it, and its decoder is known for its
security faults.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from PIL import Image


class UnusablePhoto(Exception):
    """A photo that cannot be used; the message is the reason."""


class PhotoFormat(NamedTuple):
    """A file format of photos."""

    name: str  # as people write it
    suffix: str  # of file names
    media_type: str


# By Pillow's name. Pillow opens MPO (JPEGs with more pictures behind the first) as JPEG.
FORMATS = {
    "JPEG": PhotoFormat("JPEG", ".jpg", "image/jpeg"),
    "PNG": PhotoFormat("PNG", ".png", "image/png"),
    "WEBP": PhotoFormat("WebP", ".webp", "image/webp"),
    "GIF": PhotoFormat("GIF", ".gif", "image/gif"),
    "BMP": PhotoFormat("BMP", ".bmp", "image/bmp"),
    "TIFF": PhotoFormat("TIFF", ".tiff", "image/tiff"),
    "HEIF": PhotoFormat("HEIC", ".heic", "image/heic"),
    "AVIF": PhotoFormat("AVIF", ".avif", "image/avif"),
}
FORMAT_NAMES = ", ".join(photo_format.name for photo_format in FORMATS.values())
FORMATS_DESCRIPTION = " or".join(FORMAT_NAMES.rsplit(",", 1))

SUFFIX_ALIASES = (".jpeg", ".jpe", ".jfif", ".mpo", ".tif", ".heif", ".hif", ".avifs")
PHOTO_SUFFIXES = frozenset(
    [*(photo_format.suffix for photo_format in FORMATS.values()), *SUFFIX_ALIASES]
)

HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
CONTAINER_BRANDS = dict.fromkeys(HEIC_BRANDS, "HEIF") | {b"avif": "AVIF", b"avis": "AVIF"}
TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@lru_cache
def readable_formats() -> tuple[str, ...]:
    """Return Pillow's names of the formats that this installation reads.

    All of FORMATS, but for HEIF without the package pillow-heif. The package is optional, because
    its wheels contain an encoder under the GPL, which not everybody may pass on.
    """
    try:
        import pillow_heif  # optional, see above
    except ImportError:
        return tuple(name for name in FORMATS if name != "HEIF")
    # Only the main picture is read. One thread each, as photos are decoded in parallel.
    pillow_heif.register_heif_opener(
        thumbnails=False, depth_images=False, aux_images=False, decode_threads=1
    )
    return tuple(FORMATS)


def open_photo_file(file) -> Image.Image:
    """Open a photo of a readable format with Pillow, without decoding its pixels.

    Parameters
    ----------
    file
        A binary file object.

    Raises
    ------
    PIL.UnidentifiedImageError
        If the file has another format.
    """
    return Image.open(file, formats=readable_formats())


def unknown_format(data: bytes) -> str:
    """Return the reason why Pillow identified none of the readable formats in a file's bytes."""
    name = _claimed_container(data)
    if name is None:
        return f"not one of {FORMAT_NAMES}"
    if name not in readable_formats():
        return f"{FORMATS[name].name}, which needs `pip install pillow-heif`"
    return f"damaged (a {FORMATS[name].name} file without a picture)"


def _claimed_container(data: bytes) -> str | None:
    """Return the format that a file begins as, of those whose pictures are not at the beginning."""
    if data[4:8] == b"ftyp":
        return CONTAINER_BRANDS.get(data[8:12])
    return "TIFF" if data.startswith(TIFF_MARKS) else None
