"""Photos as a caller has them: paths, bytes, or Pillow's images."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageOps

Photo = str | Path | bytes | Image.Image
PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")


def photo_source(photo: Photo) -> Path | bytes:
    """Return a photo as the models read it: a file, or the bytes of one.

    Examples
    --------
    >>> photo_source("chair.jpg").name
    'chair.jpg'
    >>> photo_source(Image.new("CMYK", (8, 8)))[1:4]
    b'PNG'
    """
    if isinstance(photo, bytes):
        return photo
    if isinstance(photo, Image.Image):
        upright = ImageOps.exif_transpose(photo)
        if upright.mode not in PNG_MODES:
            upright = upright.convert("RGB")
        file = io.BytesIO()
        upright.save(file, format="PNG")
        return file.getvalue()
    return Path(photo)
