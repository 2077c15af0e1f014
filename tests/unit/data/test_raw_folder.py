"""One reader of raw folders: any format, names and separators give the same tables."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_input import input_settings

from market.core.errors import MarketError
from market.data.attributes import clean_details
from market.data.listings import clean_products
from market.data.raw_folder import RawFolder
from market.data.tables import read_table

pytestmark = pytest.mark.slow

FIELDS = {"id": "Nr", "name": "Titel", "description": "Text", "category": "Rubrik",
          "price": "Preis", "location": "Ort"}  # fmt: skip
ROWS: list[dict[str, Any]] = [
    {"Nr": 1, "Titel": "Stuhl; alt", "Text": 'Er sagt "gut"', "Rubrik": "Haus > Stühle",
     "Preis": 1250.5, "Ort": "Köln"},
    {"Nr": 2, "Titel": "Lampe\nblau", "Text": None, "Rubrik": "Haus > Lampen", "Preis": 7.0,
     "Ort": None},
]  # fmt: skip
GERMAN = input_settings(
    columns=FIELDS, category_separator=" > ", currency="EUR", decimal=",", separator=";"
)


def folder(path: Path, **changes: Any) -> RawFolder:
    return RawFolder(path, GERMAN.model_copy(update=changes))


def write_csv(path: Path, rows: list[dict[str, Any]], separator: str, encoding: str) -> None:
    def text(value: Any) -> str:
        written = "" if value is None else str(value)
        return written.replace(".", ",") if isinstance(value, float) else written

    lines = [list(rows[0]), *([text(value) for value in row.values()] for row in rows)]
    quoted = [['"' + field.replace('"', '""') + '"' for field in line] for line in lines]
    content = "\n".join(separator.join(line) for line in quoted)
    path.write_bytes(content.encode(encoding))


@pytest.mark.parametrize("separator", [";", "\t", "|", ":", "§", "¦", "^", " ", "~", "]"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_any_separator_and_encoding_give_the_same_table(
    tmp_path: Path, separator: str, encoding: str
) -> None:
    write_csv(tmp_path / "Products.csv", ROWS, separator, encoding)
    table = folder(tmp_path, separator=separator, encoding=encoding).listings(labelled=True)
    assert table.rows["product_name"].tolist() == ["Stuhl; alt", "Lampe\nblau"]
    assert table.rows["price"].tolist() == ["1250,5", "7,0"]
    assert table.rows["location"].isna().tolist() == [False, True]
    assert table.unread() == {}


def test_shift_jis_is_read(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "Titel": "椅子", "Rubrik": "家具", "Text": "木製", "Ort": "東京"}]
    write_csv(tmp_path / "Products.csv", rows, ";", "shift_jis")
    table = folder(tmp_path, encoding="shift_jis").listings(labelled=True)
    assert table.rows["product_name"].tolist() == ["椅子"]


# --- The same listings in every format ------------------------------------------------------------
cells = st.one_of(
    st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)
)


@given(
    st.lists(
        st.tuples(cells, cells, st.floats(0, 10**6).map(lambda price: round(price, 2)),
                  st.booleans(), st.datetimes()),
        min_size=1, max_size=6,
    )
)  # fmt: skip
@settings(max_examples=20, deadline=None, derandomize=True, database=None)
def test_every_format_gives_the_same_cleaned_table(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple]
) -> None:
    raw = tmp_path_factory.mktemp("raw")
    rows = [
        {"Nr": number, "Titel": title, "Text": text, "Rubrik": "Haus > Stühle", "Preis": price,
         "Ort": None, "neu": new, "seit": time}
        for number, (title, text, price, new, time) in enumerate(values, start=1)
    ]  # fmt: skip
    as_text = [{**row, "seit": row["seit"].isoformat()} for row in rows]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in as_text)
    write_csv(raw / "Products.csv", as_text, ";", "utf-8")
    (raw / "Products.csv.gz").write_bytes(gzip.compress((raw / "Products.csv").read_bytes()))
    write_csv(raw / "Products.tsv", as_text, "\t", "utf-8")
    (raw / "Products.jsonl").write_text(lines, encoding="utf-8")
    (raw / "Products.ndjson.gz").write_bytes(gzip.compress(lines.encode()))
    (raw / "Products.json").write_text(json.dumps(as_text), encoding="utf-8")
    pd.DataFrame(rows).to_parquet(raw / "Products.parquet")
    tables = []
    for path in sorted(raw.iterdir()):
        own = folder(raw, products=path.name, attributes={"neu": "boolean", "seit": "date"})
        table = own.listings(labelled=True)
        products = clean_products(table.rows, placeholder_above=10**5, settings=own.settings)
        details = clean_details(table, table.rows, own.settings, max_share=1)
        tables.append(products.join(details.columns))
    assert len(tables) == 7
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0])


def test_typed_values_become_the_strings_of_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "Products.parquet"
    table = pa.table(
        {
            "id": pa.array([5.0, None, 7.0]),  # as pandas writes whole numbers beside a gap
            "price": pa.array([1.234, 1e7, 20.0]),
            "when": pa.array([pd.Timestamp("2024-03-05T10:30", tz="UTC"), None, None]),
            "tags": pa.array([["a", "b"], [], None]),
            "at": pa.array([{"lat": 1.5, "lon": 2.0}, None, None]),
            "new": pa.array([True, False, None]),
            "kind": pa.array(["x", "x", None]).dictionary_encode(),
        }
    )
    pq.write_table(table, path)
    read = read_table(path)
    assert read["id"].tolist()[::2] == ["5", "7"]
    assert read["price"].tolist() == ["1.2340", "10000000", "20"]
    assert read["when"][0] == "2024-03-05T10:30:00+00:00"
    assert read["tags"].fillna("").tolist() == ["a, b", "", ""]
    assert read["at.lat"][0] == "1.5" and read["at.lon"][0] == "2"
    assert read["new"].fillna("").tolist() == ["true", "false", ""]
    assert read["kind"].fillna("").tolist() == ["x", "x", ""]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.jsonl", b'{"id": 1}\n{"id": \n', "line 2 is not valid JSON"),
        ("p.jsonl", b'{"id": 1}\n[2]\n', "line 2 is not a JSON object"),
        ("p.json", b'[{"id": 1}, 3]', "element 2 is not a JSON object"),
        ("p.json", b'[{"id": 1}', "is not valid JSON"),
        ("p.jsonl", b"\xff", "is not a UTF-8 JSON"),
        ("p.parquet", b"PAR1", "is not a Parquet table"),
        ("p.csv.gz", b"id\n1\n", "is not a whole .gz file"),
        ("p.csv.gz", gzip.compress(b"id\n1\n", mtime=0)[:-9], "is not a whole .gz file"),
        ("p.csv.bz2", b"id", "cannot be read"),
        ("p.csv.xz", b"id", "is not a whole .xz file"),
        ("p.csv.zst", b"id", "cannot be read"),
        ("p.csv", "id\n1\n".encode("utf-16"), "set input.encoding to utf-16"),
    ],
)
def test_a_damaged_table_is_one_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MarketError) as error:
        read_table(tmp_path / name)
    assert str(tmp_path / name) in str(error.value) and message in str(error.value)
    assert "\n" not in str(error.value)


# --- Columns --------------------------------------------------------------------------------------
HEADER = "id,product_name,category,product_description,cost,location\n"


def test_an_absent_column_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "Products.csv").write_text(HEADER + "1,Chair,Home,Oak,5,Bath\n")
    plain = RawFolder(tmp_path, input_settings())
    with pytest.raises(MarketError) as error:
        plain.listings(labelled=True)
    assert str(error.value) == (
        f"{tmp_path}/Products.csv: no column 'price' (found: 'cost'): rename it, map it under "
        "input.columns, or set input.columns.price to null if the export has none"
    )
    assert "price" not in plain.listings(labelled=False).rows
    without = {**input_settings().columns, "price": None}
    table = RawFolder(tmp_path, input_settings(columns=without)).listings(labelled=True)
    assert table.unread() == {"cost": 1}
    mapped = {**input_settings().columns, "price": "cost"}
    table = RawFolder(tmp_path, input_settings(columns=mapped)).listings(labelled=True)
    assert table.rows["price"].tolist() == ["5"] and table.own_name("price") == "cost"


def test_a_table_without_its_id_cannot_be_mapped_away(tmp_path: Path) -> None:
    (tmp_path / "Products.csv").write_text("nr,product_name\n1,Chair\n")
    with pytest.raises(MarketError, match=r"no column 'id' \(found: 'nr'.*map it under") as error:
        RawFolder(tmp_path, input_settings()).listings(labelled=False)
    assert "null" not in str(error.value)


def test_a_column_may_be_called_as_another_field_is(tmp_path: Path) -> None:
    (tmp_path / "Products.csv").write_text("id,price,cost\n1,high,5\n")
    own = input_settings(columns={"id": "id", "price": "cost", "name": "price"})
    rows = RawFolder(tmp_path, own).listings(labelled=True).rows
    assert rows.to_dict("records") == [{"id": "1", "price": "5", "product_name": "high"}]


def test_a_table_in_another_format_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "products.parquet").touch()
    with pytest.raises(MarketError, match=r"set input\.products to products\.parquet$"):
        RawFolder(tmp_path, input_settings()).listings(labelled=True)


def test_an_absent_attribute_is_named(tmp_path: Path) -> None:
    (tmp_path / "Products.csv").write_text("id,brand\n1,Ikea\n")
    own = input_settings(columns={"id": "id"}, attributes={"Brand": "category"})
    with pytest.raises(MarketError, match=r"no column 'Brand': .*input\.attributes"):
        RawFolder(tmp_path, own).listings(labelled=True)
    assert len(RawFolder(tmp_path, own).listings(labelled=False).rows) == 1


def test_columns_of_photos_and_events_are_mapped(tmp_path: Path) -> None:
    (tmp_path / "Images.csv").write_text("photo,listing\ni1,p1\n")
    (tmp_path / "interactions.csv").write_text(
        "visitor,item_id,action,at\nu1,p1,add_to_cart,2024-03-05T10:30:00+01:00\nu2,p1,4.5,1e9\n"
    )
    own = input_settings(
        image_columns={"id": "photo", "product_id": "listing"},
        event_columns={"user_id": "visitor", "event": "action", "timestamp": "at"},
        events={"add_to_cart": "save"},
    )
    raw = RawFolder(tmp_path, own)
    assert raw.images().rows.to_dict("records") == [{"id": "i1", "product_id": "p1"}]
    log = raw.interactions()
    assert log.rows["product_id"].tolist() == ["p1", "p1"], "by its usual other name"
    assert log.rows["event"].tolist() == ["save", "4.5"]
    with pytest.raises(MarketError, match=r"no column 'when' .*input\.event_columns"):
        changed = {"event_columns": {**own.event_columns, "timestamp": "when"}}
        RawFolder(tmp_path, own.model_copy(update=changed)).interactions()
