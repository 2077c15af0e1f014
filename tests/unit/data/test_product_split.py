"""Groups, splits, and the numbers and messages about them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from market.core.settings import Merge
from market.data.product_split import ProductSplit

SETTINGS = Merge(
    folds=10,
    val_folds=1,
    test_folds=2,
    duplicate_text_similarity=0.8,
    duplicate_photo_distance=32,
    report_text_similarity=0.7,
    report_photo_distance=48,
    max_sellers=10,
    seed=42,
)
NO_PHOTOS = np.empty((0, 0), np.uint8), np.empty(0, bool)
BOILERPLATE = "thank you for looking at all our other items, collection only"


def listings(count: int = 40, **columns: Any) -> pd.DataFrame:
    """Return products without photos, in two categories and with different texts."""
    rng = np.random.default_rng(0)
    words = rng.integers(10**8, size=(count, 12)).astype(str)
    table = pd.DataFrame(
        {
            "product_id": [f"p{position}" for position in range(count)],
            "name": [" ".join(row[:4]) for row in words],
            "description": [" ".join(row[4:]) for row in words],
            "category": ["bikes", "lamps"] * (count // 2),
            "location": [f"town {position}" for position in range(count)],
            "price": 10.0,
            "price_is_placeholder": False,
            "photo_index": pd.array([pd.NA] * count, "Int64"),
            "pixel_hash": None,
        }
    )
    return table.assign(**columns)


def test_every_product_gets_a_group_and_a_split() -> None:
    split = ProductSplit.fit(listings(), NO_PHOTOS, SETTINGS)
    metrics = split.metrics()
    assert metrics["products"] == metrics["groups"] == 40 and metrics["largest_group"] == 1
    counts = {name: part["products"] for name, part in metrics["splits"].items()}
    assert counts == {"train": 28, "val": 4, "test": 8}
    assert set(metrics["leakage"].values()) == {0}
    assert split.messages() == []


def test_copies_share_a_group_and_a_split() -> None:
    table = listings()
    table.loc[1, ["name", "description", "category"]] = table.loc[
        0, ["name", "description", "category"]
    ]
    split = ProductSplit.fit(table, NO_PHOTOS, SETTINGS)
    copies = split.products.iloc[:2]
    assert copies["group"].nunique() == copies["split"].nunique() == 1
    assert split.metrics()["largest_group"] == 2
    assert not copies["has_near_duplicate"].any(), "a near-duplicate in the same split is no leak"


def test_a_text_of_many_sellers_is_counted_and_named() -> None:
    table = listings()
    table.loc[:19, "description"] = BOILERPLATE
    split = ProductSplit.fit(table, NO_PHOTOS, SETTINGS)
    assert split.metrics()["boilerplate"]["description"] == {"keys": 1, "products": 20}
    (message,) = (line for line in split.messages() if "'description'" in line)
    assert "on 20 products" in message and "thank you for looking" in message


def test_fewer_folds_than_requested_are_named() -> None:
    split = ProductSplit.fit(listings(8), NO_PHOTOS, SETTINGS)
    assert split.metrics()["folds"]["folds"] == 4
    assert "8 products fill 4 folds, not 10" in split.messages()


def test_categories_without_test_products_are_named() -> None:
    table = listings()
    table.loc[0, "category"] = "boats"
    split = ProductSplit.fit(table, NO_PHOTOS, SETTINGS)
    assert split.metrics()["categories_without_test_products"] == 1
    assert "categories too small for a test product: boats" in split.messages()


def test_a_leak_is_an_error() -> None:
    table = listings()
    table.loc[1, ["name", "description"]] = table.loc[0, ["name", "description"]]
    split = ProductSplit.fit(table, NO_PHOTOS, SETTINGS)
    split.listings.loc[:1, "split"] = ["train", "test"]
    with pytest.raises(AssertionError, match="the split leaks"):
        split.metrics()


def test_products_without_categories_and_prices_are_split() -> None:
    missing = pd.Series([pd.NA] * 40, dtype="str")
    split = ProductSplit.fit(listings(category=missing, price=np.nan), NO_PHOTOS, SETTINGS)
    counts = {name: part["products"] for name, part in split.metrics()["splits"].items()}
    assert counts == {"train": 28, "val": 4, "test": 8}
    assert split.messages() == [] and split.products["category"].isna().all()
