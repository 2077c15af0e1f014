"""Whatever the file is: a square RGB picture as a person sees it, or a reason."""

from __future__ import annotations

import io
import re
import struct
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from market import service
from market.data.images import UnusablePhoto, decode_photo, to_array, to_jpeg
from market.data.photo_formats import FORMAT_NAMES, FORMATS, readable_formats

pytestmark = pytest.mark.slow

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


def heic(photo: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(photo).save(buffer, **{"quality": 95, **options})
    return buffer.getvalue()


def heic_10_bits() -> bytes:
    """An HDR photo of a telephone: 10 bits per colour."""
    levels = np.asarray(PLAIN).astype(np.uint16) << 8
    buffer = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (96, 80), levels.tobytes()).save(buffer, quality=95)
    return buffer.getvalue()


def heic_burst() -> bytes:
    """Several pictures, of which the second is the main one."""
    buffer = io.BytesIO()
    burst = pillow_heif.from_pillow(halves(GREEN, GREEN))
    burst.add_from_pillow(PLAIN)
    burst.save(buffer, quality=95, primary_index=1)
    return buffer.getvalue()


def tiff_16_bits(photometric: int, *levels: tuple[int, int]) -> bytes:
    """A TIFF, little-endian and uncompressed, with the levels of the two halves of each channel."""
    channels = len(levels)
    values = np.empty((80, 96, channels), "<u2")
    values[:40], values[40:] = ([level[half] * 256 for level in levels] for half in (0, 1))
    pixels = values.tobytes()
    tags = {256: 96, 257: 80, 259: 1, 262: photometric, 277: channels, 278: 80, 279: len(pixels)}
    depths = struct.pack(f"<{channels}H", *[16] * channels).ljust(4, b"\0")
    entries = {tag: struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()}
    end = 8 + 2 + 12 * (len(tags) + 2) + 4  # of the directory
    depths_value = struct.pack("<I", end) if channels > 2 else depths
    entries[258] = struct.pack("<HHI", 258, 3, channels) + depths_value
    entries[273] = struct.pack("<HHII", 273, 4, 1, end + len(depths))
    directory = struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries))
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + depths + pixels


def multi_page_tiff() -> bytes:
    later = [halves(GREEN, GREEN), halves(RED, RED)]
    return encode(PLAIN, "TIFF", save_all=True, append_images=later, compression="tiff_deflate")


def lab_tiff() -> bytes:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return encode(ImageCms.buildTransform(srgb, lab, "RGB", "LAB").apply(PLAIN), "TIFF")


