"""`clean_table`: a DataFrame or a file becomes typed listings and rejects."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from market import CleanedTable, MarketError, clean_table

pytestmark = pytest.mark.slow


@pytest.fixture
def clean(root: Path) -> Callable[..., CleanedTable]:
    """Return clean(source, **arguments): `clean_table` in the project."""
    return lambda source, **arguments: clean_table(source, root=root, **arguments)


TABLE = pd.DataFrame(
    {
        "id": [7, 8, 8, 9],
        "product_name": ["Oak  table", "Lamp", "Lamp", "Sofa"],
        "product_description": ["old", None, "", "soft"],
        "category": ["Home / Tables", "Home", "Home", "Home"],
        "price": ["£1,250.00", 20, 20.5, "swap"],
        "location": ["Leeds, West Yorkshire", None, None, "Bath"],
    }
)


def test_rows_are_typed_or_rejected_with_a_reason(clean: Callable[..., CleanedTable]) -> None:
    listings, rejects = clean(TABLE)
    assert listings["product_id"].tolist() == ["7", "8"]
    assert listings["name"].tolist() == ["Oak table", "Lamp"]
    assert listings["price"].tolist() == [1250.0, 20.0]
    assert listings["category_levels"].tolist() == [["Home", "Tables"], ["Home"]]
    assert rejects[["record", "id"]].to_numpy().tolist() == [[3, "8"], [4, "9"]]
    assert "repeats" in rejects["reason"].iloc[0] and "price" in rejects["reason"].iloc[1]


@pytest.mark.parametrize("name", ["listings.csv", "listings.parquet", "listings.jsonl", "raw"])
def test_a_file_or_folder_gives_the_same_as_its_table(
    clean: Callable[..., CleanedTable], tmp_path: Path, name: str
) -> None:
    table, path = TABLE.astype("str").where(TABLE.notna()), tmp_path / name
    if name == "raw":
        path.mkdir()
        table.to_csv(path / "Products.csv", index=False)
    elif name.endswith(".csv"):
        table.to_csv(path, index=False)
    elif name.endswith(".parquet"):
        table.to_parquet(path, index=False)
    else:
        table.to_json(path, orient="records", lines=True)
    of_frame, of_file = clean(table), clean(str(path))
    pd.testing.assert_frame_equal(of_file.listings, of_frame.listings)
    assert of_file.rejects["reason"].tolist() == of_frame.rejects["reason"].tolist()


def test_settings_are_arguments(clean: Callable[..., CleanedTable]) -> None:
    table = pd.DataFrame({"sku": [1, 2], "Titel": ["Stuhl", "Öl"], "Preis": ["1.250,00 €", 7.5]})
    columns = {"id": "sku", "name": "Titel", "price": "Preis"}
    listings, rejects = clean(table, columns=columns, currency="EUR", decimal=",")
    assert listings["price"].tolist() == [1250.0, 7.5]
    assert rejects.empty


def test_new_listings_are_all_kept(clean: Callable[..., CleanedTable]) -> None:
    new = TABLE.drop(columns="category")
    listings, rejects = clean(new, labelled=False)
    assert listings["product_id"].tolist() == ["7", "8", "8", "9"]
    assert listings["price"].isna().tolist() == [False, False, False, True]
    assert rejects["id"].tolist() == ["9"]


def test_unread_columns_are_named_once_each(clean: Callable[..., CleanedTable]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clean(TABLE.assign(colour="red"))
    (warning,) = caught
    assert "column 'colour' (4 values) is not read" in str(warning.message)
    assert warning.filename == __file__  # the place of the call


@pytest.mark.parametrize(
    ("source", "arguments", "message"),
    [
        (TABLE, {"curency": "EUR"}, "input.curency is unknown: did you mean input.currency?"),
        (TABLE, {"currency": "euro"}, "input.currency is 'euro', must be three capital letters"),
        (TABLE.drop(columns="price"), {}, "DataFrame: no column 'price' (found: "),
        (TABLE.iloc[:0], {}, "DataFrame has no rows"),
        (TABLE.assign(price="swap"), {}, "DataFrame: 3 of 4 rows are rejected"),
        ("absent.csv", {}, "absent.csv does not exist"),
    ],
)
def test_a_fault_is_one_line(
    clean: Callable[..., CleanedTable], source: Any, arguments: dict[str, str], message: str
) -> None:
    with pytest.raises(MarketError) as error:
        clean(source, **arguments)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert "params.yaml: input.cur" not in str(error.value)


def test_a_folder_without_params_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        MarketError, match=r"params.yaml not found in .*: .* pass its path as `root`"
    ):
        clean_table(TABLE, root=tmp_path)


def test_the_settings_of_params_are_read(root: Path) -> None:
    path = root / "params.yaml"
    path.write_text(path.read_text("utf-8").replace("currency: GBP", "currency: USD"), "utf-8")
    listings, _ = clean_table(TABLE.assign(price="$5"), root=root)
    assert listings["price"].tolist() == [5.0] * 3
