"""Tables and photos that programs write in odd ways."""

from __future__ import annotations

import json
from pathlib import Path, PurePath

import pandas as pd
import pytest

from market.core.errors import MarketError
from market.data.inspection.dialect import detect_separator
from market.data.inspection.photos import photo_columns
from market.data.inspection.prices import detect_decimal
from market.data.inspection.profiles import Profile
from market.data.money import Money
from market.data.photo_formats import UnusablePhoto
from market.data.photo_owners import OwnerFinder
from market.data.rejects import unknown_product_reasons
from market.data.tables import read_table

EXPECTED = [["007", "Oak table"], ["8", "Lamp"]]
ROWS = [{"id": "007", "name": "Oak table"}, {"id": 8, "name": "Lamp"}]


def read(path: Path, content: bytes | str, separator: str = ",") -> pd.DataFrame:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, separator=separator)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("first", ["", "sep=;", "SEP=;"])
def test_lines_end_in_any_way_after_a_line_for_excel(end: str, first: str, tmp_path: Path) -> None:
    if first and end == "\r":
        pytest.skip("Excel ends its lines with \\n")
    lines = [first] * bool(first) + ["id;name", "007;Oak table", "8;Lamp"]
    text = end.join(lines) + end
    assert detect_separator(text).value == ";"
    table = read(tmp_path / "t.csv", text, separator=";")
    assert table.to_numpy().tolist() == EXPECTED


@pytest.mark.parametrize(
    "document",
    [
        ROWS,
        {"products": ROWS},
        {"anything": ROWS},
        {"data": ROWS, "next_page": 2, "meta": {"count": 2}},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_rows_in_a_json_document_are_found(
    document: object, indent: int | None, tmp_path: Path
) -> None:
    table = read(tmp_path / "t.json", json.dumps(document, indent=indent))
    assert table.to_numpy().tolist() == EXPECTED


def test_one_object_is_one_row(tmp_path: Path) -> None:
    row = {"id": 1, "name": "Shirt", "variants": [{"size": "S"}, {"size": "M"}]}
    for indent in (None, 2):
        table = read(tmp_path / "t.jsonl", json.dumps(row, indent=indent))
        assert table[["id", "name"]].to_numpy().tolist() == [["1", "Shirt"]]


def test_a_wrong_line_of_json_is_still_named(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match="line 2 is not valid JSON"):
        read(tmp_path / "t.jsonl", '{"id": 1}\n{"id": \n{"id": 3}\n')
    with pytest.raises(MarketError, match="line 1 is not valid JSON"):
        read(tmp_path / "t.jsonl", '{"id": \n{"id": 3}\n')


def test_half_of_a_character_in_json_becomes_a_sign(tmp_path: Path) -> None:
    table = read(tmp_path / "t.jsonl", r'{"id": 1, "name": "Lamp \ud83d", "\ud83d": 2}')
    assert table["name"].tolist() == ["Lamp \ufffd"]
    whole = read(tmp_path / "t.jsonl", r'{"id": 1, "name": "Lamp \ud83d\ude00"}')
    assert whole["name"].tolist() == ["Lamp 😀"]


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [(b"PK\x03\x04", "an Excel file or a .zip archive"), (b"\xd0\xcf\x11\xe0", "an Excel file"),
     (b"%PDF-1.7", "a PDF"), (b"\x1f\x8b\x08", "compressed by gzip")],
)  # fmt: skip
def test_a_file_of_another_kind_is_called_so(beginning: bytes, kind: str, tmp_path: Path) -> None:
    with pytest.raises(MarketError, match=f"is {kind}, whatever its name says: save"):
        read(tmp_path / "t.csv", beginning + bytes(range(256)))


def test_lines_above_the_header_are_named(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match="remove the lines above the header"):
        read(tmp_path / "t.csv", "Export of my shop\n\nid,name\n1,Oak table\n2,Lamp\n")


def test_photos_may_lack_the_leading_zeros_of_ids() -> None:
    owners = OwnerFinder(["00123", "7", "a7"])
    assert owners.by_name(PurePath("123_2.jpg")).product_id == "00123"
    assert owners.by_name(PurePath("007.jpg")).product_id == "7"
    assert owners.by_folders(PurePath("0123/front.jpg")).product_id == "00123"
    both = OwnerFinder(["07", "007", "8"])
    assert both.by_name(PurePath("07.jpg")).product_id == "07"
    with pytest.raises(UnusablePhoto, match="fits several listings"):
        both.by_name(PurePath("7.jpg"))


@pytest.mark.parametrize(
    ("currency", "text", "expected"),
    [
        ("AED", "٥ د.إ", 5.0),
        ("AED", "٥٫٥ د.إ.", 5.5),
        ("SAR", "١٬١٠٠٫٥٠ ر.س", 1100.5),
        ("GBP", "&pound;5.00", 5.0),
        ("GBP", "<b>£1,250</b>", 1250.0),
    ],
)
def test_prices_in_other_scripts_and_in_html_are_read(
    currency: str, text: str, expected: float
) -> None:
    assert Money(currency, ".").parse(pd.Series([text])).tolist() == [expected]


def test_arabic_marks_of_thousands_say_nothing_of_the_decimal_mark() -> None:
    assert detect_decimal(pd.Series(["١٬١٠٠٫٥٠", "٢٬٣٠٠٫٠٠"]), "SA").value == "."


def test_ids_that_lost_their_leading_zeros_are_named() -> None:
    ids, known = pd.Series(["7", "12", "x1"], index=[3, 5, 8]), pd.Series(["007", "13", None])
    reasons = unknown_product_reasons(ids, known, "listings.csv")
    assert reasons.to_dict() == {
        3: "its product is not in listings.csv, except with other leading zeros",
        5: "its product is not in listings.csv",
        8: "its product is not in listings.csv",
    }


def test_a_column_may_name_photos_without_their_endings() -> None:
    names = pd.Series(["Chair-1", "chair-2", "chair-3"])
    stems = frozenset({"chair-1", "chair-2", "chair-3"})
    column, other = Profile("image", 0, names), Profile("model", 1, names)
    assert photo_columns([column, other], stems) == [column]
    assert photo_columns([column, other]) == []