PLAIN = halves(RED, BLUE)
ON_ITS_SIDE = PLAIN.rotate(90, expand=True)
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
    "of two pictures": (
        encode(PLAIN, "MPO", quality=95, save_all=True, append_images=[halves(GREEN, GREEN)]),
        "MPO",
        RED,
        BLUE,
    ),
    "heic": (heic(PLAIN), "HEIF", RED, BLUE),
    "heic on its side": (heic(ON_ITS_SIDE, exif=orientation(6).tobytes()), "HEIF", RED, BLUE),
    "heic with alpha": (heic(halves((*RED, 255), CLEAR, "RGBA")), "HEIF", RED, WHITE),
    "heic of 10 bits": (heic_10_bits(), "HEIF", RED, BLUE),
    "heic, grey": (heic(PLAIN.convert("L")), "HEIF", (81,) * 3, (49,) * 3),
    "heic of a burst": (heic_burst(), "HEIF", RED, BLUE),
    "avif": (encode(PLAIN, "AVIF", quality=95), "AVIF", RED, BLUE),
    "avif on its side": (
        encode(ON_ITS_SIDE, "AVIF", quality=95, exif=orientation(6)),
        "AVIF",
        RED,
        BLUE,
    ),
    "avif with alpha": (encode(halves((*RED, 255), CLEAR, "RGBA"), "AVIF"), "AVIF", RED, WHITE),
    "animated avif": (
        encode(PLAIN, "AVIF", quality=95, save_all=True, append_images=[halves(GREEN, GREEN)]),
        "AVIF",
        RED,
        BLUE,
    ),
    "tiff": (encode(PLAIN, "TIFF"), "TIFF", RED, BLUE),
    "tiff, packed": (encode(PLAIN, "TIFF", compression="tiff_lzw"), "TIFF", RED, BLUE),
    "tiff of a jpeg": (encode(PLAIN, "TIFF", compression="jpeg", quality=95), "TIFF", RED, BLUE),
    "tiff on its side": (encode(ON_ITS_SIDE, "TIFF", exif=orientation(6)), "TIFF", RED, BLUE),
    "tiff of several pages": (multi_page_tiff(), "TIFF", RED, BLUE),
    "cmyk tiff": (encode(PLAIN.convert("CMYK"), "TIFF"), "TIFF", RED, BLUE),
    "lab tiff": (lab_tiff(), "TIFF", RED, BLUE),
    "tiff with alpha": (encode(halves((*RED, 255), CLEAR, "RGBA"), "TIFF"), "TIFF", RED, WHITE),
    "fax": (
        encode(halves((1,), (0,), "1"), "TIFF", compression="group4"),
        "TIFF",
        WHITE,
        (0,) * 3,
    ),
    "tiff of 16 bits": (tiff_16_bits(2, *zip(RED, BLUE, strict=True)), "TIFF", RED, BLUE),
    "grey tiff of 16 bits": (tiff_16_bits(1, (60, 180)), "TIFF", (60,) * 3, (180,) * 3),
    "inverted tiff of 16 bits": (tiff_16_bits(0, (195, 75)), "TIFF", (60,) * 3, (180,) * 3),
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
        (encode(PLAIN, "ICO"), f"not one of {FORMAT_NAMES}"),
        (encode(PLAIN, "JPEG2000"), "not one of JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF"),
        (heic(PLAIN)[:-60], "damaged"),
        (heic(PLAIN)[:40], "damaged (a HEIC file without a picture)"),
        (encode(PLAIN, "AVIF")[:-60], "damaged"),
        (encode(PLAIN, "TIFF", compression="tiff_lzw")[:-400], "damaged"),
        (encode(Image.new("F", (96, 80), 0.5), "TIFF"), "pixels of 32 bits"),
    ],
    ids=[
        *("empty", "text", "cut jpeg", "cut png", "one pixel", "a line", "icon", "jpeg 2000"),
        *("cut heic", "head of a heic", "cut avif", "cut tiff", "measurements"),
    ],
)
def test_what_is_no_photo_has_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnusablePhoto, match="^" + re.escape(reason)):
        decode(data)


def test_heic_needs_a_package_that_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    readable_formats.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnusablePhoto, match=r"^HEIC, which needs `pip install pillow-heif`$"):
        decode(heic(PLAIN))
    assert set(readable_formats()) == {*FORMATS} - {"HEIF"}
    monkeypatch.undo()
    readable_formats.cache_clear()
    assert decode(heic(PLAIN)).format == "HEIF"


def test_the_page_offers_every_format() -> None:
    page = (Path(service.__file__).parent / "templates/layout.html.j2").read_text(encoding="utf-8")
    accepted = re.search(r'accept="([^"]+)"', page)
    assert accepted is not None
    media_types = {photo_format.media_type for photo_format in FORMATS.values()}
    assert media_types <= set(accepted[1].split(","))


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


# --- JPEGs without their end mark -----------------------------------------------------------------
def noisy() -> Image.Image:
    """Blocks of random colours: no two lines are alike, so that a missing one shows."""
    colours = np.random.default_rng(0).integers(256, size=(10, 12, 3), dtype=np.uint8)
    return Image.fromarray(np.kron(colours, np.ones((8, 8, 1), np.uint8)))


