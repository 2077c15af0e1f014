"""The rows of Products.csv and Images.csv that are kept, and why the others are rejected."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from raw_input import input_settings, raw_table

from market.data.listing_faults import listing_faults
from market.data.rejects import REJECT_COLUMNS
from market.data.schemas import IMAGES_SCHEMA, check_rows, products_schema


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
    raw = raw_table(table)
    good, rejects = check_rows(
        raw, products_schema(labelled=True), listing_faults(raw, input_settings())
    )
    assert good["id"].tolist() == ["p0", "p2"]
    assert rejects[["source", "record", "id"]].to_numpy().tolist() == [["Products.csv", 2, "p1"]]
    assert rejects["reason"].str.startswith(reason).all()
    unlabelled, none = check_rows(raw, products_schema(labelled=False))
    assert len(unlabelled) == 3 and none.empty


def test_unlabelled_products_need_neither_category_nor_price() -> None:
    table = products(id=["a", "a"]).drop(columns=["category", "price"])
    kept, rejects = check_rows(raw_table(table), products_schema(labelled=False))
    assert len(kept) == 2 and rejects.empty, "they may even share an id"


def test_of_a_repeated_id_the_first_row_is_kept() -> None:
    table = products(id=["a", "b", "a", "a"], product_name=["one", "two", "three", "four"])
    good, rejects = check_rows(raw_table(table), products_schema(labelled=True))
    assert good["product_name"].tolist() == ["one", "two"]
    assert rejects["record"].tolist() == [3, 4]
    assert rejects["reason"].unique().tolist() == ["id repeats an earlier row's"]


@pytest.mark.parametrize(
    "image_id", ["../x", "/etc/passwd", "..", ".hidden", "a/b", "a\\b", "C:x", "a b", None]
)
def test_an_image_id_cannot_leave_the_folder(image_id: str | None) -> None:
    table = raw_table(images(id=["fine-1.a_B", image_id]), Path("Images.csv"))
    good, rejects = check_rows(table, IMAGES_SCHEMA)
    assert good["id"].tolist() == ["fine-1.a_B"]
    expected = "id is missing" if image_id is None else "id is not a file name"
    assert rejects["reason"].tolist() == [expected]


def test_each_row_is_kept_or_rejected_once() -> None:
    table = products(
        id=["a", None, "a", "d", "e", "f"],
        price=["£1", None, "x", None, "£-1", "£2"],
        category=["A", None, None, "B", None, "C"],
    )
    raw_rows = raw_table(table)
    good, rejects = check_rows(
        raw_rows, products_schema(labelled=True), listing_faults(raw_rows, input_settings())
    )
    assert good["id"].tolist() == ["a", "f"]
    assert rejects["record"].tolist() == [2, 3, 4, 5]
    assert list(rejects.columns) == REJECT_COLUMNS
    assert rejects["reason"].notna().all()


def test_the_sample_has_no_malformed_row(raw: Path) -> None:
    for name, schema in (("Products", products_schema(labelled=True)), ("Images", IMAGES_SCHEMA)):
        table = raw_table(raw / f"{name}.csv")
        good, rejects = check_rows(table, schema)
        assert len(good) == len(table.read) and rejects.empty
