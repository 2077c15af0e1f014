"""Hostile CSV tables, made by code from a seed: each is a case."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple


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
