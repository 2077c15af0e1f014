"""A corpus of hostile input, made by code from a seed: photo files and CSV tables, each a case."""

from __future__ import annotations

import io
import os
import random
import socket
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

Photos = list[tuple[str, bytes]]  # kind and file


# --- Photos ---------------------------------------------------------------------------------------
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


# --- Tables ---------------------------------------------------------------------------------------
class Table(NamedTuple):
    """A case: the content of one CSV, and how many records it holds, where that can be said."""

    name: str  # Products.csv, Images.csv or interactions.csv
    kind: str
    content: bytes
    records: int | None


PRODUCTS = [
    ["id", "product_name", "category", "product_description", "price", "location"],
    *[
        [f"p{i}", f"Chair {i}", "Home & Garden / Chairs", f"Oak, number {i}", f"£{i}5.00", "Bath"]
        for i in range(8)
    ],
]
IMAGES = [["id", "product_id"], *[[f"i{i}", f"p{i}"] for i in range(8)]]
EVENTS = [
    ["user_id", "product_id", "event", "timestamp"],
    *[[f"u{i % 2}", f"p{i}", "view", f"2024-01-0{i + 1}"] for i in range(8)],
]
SOUND = {"Products.csv": PRODUCTS, "Images.csv": IMAGES, "interactions.csv": EVENTS}

PRICES = [
    "nan",
    "NaN",
    "inf",
    "-inf",
    "Infinity",
    "-5",
    "-£5",
    "£-5.00",
    "1e5",
    "1e999",
    "9" * 400,
    "0x10",
    "€5.00",
    "$5.00",
    "5 USD",
    "£5 each",
    "5,00",
    "1.250,00",
    "£1,25",
    "٣٤",
    "５",
    "²",
    "½",
    "--5",
    "+5",
    "1_000",
    "free",
    "£",
    " ",
    ".",
    ".5",
    "5.",
    "£5.0.0",
    "0",
    "-0",
    "£0.00",
    "£1,000,000,000,000.00",
    "9" * 25,
    "null",
    "None",
    "=1+1",
    "'5",
    "\x00",
    "£\u00a05",
    "£5\u200b",
    "TRUE",
]
IDS = [
    "../p0",
    "../../etc/passwd",
    "/etc/passwd",
    "\\\\host\\share",
    "C:\\x",
    "a/b",
    ".",
    "..",
    ".hidden",
    "-rf",
    "i0\x00.jpg",
    "i\n0",
    "i0 ",
    "CON",
    "%2e%2e%2f",
    "~root",
    "$HOME",
    "i*",
    "é",
    "😀",
    "x" * 5000,
    "file:///etc/passwd",
    "<script>",
    "=cmd()",
    "i0;ls",
    "\u202ei",
    "i0.jpg",
]


def to_csv(rows: list[list[str]], end: str = "\n", comma: str = ",") -> str:
    def quoted(field: str) -> str:
        plain = not any(mark in field for mark in (comma, '"', "\n", "\r"))
        return field if plain else '"' + field.replace('"', '""') + '"'

    return "".join(comma.join(map(quoted, row)) + end for row in rows)


def _encodings(name: str, text: str) -> Iterator[Table]:
    rows = text.count("\n") - 1
    for code in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp037"):
        yield Table(name, code, text.encode(code), None)
    yield Table(name, "latin-1", text.replace("5", "é").encode("latin-1"), None)
    yield Table(name, "cp1252", ("€" + text).encode("cp1252"), None)
    yield Table(name, "byte order mark", text.encode("utf-8-sig"), rows)
    yield Table(name, "two byte order marks", ("\ufeff" + text).encode("utf-8-sig"), None)
    yield Table(name, "bare carriage returns", text.replace("\n", "\r").encode(), None)
    yield Table(name, "windows line ends", text.replace("\n", "\r\n").encode(), rows)
    yield Table(name, "no last line end", text.rstrip("\n").encode(), rows)
    yield Table(name, "blank lines", text.replace("\n", "\n\n").encode(), rows)
    yield Table(name, "empty", b"", None)
    yield Table(name, "line ends only", b"\n\n\n", None)
    yield Table(name, "NULs only", bytes(1000), None)
    yield Table(name, "header only", (text.split("\n")[0] + "\n").encode(), 0)
    yield Table(name, "no header", text.split("\n", 1)[1].encode(), None)
    yield Table(name, "binary", bytes(range(256)) * 20, None)
    yield Table(name, "semicolons", text.replace(",", ";").encode(), None)
    yield Table(name, "a gigantic line", b"a" * 20_000_000, None)
    yield Table(name, "two million commas", text.encode() + b"," * 2_000_000, None)


