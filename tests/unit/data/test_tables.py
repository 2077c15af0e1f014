"""Tables are read whole, or a one-line error says why not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from raw_input import input_settings, raw_table
from repository import REPO

from market.core.errors import MarketError
from market.data.listing_faults import listing_faults
from market.data.schemas import IMAGES_SCHEMA, check_rows, products_schema
from market.data.tables import read_table

HEADER = ",id,product_name,category,product_description,price,location"
ROWS = [
    '0,a1,"Chair, oak",Home / Chairs,"Says ""hi""",£10.00,"Bath, Somerset"',
    "1,b2,NA,Home / Lamps,null,£5.00,",
    "3,c3,Lamp,Home / Lamps,None,£7.00,nan",
]


def write(path: Path, *lines: str, end: str = "\n", encoding: str = "utf-8") -> Path:
    path.write_bytes("".join(line + end for line in lines).encode(encoding))
    return path


def one_line(error: pytest.ExceptionInfo[MarketError], *parts: str | Path) -> None:
    message = str(error.value)
    assert "\n" not in message and "\r" not in message
    for part in parts:
        assert str(part) in message


# --- read_table -----------------------------------------------------------------------------------
def test_bare_carriage_returns_do_not_break_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "Products.csv", HEADER, "0,a,Chair,Home,one\rtwo\r\rthree,£1,Bath")
    table = read_table(path)
    assert table["product_description"].tolist() == ["one\rtwo\r\rthree"]
    assert len(pd.read_csv(path)) > 1, "the trap is there"


@pytest.mark.parametrize(
    ("end", "encoding"),
    [("\r\n", "utf-8"), ("\n", "utf-8-sig"), ("\r\n", "utf-8-sig")],
)
def test_line_ends_and_byte_order_mark_do_not_matter(
    tmp_path: Path, end: str, encoding: str
) -> None:
    plain = read_table(write(tmp_path / "plain.csv", HEADER, *ROWS))
    other = read_table(write(tmp_path / "o.csv", HEADER, *ROWS, end=end, encoding=encoding))
    pd.testing.assert_frame_equal(other, plain)


def test_a_blank_last_line_is_no_row(tmp_path: Path) -> None:
    for end in ("\n", "\r\n"):
        assert len(read_table(write(tmp_path / "t.csv", HEADER, *ROWS, "", end=end))) == len(ROWS)


def test_the_words_of_nothing_stay_text(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", HEADER, *ROWS))
    assert table["product_name"].tolist() == ["Chair, oak", "NA", "Lamp"]
    assert table["product_description"].tolist() == ['Says "hi"', "null", "None"]
    assert table["location"].isna().tolist() == [False, True, False]


def test_a_blank_field_is_missing(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", "id,category", "a,  ", "b,\t", "c,x"))
    assert table["category"].isna().tolist() == [True, True, False]


def test_a_trailing_comma_does_not_shift_the_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "id,product_name", "a,Chair,", "b,Lamp,")
    try:
        table = read_table(path)
    except MarketError as error:
        assert str(path) in str(error)
    else:
        assert table["id"].tolist() == ["a", "b"]


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(MarketError) as error:
        read_table(tmp_path / "Products.csv")
    one_line(error, tmp_path / "Products.csv", "does not exist")


@pytest.mark.parametrize(
    "content",
    [b"id,name\na,caf\xe9\n", b"", b'id,name\na,"open\n', b"id,name\na,b,c\nd,e\nf,g,h,i\n"],
    ids=["latin-1", "empty", "open quote", "ragged"],
)
def test_what_is_not_a_table_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "Products.csv"
    path.write_bytes(content)
    with pytest.raises(MarketError) as error:
        read_table(path)
    one_line(error, path, "not a UTF-8 CSV")


# --- The real data --------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def real_table(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], pd.DataFrame]:
    """Return real_table(name): a table of the real marketplace, read out of the DVC remote."""
    remote = REPO.parent / "shared/remote/files/md5"
    if not remote.is_dir():
        pytest.skip(f"the real data is not here: no {remote}")
    pointer = (REPO / "data/marketplace/raw.dvc").read_text(encoding="utf-8")
    match = re.search(r"md5: (\w+)\.dir", pointer)
    assert match

    def stored(md5: str) -> bytes:
        return (remote / md5[:2] / md5[2:]).read_bytes()

    folder = tmp_path_factory.mktemp("real")
    files = {row["relpath"]: row["md5"] for row in json.loads(stored(f"{match[1]}.dir"))}

    def read(name: str) -> pd.DataFrame:
        (folder / name).write_bytes(stored(files[name]))
        return read_table(folder / name)

    return read


def test_the_real_products_are_read_whole(real_table: Callable[[str], pd.DataFrame]) -> None:
    table = real_table("Products.csv")
    missing, rows = int(table.isna().sum().sum()), len(table)
    assert (rows, missing) == (6437, 0)
    raw = raw_table(table)
    _, rejects = check_rows(
        raw, products_schema(labelled=True), listing_faults(raw, input_settings())
    )
    assert len(rejects) == 0


def test_the_real_image_rows_are_read_whole(real_table: Callable[[str], pd.DataFrame]) -> None:
    table = real_table("Images.csv")
    rows = len(table)
    assert rows == 11325
    _, rejects = check_rows(raw_table(table, Path("Images.csv")), IMAGES_SCHEMA)
    assert len(rejects) == 0
