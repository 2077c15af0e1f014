"""Display photos: aspect, borders, sizes, and nothing but pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageChops

from market.data.display_photos import display_jpegs, read_whole, trim_black_borders


def noise(width: int, height: int) -> Image.Image:
    """Return a bright random picture."""
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(60, 256, size=(height, width, 3), dtype=np.uint8))


def framed(inner: Image.Image, left: int, top: int, right: int, bottom: int) -> Image.Image:
    """Return the picture with black borders of these widths."""
    outer = Image.new("RGB", (inner.width + left + right, inner.height + top + bottom))
    outer.paste(inner, (left, top))
    return outer


def size_of(encoded: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(encoded)).size


@pytest.mark.parametrize(
    ("size", "small", "large"),
    [
        ((1024, 768), (480, 360), (1024, 768)),
        ((768, 1024), (360, 480), (768, 1024)),
        ((2400, 1200), (480, 240), (1200, 600)),
        ((224, 168), (224, 168), (224, 168)),
        ((3000, 8), (480, 1), (1200, 3)),
    ],
)
def test_display_photos_keep_the_aspect_and_are_never_enlarged(
    size: tuple[int, int], small: tuple[int, int], large: tuple[int, int]
) -> None:
    encoded = display_jpegs(noise(*size))
    assert {name: size_of(jpeg) for name, jpeg in encoded.items()} == {480: small, 1200: large}


@pytest.mark.parametrize(
    "borders", [(0, 30, 0, 30), (40, 0, 40, 0), (20, 20, 20, 20), (0, 0, 0, 25)]
)
def test_black_borders_are_trimmed(borders: tuple[int, int, int, int]) -> None:
    inner = noise(100, 80)
    assert trim_black_borders(framed(inner, *borders)).size == inner.size


def test_black_borders_of_a_jpeg_are_trimmed() -> None:
    stored = io.BytesIO()
    framed(noise(160, 120), 0, 40, 0, 40).save(stored, "JPEG", quality=60)
    width, height = trim_black_borders(Image.open(stored).convert("RGB")).size
    assert width == 160
    assert 120 <= height <= 136  # blocks of 8 to 16 pixels hold some of both


@pytest.mark.parametrize("colour", ["black", "white", (40, 40, 40)])
def test_a_photo_of_one_colour_stays_whole(colour: str | tuple[int, int, int]) -> None:
    photo = Image.new("RGB", (50, 40), colour)
    assert trim_black_borders(photo).size == (50, 40)


def test_a_small_bright_object_on_black_stays_whole() -> None:
    photo = framed(noise(10, 10), 45, 45, 45, 45)
    assert trim_black_borders(photo).size == (100, 100)


def test_bright_borders_stay() -> None:
    photo = Image.new("RGB", (60, 60), "white")
    photo.paste(noise(30, 30), (15, 15))
    assert not ImageChops.difference(trim_black_borders(photo), photo).getbbox()


def test_display_photos_hold_nothing_but_pixels() -> None:
    exif = Image.Exif()
    exif[0x010F] = "maker"
    exif[0x0112] = 6  # turned by 90°
    stored = io.BytesIO()
    noise(200, 100).save(stored, "JPEG", exif=exif, comment=b"owner", icc_profile=b"profile")
    photo = read_whole(stored.getvalue(), min_side=8, max_megapixels=50)
    for encoded in display_jpegs(photo).values():
        shown = Image.open(io.BytesIO(encoded))
        assert shown.size == (100, 200), "upright"
        assert not shown.getexif()
        assert not {"comment", "icc_profile", "exif"} & shown.info.keys()


def test_display_photos_are_the_same_bytes_each_time() -> None:
    photo = noise(600, 500)
    assert display_jpegs(photo) == display_jpegs(photo.copy())
