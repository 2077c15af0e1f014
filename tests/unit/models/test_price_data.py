"""The products with everything that the price models read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from market.data.money import Money
from market.models.price_data import PriceData


def test_each_product_has_its_own_features(tmp_path: Path) -> None:
    listings = pd.DataFrame(
        {
            "product_id": ["a", "a", "b", "c"],
            "photo_index": pd.array([0, 1, 2, pd.NA], "Int64"),
            "split": ["train", "train", "test", "val"],
            "group": [0, 0, 1, 2],
            "price": [10.0, 10.0, 20.0, 1234567.0],
            "price_is_placeholder": [False, False, False, True],
            "name": "red lamp",
            "description": "£5 each",
            "location": "York",
        }
    )
    listings.to_parquet(tmp_path / "listings.parquet")
    np.save(tmp_path / "photo.npy", np.array([[1.0], [3.0], [7.0]], np.float32))
    for name, column in (("text", "text_0"), ("category", "lamps")):
        table = pd.DataFrame({"product_id": ["c", "b", "a"], column: [0.3, 0.2, 0.1]})
        table.to_parquet(tmp_path / f"{name}.parquet")
    data = PriceData.load(
        tmp_path / "listings.parquet",
        tmp_path / "photo.npy",
        tmp_path / "text.parquet",
        tmp_path / "category.parquet",
        money=Money("GBP", "."),
    )
    assert data.products["product_id"].tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(data.table["photo_0"], [2, 7, np.nan])
    assert data.table["text_0"].tolist() == data.table["category_0"].tolist() == [0.1, 0.2, 0.3]
    assert data.is_test.tolist() == [False, True, False]
    assert data.is_learned.tolist() == [True, False, False]
    np.testing.assert_array_equal(data.price_to_learn(), [10, np.nan, np.nan])
