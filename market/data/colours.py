"""The colours of a photo, whatever its mode and profile, as 8-bit sRGB."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from market.data.photo_formats import UnusablePhoto

SAME_COLOUR = 2  # of 255; a profile that changes no colour by more is equivalent to sRGB
PROFILES_KEPT = 16  # in memory; most photos come from a few kinds of cameras
PHOTOMETRIC = 262  # the TIFF tag that tells whether 0 is white
WIDE_MODES = ("I", "F")  # Pillow's modes of 32 bits per pixel


def to_srgb(photo: Image.Image) -> Image.Image:
    """Return a photo in mode RGB, in sRGB by its embedded profile, with transparency over white.

    Raises
    ------
    UnusablePhoto
        If its pixels have 32 bits, as measurements have and no photo.
    """
    profile = photo.info.get("icc_profile")
    if photo.mode in WIDE_MODES:
        raise UnusablePhoto("pixels of 32 bits")
    if photo.mode.startswith("I;16"):  # convert("RGB") would clip it to white
        photo = _to_8_bits(photo)
    alpha = photo.convert("RGBA").getchannel("A") if photo.has_transparency_data else None
    photo = _by_profile(photo, profile)
    if alpha is None:
        return photo
    photo.putalpha(alpha)
    white = Image.new("RGBA", photo.size, "white")
    return Image.alpha_composite(white, photo).convert("RGB")


def _to_8_bits(photo: Image.Image) -> Image.Image:
    grey = (np.asarray(photo) >> 8).astype(np.uint8)
    # In some TIFFs 0 is white. Pillow inverts them at 8 bits, but not at 16.
    inverted = getattr(photo, "tag_v2", {}).get(PHOTOMETRIC) == 0
    return Image.fromarray(255 - grey if inverted else grey)


def _by_profile(photo: Image.Image, profile: bytes | None) -> Image.Image:
    """Return the photo in sRGB; a profile that is broken or of another mode is ignored."""
    if photo.mode == "LAB":
        space = "LAB"
        profile = profile or ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    else:
        space = "CMYK" if photo.mode == "CMYK" else "L" if photo.mode in ("1", "L", "LA") else "RGB"
    change = _transform(profile, space) if profile else None
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
