"""Hostile photo files, made by code from a seed: each is a case."""

from __future__ import annotations

import io
import os
import random
import socket
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Photos = list[tuple[str, bytes]]  # kind and file


def _picture(mode: str = "RGB", size: tuple[int, int] = (96, 72)) -> Image.Image:
    rng = np.random.Generator(np.random.PCG64(7))
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC).convert(mode)


def _encode(photo: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, kind, **options)
    return buffer.getvalue()


def _turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return _encode(_picture(), "JPEG", exif=exif)


@cache
def sound_photos() -> dict[str, bytes]:
    """A sound photo of every kind that the wild holds; all must be kept."""
    rgb = _picture()
    more: dict[str, Any] = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}
    return {
        "jpeg": _encode(rgb, "JPEG"),
        "progressive": _encode(rgb, "JPEG", progressive=True),
        "cmyk": _encode(_picture("CMYK"), "JPEG"),
        "grey": _encode(_picture("L"), "JPEG"),
        **{f"exif {value}": _turned(value) for value in range(1, 9)},
        "mpo": _encode(rgb, "MPO", **more),
        "png": _encode(rgb, "PNG"),
        "png palette": _encode(_picture("P"), "PNG", transparency=3),
        "png alpha": _encode(_picture("RGBA"), "PNG"),
        "png 16 bit": _encode(Image.fromarray(np.full((72, 96), 30000, np.uint16)), "PNG"),
        "png 1 bit": _encode(_picture("1"), "PNG"),
        "apng": _encode(rgb, "PNG", **more),
        "gif": _encode(rgb, "GIF"),
        "animated gif": _encode(rgb, "GIF", **more),
        "webp": _encode(rgb, "WEBP"),
        "lossless webp": _encode(_picture("RGBA"), "WEBP", lossless=True),
        "animated webp": _encode(rgb, "WEBP", **more),
        "bmp": _encode(rgb, "BMP"),
        "bmp palette": _encode(_picture("P"), "BMP"),
    }


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def _png(width: int, height: int, packed: bytes, *between: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [_chunk(b"IHDR", header), *between, _chunk(b"IDAT", packed), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _zeros(megabytes: int) -> bytes:
    packer = zlib.compressobj(1)
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()


def bombs() -> dict[str, bytes]:
    """Small files that ask for much memory: giant headers, and much that is packed small."""
    jpeg, gif, bmp = (_encode(_picture(), kind) for kind in ("JPEG", "GIF", "BMP"))
    frame = jpeg.index(b"\xff\xc0") + 5
    sides = [(65_500, 32_000), (65_535, 65_535), (1, 65_535), (65_535, 1), (0, 0)]
    found = {
        f"jpeg says {w}x{h}": jpeg[:frame] + struct.pack(">HH", h, w) + jpeg[frame + 4 :]
        for w, h in sides
    }
    found |= {f"gif says {w}x{h}": gif[:6] + struct.pack("<HH", w, h) + gif[10:] for w, h in sides}
    found |= {
        f"bmp says {w}x{h}": bmp[:18] + struct.pack("<ii", w, h) + bmp[26:]
        for w, h in [(46_341, 46_341), (2**31 - 1, 1), (-5, 5), (2**31 - 1, 2**31 - 1)]
    }
    found |= {
        f"png says {w}x{h}": _png(w, h, zlib.compress(bytes(1000)))
        for w, h in [(46_341, 46_341), (2**31 - 1, 2**31 - 1), (0, 5), (2**32 - 1, 1)]
    }
    flat = zlib.compress(bytes((3 * 96 + 1) * 72))
    text, profile = b"Comment\0\0" + _zeros(300), b"icc\0\0" + _zeros(300)
    return found | {
        "png of 49 megapixels, all black": _png(7000, 7000, _zeros(141)),
        "png of 400 megapixels, all black": _png(20_000, 20_000, _zeros(300)),
        "png whose pixels go on for 300 MB": _png(96, 72, _zeros(300)),
        "png with 300 MB of packed text": _png(96, 72, flat, _chunk(b"zTXt", text)),
        "png with 300 MB of packed profile": _png(96, 72, flat, _chunk(b"iCCP", profile)),
        "webp of 60 megapixels": _encode(Image.new("RGB", (16_383, 3_700)), "WEBP", method=0),
    }


def mutated_photos(seed: int, flips: int = 14, splices: int = 100) -> Photos:
    """Each sound photo cut at every 10 %, with flipped bits, glued to others; and no photos."""
    draw = random.Random(seed)
    sound = sound_photos()
    found: Photos = [(f"sound {kind}", data) for kind, data in sound.items()]
    for kind, data in sound.items():
        found += [
            (f"{kind} cut at {tenth}0 %", data[: len(data) * tenth // 10]) for tenth in range(10)
        ]
        for number in range(flips):
            changed = bytearray(data)
            # Half of them in the header, where a bit says most.
            end = len(data) if number % 2 else min(len(data), 200)
            for _ in range(draw.choice([1, 2, 8])):
                changed[draw.randrange(end)] ^= 1 << draw.randrange(8)
            found.append((f"{kind} with flipped bits", bytes(changed)))
    kinds = sorted(sound)
    for _ in range(splices):
        one, two = (sound[draw.choice(kinds)] for _ in range(2))
        cut = draw.randrange(len(one))
        found.append(("spliced", one[:cut] + two[draw.randrange(len(two)) :]))
    texts = [
        b"",
        b"\0",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"<svg/>",
        b"%!PS",
        b"II*\0",
        b"PK\3\4",
        b"\n",
    ]
    return found + [("no photo", text) for text in texts]


def write_odd_entries(folder: Path, outside: Path) -> list[str]:
    """Put into the photo folder what is no plain file, and names nobody expects; return their ids.

    `outside` is a folder outside the raw one, for links that leave it.
    """
    outside.mkdir(parents=True, exist_ok=True)
    data = sound_photos()["jpeg"]
    (outside / "private.jpg").write_bytes(data)
    (folder / "linked.jpg").write_bytes(data)
    (folder / "link-within.jpg").symlink_to("linked.jpg")
    (folder / "link-out.jpg").symlink_to(outside / "private.jpg")
    (folder / "link-out-relative.jpg").symlink_to(os.path.relpath(outside / "private.jpg", folder))
    (folder / "link-endless.jpg").symlink_to("/dev/zero")
    (folder / "link-passwd.jpg").symlink_to("/etc/passwd")
    (folder / "link-dangling.jpg").symlink_to("nothing")
    (folder / "link-loop.jpg").symlink_to("link-loop.jpg")
    (folder / "link-folder.jpg").symlink_to(outside)
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "fifo.jpg")
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(folder)  # a socket's path may not be long
        made.bind("socket.jpg")
        os.chdir(here)
    (folder / "unreadable.jpg").write_bytes(data)
    (folder / "unreadable.jpg").chmod(0)
    (folder / "no-suffix").write_bytes(data)
    (folder / "UPPER.JPG").write_bytes(data)
    (folder / "two.dots.jpeg").write_bytes(data)
    (folder / f"{'l' * 200}.jpg").write_bytes(data)
    (folder / "sparse.jpg").touch()
    os.truncate(folder / "sparse.jpg", 1 << 40)  # a terabyte of nothing, in no block
    ids = [path.stem for path in folder.iterdir()]
    # Never in Images.csv, and still to be accounted for.
    (folder / "new\nline.jpg").write_bytes(data)
    Path(os.fsdecode(os.fsencode(folder) + b"/not-utf8-\xff.jpg")).write_bytes(data)
    return sorted(ids)