JPEGS = {
    "sequential": {},
    "progressive": {"progressive": True},
    "with restarts": {"restart_marker_blocks": 2},
    "progressive with restarts": {"progressive": True, "restart_marker_rows": 1},
    "4:4:4": {"subsampling": 0},
}


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("end", [b"", b"\xff"], ids=["no mark", "half a mark"])
def test_a_jpeg_that_lacks_only_its_end_mark_is_kept(
    options: dict[str, Any], mode: str, end: bytes
) -> None:
    data = encode(noisy().convert(mode), "JPEG", **options)
    assert data.endswith(b"\xff\xd9")
    picture, size, kind = decode(data[:-2] + end)
    assert (size, kind) == ((96, 80), "JPEG")
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(decode(data)[0]))


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
@pytest.mark.parametrize("photo", ["noisy", "plain", "smooth"])
def test_a_jpeg_that_lacks_pixels_is_refused(options: dict[str, Any], photo: str) -> None:
    """At each place that it may be cut: kept only with the very pixels of the whole."""
    rows, columns = np.mgrid[:80, :96]
    smooth = np.stack([columns * 2, rows * 3, rows + columns], axis=-1).astype(np.uint8)
    source = {"noisy": noisy(), "plain": PLAIN, "smooth": Image.fromarray(smooth)}[photo]
    data = encode(source, "JPEG", **options)
    whole = np.asarray(decode(data)[0])
    refused = 0
    for length in range(len(data) - 3, 2, -1):
        try:
            picture, _, _ = decode(data[:length])
        except UnusablePhoto as reason:
            refused += 1
            assert str(reason).startswith(("damaged", "not one of"))
        else:
            np.testing.assert_array_equal(np.asarray(picture), whole, f"cut to {length} bytes")
    assert refused > 0.8 * len(data)


def test_a_large_jpeg_without_its_end_mark_is_decoded_small() -> None:
    data = encode(noisy().resize((1600, 1200)), "JPEG")
    np.testing.assert_array_equal(np.asarray(decode(data[:-2])[0]), np.asarray(decode(data)[0]))


# --- Colour profiles ------------------------------------------------------------------------------
# Red, green and blue as XYZ under D50, of profiles that cameras and editors embed.
SRGB = ((0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7139))
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
ADOBE_RGB = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))


