"""Reading and checking the raw folder: every row and file ends up in one place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from repository import REPO

from market.core.errors import MarketError
from market.data.listings import listing_faults
from market.data.tables import (
    IMAGES_SCHEMA,
    REJECT_COLUMNS,
    check_rows,
    find_photos,
    match_images,
    products_schema,
    read_table,
    reject_files,
)

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


# --- check_rows -----------------------------------------------------------------------------------
def products(**columns: list[str | None]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    usual = {
        "id": [f"p{i}" for i in range(n)],
        "product_name": ["Chair"] * n,
        "category": ["Home / Chairs"] * n,
        "product_description": ["Oak"] * n,
        "price": ["£10.00"] * n,
        "location": ["Bath"] * n,
    }
    return pd.DataFrame({**usual, **columns}, dtype="str")


def images(**columns: list[str | None]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    usual = {"id": [f"i{i}" for i in range(n)], "product_id": ["p0"] * n}
    return pd.DataFrame({**usual, **columns}, dtype="str")


@pytest.mark.parametrize(
    "column", ["id", "product_name", "category", "product_description", "price", "location"]
)
def test_an_absent_column_is_named(column: str) -> None:
    table = products(id=["a"]).rename(columns={column: "Misnamed"})
    with pytest.raises(MarketError) as error:
        check_rows(table, products_schema(labelled=True), Path("raw/Products.csv"))
    one_line(error, "raw/Products.csv", repr(column), "Misnamed")


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        (None, "price is missing"),
        ("ask me", "price is not an amount"),
        ("", "price is not an amount"),
        ("£1,23", "price is not an amount"),
        ("1e400", "price is not an amount"),
        ("inf", "price is not an amount"),
        ("£-5.00", "price is negative"),
    ],
)
def test_only_labelled_products_need_a_sound_price(price: str | None, reason: str) -> None:
    table = products(price=["£1,250.50", price, "7"])
    path = Path("Products.csv")
    faults = listing_faults(table)
    good, rejects = check_rows(table, products_schema(labelled=True), path, faults)
    assert good["id"].tolist() == ["p0", "p2"]
    assert rejects[["source", "record", "id"]].to_numpy().tolist() == [["Products.csv", 2, "p1"]]
    assert rejects["reason"].str.startswith(reason).all()
    unlabelled, none = check_rows(table, products_schema(labelled=False), path)
    assert len(unlabelled) == 3 and none.empty


def test_unlabelled_products_need_neither_category_nor_price() -> None:
    table = products(id=["a", "a"]).drop(columns=["category", "price"])
    kept, rejects = check_rows(table, products_schema(labelled=False), Path("Products.csv"))
    assert len(kept) == 2 and rejects.empty, "they may even share an id"


def test_of_a_repeated_id_the_first_row_is_kept() -> None:
    table = products(id=["a", "b", "a", "a"], product_name=["one", "two", "three", "four"])
    good, rejects = check_rows(table, products_schema(labelled=True), Path("Products.csv"))
    assert good["product_name"].tolist() == ["one", "two"]
    assert rejects["record"].tolist() == [3, 4]
    assert rejects["reason"].unique().tolist() == ["id repeats an earlier row's"]


@pytest.mark.parametrize(
    "image_id", ["../x", "/etc/passwd", "..", ".hidden", "a/b", "a\\b", "C:x", "a b", None]
)
def test_an_image_id_cannot_leave_the_folder(image_id: str | None) -> None:
    good, rejects = check_rows(
        images(id=["fine-1.a_B", image_id]), IMAGES_SCHEMA, Path("Images.csv")
    )
    assert good["id"].tolist() == ["fine-1.a_B"]
    expected = "id is missing" if image_id is None else "id is not a file name"
    assert rejects["reason"].tolist() == [expected]


def test_each_row_is_kept_or_rejected_once() -> None:
    table = products(
        id=["a", None, "a", "d", "e", "f"],
        price=["£1", None, "x", None, "£-1", "£2"],
        category=["A", None, None, "B", None, "C"],
    )
    path, faults = Path("Products.csv"), listing_faults(table)
    good, rejects = check_rows(table, products_schema(labelled=True), path, faults)
    assert good["id"].tolist() == ["a", "f"]
    assert rejects["record"].tolist() == [2, 3, 4, 5]
    assert list(rejects.columns) == REJECT_COLUMNS
    assert rejects["reason"].notna().all()


def test_the_sample_has_no_malformed_row(raw: Path) -> None:
    for name, schema in (("Products", products_schema(labelled=True)), ("Images", IMAGES_SCHEMA)):
        table = read_table(raw / f"{name}.csv")
        good, rejects = check_rows(table, schema, raw / f"{name}.csv")
        assert len(good) == len(table) and rejects.empty


# --- Photos ---------------------------------------------------------------------------------------
def test_of_two_files_with_one_id_the_first_by_name_is_taken(tmp_path: Path) -> None:
    for name in ("b.png", "b.jpg", "a.jpg", ".DS_Store", "b.webp"):
        (tmp_path / name).touch()
    found, clashing = find_photos(tmp_path)
    assert found == {"a": tmp_path / "a.jpg", "b": tmp_path / "b.jpg"}
    assert clashing == [tmp_path / "b.png", tmp_path / "b.webp"]


def test_an_absent_photo_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(MarketError) as error:
        find_photos(tmp_path / "images")
    one_line(error, tmp_path / "images")


def test_rows_and_files_are_matched_or_listed() -> None:
    rows = images(id=["i0", "i1", "i2", "i3"], product_id=["p0", "gone", "p1", "gone"])
    files = {name: Path(f"images/{name}.jpg") for name in ("i0", "i1", "extra")}
    matched, rejects = match_images(rows, files, pd.Series(["p0", "p1"]))
    assert matched["id"].tolist() == ["i0"]
    assert rejects[["source", "id", "reason"]].to_numpy().tolist() == [
        ["Images.csv", "i1", "its product is not in Products.csv"],
        ["Images.csv", "i2", "no file in images/"],
        ["Images.csv", "i3", "its product is not in Products.csv"],
        ["images/extra.jpg", "extra", "no row in Images.csv"],
    ]
    assert rejects["record"].tolist()[:3] == [2, 3, 4]


def test_records_count_the_table_not_what_is_left_of_it() -> None:
    table = images(id=["i0", "../x", "i2"])
    rows, _ = check_rows(table, IMAGES_SCHEMA, Path("Images.csv"))
    _, rejects = match_images(rows, {"i0": Path("images/i0.jpg")}, pd.Series(["p0"]))
    assert rejects["record"].tolist() == [3]


def test_rejected_files_keep_their_ending() -> None:
    rejects = reject_files([Path("raw/images/a.png")], ["damaged"])
    assert rejects[["source", "id", "reason"]].to_numpy().tolist() == [
        ["images/a.png", "a", "damaged"]
    ]


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
    path, faults = Path("Products.csv"), listing_faults(table)
    _, rejects = check_rows(table, products_schema(labelled=True), path, faults)
    assert len(rejects) == 0


def test_the_real_image_rows_are_read_whole(real_table: Callable[[str], pd.DataFrame]) -> None:
    table = real_table("Images.csv")
    rows = len(table)
    assert rows == 11325
    _, rejects = check_rows(table, IMAGES_SCHEMA, Path("Images.csv"))
    assert len(rejects) == 0