def _columns(name: str, rows: list[list[str]]) -> Iterator[Table]:
    width, records = len(rows[0]), len(rows) - 1
    for at in range(width):
        without = [row[:at] + row[at + 1 :] for row in rows]
        yield Table(name, f"without {rows[0][at]}", to_csv(without).encode(), None)
        other = (at + 1) % width
        order = [other if i == at else at if i == other else i for i in range(width)]
        swapped = [[row[i] for i in order] for row in rows]
        yield Table(name, f"{rows[0][at]} moved", to_csv(swapped).encode(), records)
        misnamed = [swapped[0], *rows[1:]]
        yield Table(name, f"{rows[0][at]} misnamed", to_csv(misnamed).encode(), records)
        twice = [[*row, row[at]] for row in rows]
        yield Table(name, f"{rows[0][at]} twice", to_csv(twice).encode(), None)
        spaced = [[*rows[0], f" {rows[0][at]} "], *[[*row, "x"] for row in rows[1:]]]
        yield Table(name, f"{rows[0][at]} twice, spaced", to_csv(spaced).encode(), None)
        shouted = [[field.upper() for field in rows[0]], *rows[1:]]
        yield Table(name, "shouted header", to_csv(shouted).encode(), None)
    yield Table(name, "one more column", to_csv([[*row, "x"] for row in rows]).encode(), records)
    longer = [*rows[:3], [*rows[3], "x", "y"], *rows[4:]]
    yield Table(name, "one longer row", to_csv(longer).encode(), None)
    yield Table(
        name, "rows longer", to_csv([rows[0], *[[*r, "x"] for r in rows[1:]]]).encode(), None
    )
    yield Table(
        name, "one shorter row", to_csv([*rows[:3], rows[3][:1], *rows[4:]]).encode(), records
    )
    yield Table(name, "only commas", to_csv([rows[0], *[[""] * width] * 3]).encode(), None)
    numbered = [["", *rows[0]], *[[str(i), *row] for i, row in enumerate(rows[1:])]]
    yield Table(name, "numbered", to_csv(numbered).encode(), records)
    hollow = [*numbered[:4], ["3", *[""] * width], *numbered[5:]]
    yield Table(name, "a numbered row of nothing", to_csv(hollow).encode(), records)


def _fields(name: str, rows: list[list[str]], at: int, values: list[str]) -> Iterator[Table]:
    for value in values:
        changed = [list(row) for row in rows]
        changed[4][at] = value
        kind = f"{rows[0][at]} {value[:20]!r}"
        yield Table(name, kind, to_csv(changed).encode(), len(rows) - 1)


def _quotes(name: str, rows: list[list[str]], at: int) -> Iterator[Table]:
    lines = to_csv(rows).splitlines()
    plain = [row[at] for row in rows]

    def change(*changes: tuple[int, str]) -> bytes:
        new = list(lines)
        for row, value in changes:
            old = plain[row] if plain[row] in (new[row].split(",")) else f'"{plain[row]}"'
            new[row] = new[row].replace(old, value, 1)
        return ("\n".join(new) + "\n").encode()

    records = len(rows) - 1
    yield Table(name, "a quote left open", change((3, f'"{plain[3]}')), None)
    yield Table(
        name, "a quote left open until the next", change((3, '"open'), (6, '"open too')), None
    )
    yield Table(name, "a quote open to the last field", change((2, '"open'), (8, 'shut"x')), None)
    yield Table(name, "text after a quote", change((3, '"shut"open')), None)
    yield Table(name, "a quote within", change((3, 'a 12" pipe')), records)
    yield Table(name, "three quotes", change((3, '"""')), None)
    yield Table(name, "only quotes", change((3, '""""""')), records)
    yield Table(name, "lines within quotes", change((3, '"a\nb\r\nc\rd"')), records)


def tables(seed: int, flips: int = 60) -> list[Table]:
    """Every case of Products.csv, Images.csv and interactions.csv."""
    draw = random.Random(seed)
    found: list[Table] = []
    for name, rows in SOUND.items():
        found += [*_encodings(name, to_csv(rows)), *_columns(name, rows)]
        found += _quotes(name, rows, 3 if name == "Products.csv" else 1)
        twice = to_csv([*rows, rows[3], rows[3]])
        found.append(Table(name, "rows twice", twice.encode(), len(rows) + 1))
        for _ in range(flips):
            data = bytearray(to_csv(rows).encode())
            for _ in range(draw.choice([1, 3, 20])):
                at = draw.randrange(len(data))
                if draw.random() < 0.5:
                    data[at] = draw.randrange(256)
                else:
                    data[at:at] = draw.choice([b'"', b"\0", b"\r", b",", b"\n", b"\xff", b'""'])
            found.append(Table(name, "random bytes", bytes(data), None))
    found += _fields("Products.csv", PRODUCTS, 4, PRICES)
    found += _fields("Products.csv", PRODUCTS, 0, ["", *IDS])
    found += _fields("Images.csv", IMAGES, 0, ["", *IDS])
    found += _fields("Images.csv", IMAGES, 1, ["", "gone", "\x00", "p1\np2"])
    found += _fields(
        "interactions.csv",
        EVENTS,
        3,
        ["", "nan", "inf", "1e300", "-1", "yesterday", "9" * 30, "\0"],
    )
    for at in (1, 2, 3):
        found += _fields("Products.csv", PRODUCTS, at, HUGE)
    return found


# Long fields on which an expression that tries every start and every length would not end.
HUGE = [
    piece * (300_000 // len(piece))
    for piece in (
        " ",
        "a",
        "a.",
        "\n",
        "Posted by ",
        "Posted by x in ",
        "| in ",
        " / ",
        "0 ",
        "www.",
        "a@",
        "£1 ",
        "\u00a0",
        "A1 ",
        "-",
        "é",
    )
]