def fixed(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def make_profile(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile, version 2.1, of those tags."""
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"Test\0" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"None\0",
        b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1, 0.8249),
        **tags,
    }
    table, content = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        table += name + struct.pack(">II", start + len(content), len(body))
        content += body + bytes(-len(body) % 4)
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    # Preferred module, version, class, spaces; date; signature; device; illuminant: 128 bytes.
    header = bytes(4) + struct.pack(">I", 0x02100000) + kind + space + connection + bytes(12)
    header += b"acsp" + bytes(28) + fixed(0.9642, 1, 0.8249) + bytes(48)
    size = struct.pack(">I", 4 + len(header) + len(table) + len(content))
    return size + header + table + content


def gamma(exponent: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(exponent * 256))


def rgb_profile(colours: tuple[tuple[float, ...], ...], exponent: float = 2.2) -> bytes:
    tags = {}
    for name, colour in zip((b"r", b"g", b"b"), colours, strict=True):
        tags[name + b"XYZ"] = b"XYZ " + bytes(4) + fixed(*colour)
        tags[name + b"TRC"] = gamma(exponent)
    return make_profile(b"RGB ", b"XYZ ", tags)


def grey_profile(exponent: float) -> bytes:
    return make_profile(b"GRAY", b"XYZ ", {b"kTRC": gamma(exponent)})


def cmyk_profile() -> bytes:
    """Of black ink alone a picture gets dark; no ink has a colour."""
    ramp = bytes(range(256))
    matrix = fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    head = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix
    return make_profile(
        b"CMYK",
        b"Lab ",
        {b"A2B0": head + ramp * 4 + bytes([255, 128, 128, 0, 128, 128]) * 8 + ramp * 3},
    )


def middle(data: bytes) -> tuple[int, ...]:
    return decode(data)[0].getpixel((16, 16))


def in_srgb(colour: tuple[int, ...], primaries: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """What sRGB calls a colour of other primaries and gamma 2.2, by the standards' formulas."""
    light = (np.array(colour) / 255) ** 2.2
    light = np.linalg.solve(np.array(SRGB).T, np.array(primaries).T @ light).clip(0, 1)
    return 255 * np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("primaries", [DISPLAY_P3, ADOBE_RGB], ids=["Display P3", "Adobe RGB"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_colours_are_those_of_the_profile(
    primaries: tuple[tuple[float, ...], ...], kind: str
) -> None:
    lossless: dict[str, dict[str, Any]] = {"JPEG": {"quality": 100}, "WEBP": {"lossless": True}}
    options = lossless.get(kind, {})
    colour = (180, 100, 60)
    photo = Image.new("RGB", (40, 40), colour)
    seen = middle(encode(photo, kind, icc_profile=rgb_profile(primaries), **options))
    np.testing.assert_allclose(seen, in_srgb(colour, primaries), atol=3)
    assert np.abs(np.subtract(seen, colour)).max() > 8, "the profile matters"


def test_a_profile_that_is_srgb_changes_no_pixel() -> None:
    official = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (official, rgb_profile(SRGB)):
        with_profile, without = (
            decode(encode(noisy(), "JPEG", **options))[0]
            for options in ({"icc_profile": profile}, {})
        )
        if profile is official:
            np.testing.assert_array_equal(np.asarray(with_profile), np.asarray(without))
        else:  # its curve is but like sRGB's
            assert np.abs(np.subtract(with_profile, without, dtype=int)).mean() < 3


def test_grey_palette_alpha_and_cmyk_have_profiles_too() -> None:
    grey = encode(Image.new("L", (40, 40), 128), "PNG", icc_profile=grey_profile(1.0))
    np.testing.assert_allclose(middle(grey), (188,) * 3, atol=2)  # half of the light
    p3 = rgb_profile(DISPLAY_P3)
    plain = middle(encode(Image.new("RGB", (40, 40), (180, 100, 60)), "PNG", icc_profile=p3))
    palette = Image.new("P", (40, 40), 0)
    palette.putpalette([180, 100, 60])
    assert middle(encode(palette, "PNG", icc_profile=p3)) == plain
    for alpha, expected in ((255, plain), (0, WHITE)):
        photo = Image.new("RGBA", (40, 40), (180, 100, 60, alpha))
        assert middle(encode(photo, "PNG", icc_profile=p3)) == expected
    inks = encode(
        Image.new("CMYK", (40, 40), (200, 30, 30, 128)), "JPEG", icc_profile=cmyk_profile()
    )
    np.testing.assert_allclose(middle(inks), (118,) * 3, atol=4)  # a lightness of 50 %


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_profile_that_is_broken_or_of_another_mode_is_ignored(mode: str) -> None:
    photo = Image.new(mode, (40, 40), 60)
    expected = middle(encode(photo, "JPEG"))
    sound = rgb_profile(DISPLAY_P3)
    broken = [b"x", sound[:200], sound[:140], sound.replace(b"acsp", b"xxxx"), bytes(600)]
    others = {"RGB": [grey_profile(1.0), cmyk_profile()], "L": [sound], "CMYK": [sound]}[mode]
    for profile in (*broken, *others):
        assert middle(encode(photo, "JPEG", icc_profile=profile)) == expected


def test_a_turned_photo_keeps_its_profile_and_what_is_packed_has_none() -> None:
    p3 = rgb_profile(DISPLAY_P3)
    photo = Image.new("RGB", (40, 60), (180, 100, 60))
    picture, _, _ = decode(encode(photo, "JPEG", quality=100, icc_profile=p3, exif=orientation(6)))
    expected = in_srgb((180, 100, 60), DISPLAY_P3)
    np.testing.assert_allclose(picture.getpixel((16, 16)), expected, atol=3)
    with Image.open(io.BytesIO(to_jpeg(picture, 95))) as packed:
        assert "icc_profile" not in packed.info
