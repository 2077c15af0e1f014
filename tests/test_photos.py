"""Whatever the file is: a square RGB picture as a person sees it, or a reason."""

from __future__ import annotations

import io
import re
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.photos import UnusablePhoto, decode_photo, to_array

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 30), (30, 30, 200), (255, 255, 255)


def halves(top: tuple[int, ...], bottom: tuple[int, ...], mode: str = "RGB") -> Image.Image:
    photo = Image.new(mode, (96, 80), top)
    photo.paste(bottom, (0, 40, 96, 80))
    return photo


def encode(photo: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, kind, **options)
    return buffer.getvalue()


def decode(data: bytes | Path, size: int = 32, min_side: int = 8, max_megapixels: float = 50):
    return decode_photo(data, size=size, min_side=min_side, max_megapixels=max_megapixels)


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def animation() -> bytes:
    later = [halves(GREEN, GREEN), halves(RED, RED)]
    return encode(halves(RED, BLUE), "GIF", save_all=True, append_images=later, duration=100)


def palette_with_transparency() -> bytes:
    photo = Image.new("P", (96, 80), 0)
    photo.putpalette([*RED, *BLUE])
    photo.paste(1, (0, 40, 96, 80))
    return encode(photo, "PNG", transparency=1)


def grey_16_bits() -> bytes:
    levels = np.full((80, 96), 60 * 256, np.uint16)
    levels[40:] = 180 * 256
    return encode(Image.fromarray(levels), "PNG")


PLAIN = halves(RED, BLUE)
CLEAR = (0, 0, 0, 0)
# Kind -> file, the format it has, the colours of its upper and lower half as a person sees them.
KINDS: dict[str, tuple[bytes, str, tuple[int, ...], tuple[int, ...]]] = {
    "jpeg": (encode(PLAIN, "JPEG", quality=95), "JPEG", RED, BLUE),
    "png": (encode(PLAIN, "PNG"), "PNG", RED, BLUE),
    "webp": (encode(PLAIN, "WEBP", lossless=True), "WEBP", RED, BLUE),
    "bmp": (encode(PLAIN, "BMP"), "BMP", RED, BLUE),
    "progressive": (encode(PLAIN, "JPEG", quality=95, progressive=True), "JPEG", RED, BLUE),
    "cmyk": (encode(PLAIN.convert("CMYK"), "JPEG", quality=95), "JPEG", RED, BLUE),
    "grey": (encode(PLAIN.convert("L"), "JPEG"), "JPEG", (81,) * 3, (49,) * 3),
    "palette, transparent": (palette_with_transparency(), "PNG", RED, WHITE),
    "alpha": (encode(halves((*RED, 255), CLEAR, "RGBA"), "PNG"), "PNG", RED, WHITE),
    "grey and alpha": (encode(halves((90, 255), (0, 0), "LA"), "PNG"), "PNG", (90,) * 3, WHITE),
    "webp with alpha": (
        encode(halves(CLEAR, (*BLUE, 255), "RGBA"), "WEBP", lossless=True),
        "WEBP",
        WHITE,
        BLUE,
    ),
    "upside down": (
        encode(PLAIN.rotate(180), "JPEG", quality=95, exif=orientation(3)),
        "JPEG",
        RED,
        BLUE,
    ),
    "on its side": (
        encode(PLAIN.rotate(90, expand=True), "JPEG", quality=95, exif=orientation(6)),
        "JPEG",
        RED,
        BLUE,
    ),
    "of broken exif": (
        encode(PLAIN, "JPEG", quality=95, exif=b"Exif\0\0broken"),
        "JPEG",
        RED,
        BLUE,
    ),
    "animated": (animation(), "GIF", RED, BLUE),
    "grey of 16 bits": (grey_16_bits(), "PNG", (60,) * 3, (180,) * 3),
    "black and white": (encode(halves((1,), (0,), "1"), "PNG"), "PNG", WHITE, (0,) * 3),
    "large": (encode(PLAIN.resize((1600, 1200)), "JPEG", quality=95), "JPEG", RED, BLUE),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_photo_becomes_the_square_one_sees(kind: str, tmp_path: Path) -> None:
    data, expected_format, top, bottom = KINDS[kind]
    (tmp_path / "photo.jpg").write_bytes(data)
    picture, (width, height), found_format = decode(tmp_path / "photo.jpg")
    assert (picture.size, picture.mode, found_format) == ((32, 32), "RGB", expected_format)
    assert {width, height} == ({1600, 1200} if kind == "large" else {96, 80})
    pixels = np.asarray(picture).astype(int)
    for half, colour in ((pixels[:13], top), (pixels[19:], bottom)):
        assert np.abs(half - colour).max() < 16


def test_half_clear_pixels_are_seen_over_white() -> None:
    picture, _, _ = decode(encode(Image.new("RGBA", (40, 40), (0, 0, 0, 128)), "PNG"))
    assert np.abs(np.asarray(picture).astype(int) - 127).max() <= 1


def test_width_and_height_are_the_files_own() -> None:
    photo = Image.new("RGB", (3000, 1000), RED)
    assert decode(encode(photo, "JPEG"))[1] == (3000, 1000)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"<html>404 Not Found</html>\n", "not one of JPEG"),
        (encode(PLAIN, "JPEG")[:-400], "damaged"),
        (encode(PLAIN, "PNG")[:-60], "damaged"),
        (encode(Image.new("RGB", (1, 1)), "PNG"), "a side under 8 pixels (1x1)"),
        (encode(Image.new("RGB", (400, 7)), "PNG"), "a side under 8 pixels (400x7)"),
        (encode(PLAIN, "TIFF"), "not one of JPEG"),
        (encode(PLAIN, "ICO"), "not one of JPEG"),
    ],
    ids=["empty", "text", "cut jpeg", "cut png", "one pixel", "a line", "tiff", "icon"],
)
def test_what_is_no_photo_has_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnusablePhoto, match="^" + re.escape(reason)):
        decode(data)


