"""The tables of an export: found, read, and told apart."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest
from handmade_exports import listings

from market.core.errors import MarketError
from market.data.inspection import table_files
from market.data.inspection.misfits import misfits, missing_header
from market.data.inspection.table_files import find_tables, open_table
from market.data.inspection.tables import read_tables

pytestmark = pytest.mark.slow


def read(folder: Path):
    return read_tables(find_tables(folder)[1])


def events(ids: pd.Series) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "visitor": [f"u{row % 7}" for row in range(90)],
            "item": [ids[row % len(ids)] for row in range(90)],
            "action": ["click", "cart", "purchase"] * 30,
            "at": [f"2024-01-01T10:{row % 60:02d}:00" for row in range(90)],
        }
    )


def test_three_tables_have_their_roles_whatever_their_names(tmp_path: Path) -> None:
    table = listings()
    table.to_csv(tmp_path / "c.csv", index=False)
    events(table["id"]).to_csv(tmp_path / "a.csv", index=False)
    photos = pd.DataFrame({"file": table["id"] + ".jpg", "of": table["id"]})
    photos.to_csv(tmp_path / "b.csv", index=False)
    (tmp_path / "README.txt").write_text("Our listings, as exported\nyesterday, by hand\n")
    found = read(tmp_path)
    assert found.products.file.path.name == "c.csv"
    assert found.images is not None and found.interactions is not None
    assert found.images.file.path.name == "b.csv"
    assert {name: match.column for name, match in found.images.matches.items()} == {
        "product_id": "of", "image_ref": "file",
    }  # fmt: skip
    assert {name: match.column for name, match in found.interactions.matches.items()} == {
        "user_id": "visitor", "product_id": "item", "event": "action", "timestamp": "at",
    }  # fmt: skip


def test_a_table_without_a_role_is_named(tmp_path: Path) -> None:
    listings().to_csv(tmp_path / "products.csv", index=False)
    shops = pd.DataFrame({"shop": ["a", "b"], "town": ["Leeds", "York"]})
    shops.to_csv(tmp_path / "shops.csv", index=False)
    assert read(tmp_path).unused == ["shops.csv"]


@pytest.mark.parametrize(
    "name",
    ["p.csv", "p.csv.gz", "p.tsv", "p.jsonl", "p.ndjson.gz", "p.json", "p.parquet"],
)
def test_every_format_gives_the_same_listings(tmp_path: Path, name: str) -> None:
    table = listings()
    if "csv" in name:
        table.to_csv(tmp_path / name, index=False)
    elif "tsv" in name:
        table.to_csv(tmp_path / name, index=False, sep="\t")
    elif "parquet" in name:
        table.to_parquet(tmp_path / name)
    else:
        table.to_json(tmp_path / name, orient="records", lines=name != "p.json")
    pd.testing.assert_frame_equal(read(tmp_path).products.rows, table.astype("str"))


@pytest.mark.parametrize("name", ["p.csv", "p.csv.gz", "p.jsonl", "p.parquet"])
def test_of_a_large_table_the_first_rows_are_read(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "WHOLE_BYTES", 5_000)
    monkeypatch.setattr(table_files, "EXCERPT_BYTES", 3_000)
    monkeypatch.setattr(table_files, "MAX_ROWS", 5)
    table = listings().assign(note='two\nlines, "quoted"')
    if "csv" in name:
        table.to_csv(tmp_path / name, index=False)
    elif "parquet" in name:
        table.to_parquet(tmp_path / name)
    else:
        table.to_json(tmp_path / name, orient="records", lines=True)
    found = read(tmp_path).products
    assert not found.file.is_whole
    assert 0 < len(found.rows) < len(table)
    first = table.head(len(found.rows)).astype("str")
    pd.testing.assert_frame_equal(found.rows, first, check_dtype=False)


def test_a_folder_within_the_path_may_hold_the_tables(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    listings().to_csv(tmp_path / "raw/products.csv", index=False)
    assert find_tables(tmp_path)[0] == tmp_path / "raw"


def test_a_single_table_is_the_table_of_listings(tmp_path: Path) -> None:
    listings().to_csv(tmp_path / "ads.csv", index=False)
    listings().to_csv(tmp_path / "other.csv", index=False)
    assert find_tables(tmp_path / "ads.csv") == (tmp_path, [tmp_path / "ads.csv"], [])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.xlsx", b"PK", r"holds no table \(found: p.xlsx\)"),
        ("p.csv", b"", "p.csv"),
        ("p.csv", b"id,name\n", "has no rows"),
        ("p.csv", b'id,name\n1,"Oak" table\n', "quotation mark"),
        ("p.csv", b"a,b\n1,2\n3,4\n", "none of its columns is like"),
        ("p.csv.gz", gzip.compress(b"id,name\n1,x\n", mtime=0)[:-9], "cannot be read"),
        ("p.parquet", b"PAR1", "cannot be read"),
        ("p.jsonl", b'{"id": 1\n', "not valid JSON"),
    ],
)
def test_a_folder_without_a_table_of_listings_is_one_clear_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MarketError, match=message) as error:
        read(tmp_path)
    assert "\n" not in str(error.value)


def test_a_path_that_does_not_exist_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match="does not exist"):
        find_tables(tmp_path / "nowhere")


def test_a_broken_table_beside_a_good_one_is_reported(tmp_path: Path) -> None:
    listings().to_csv(tmp_path / "products.csv", index=False)
    (tmp_path / "events.csv").write_text('user,item,at\n"1" x,2,3\n')
    [line] = read(tmp_path).unreadable
    assert "events.csv" in line


def test_a_compressed_file_is_opened_by_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "p.csv.gz"
    listings().to_csv(path, index=False)
    assert open_table(path).content.startswith(b"id,name")


def test_a_table_without_a_header_is_to_be_put_right(tmp_path: Path) -> None:
    listings().to_csv(tmp_path / "listings.csv", index=False, header=False)
    lines = missing_header(read(tmp_path).products)
    assert len(lines) == 1 and "add a row of names above it" in lines[0]
    listings().to_csv(tmp_path / "listings.csv", index=False)
    assert missing_header(read(tmp_path).products) == []


def test_a_column_whose_values_contradict_its_name_is_named(tmp_path: Path) -> None:
    table = listings()
    table["price"] = [f"from £{row}" for row in range(len(table))]
    table.to_csv(tmp_path / "listings.csv", index=False)
    assert misfits(read(tmp_path).products) == [
        "column 'price' is not used as price: its values, such as 'from £0', do not fit"
    ]