def test_an_unreadable_file_has_a_reason(tmp_path: Path) -> None:
    with pytest.raises(UnusablePhoto, match="unreadable"):
        decode(tmp_path)


def claim(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims that size."""
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    idat = b"IDAT" + zlib.compress(b"\0" * 100)
    chunks = (struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in
              (ihdr, idat, b"IEND"))  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000])
def test_a_bomb_is_refused_undecoded(side: int, recwarn: pytest.WarningsRecorder) -> None:
    start = time.perf_counter()
    with pytest.raises(UnusablePhoto, match="over 50 megapixels"):
        decode(claim(side, side))
    assert time.perf_counter() - start < 1
    assert not recwarn.list, "Pillow's own warning would only repeat the reason"


def test_the_megapixel_cap_is_a_param() -> None:
    data = encode(Image.new("RGB", (1000, 1000)), "PNG")
    decode(data, max_megapixels=1)
    with pytest.raises(UnusablePhoto, match=r"over 0\.9 megapixels \(1000x1000\)"):
        decode(data, max_megapixels=0.9)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "large"])
def test_damage_never_raises_anything_else(kind: str) -> None:
    data, *_ = KINDS[kind]
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    refused = 0
    for _ in range(400):
        broken = bytearray(data)
        for _ in range(rng.integers(1, 12)):
            start = len(data) if rng.random() < 0.5 else 200  # headers are the brittle part
            broken[rng.integers(min(start, len(data)))] = rng.integers(256)
        try:
            picture, _, _ = decode(bytes(broken[: rng.integers(len(data) // 2, len(data) + 1)]))
        except UnusablePhoto as reason:
            refused += 1
            assert "\n" not in str(reason) and len(str(reason)) < 120
        else:
            assert (picture.size, picture.mode) == ((32, 32), "RGB")
    assert refused > 20


def test_an_array_is_the_picture_channels_first() -> None:
    picture = Image.new("RGB", (64, 64), (1, 2, 3))
    picture.paste((9, 9, 9), (0, 0, 64, 32))
    array = to_array(picture, 16)
    assert (array.shape, array.dtype) == ((3, 16, 16), np.uint8)
    assert array[:, 0, 5].tolist() == [9, 9, 9] and array[:, -1, 5].tolist() == [1, 2, 3]
