"""Photos joined with their products, and the pixels beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from market.data import photo_store
from market.data.merged_listings import join_photos, write_listings
from market.data.photo_store import PhotoStore, pack_photos

PRODUCTS = pd.DataFrame({"product_id": ["a", "b", "c"], "description": ["x", "y", "z"]})
IMAGES = pd.DataFrame(
    {
        "image_id": ["i0", "i1", "i2", "i3", "i4"],
        "product_id": ["c", "gone", "a", "gone", "c"],
        "pixel_hash": list("01234"),
    }
)


def test_a_photo_of_an_unknown_product_leaves_a_gap() -> None:
    joined = join_photos(PRODUCTS, IMAGES)
    assert joined["product_id"].tolist() == ["c", "a", "c", "b"]
    assert joined["photo_index"].tolist() == [0, 2, 4, pd.NA]
    assert joined["description"].tolist() == ["z", "x", "z", "y"]


@pytest.mark.parametrize("rows_per_batch", [1, 2, 3, 100])
def test_arrays_stay_with_their_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_per_batch: int
) -> None:
    monkeypatch.setattr(photo_store, "ROWS_PER_BATCH", rows_per_batch)
    photos = [(f"i{i}", b"", np.full((3, 2, 2), i, np.uint8)) for i in range(5)]
    pack_photos(photos, tmp_path / "photos", array_size=2)
    joined = join_photos(PRODUCTS, IMAGES)
    write_listings(joined, PhotoStore(tmp_path / "photos"), tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["product_id"].to_pylist() == ["c", "a", "c", "b"]
    values = [row and set(row) for row in table["image_array"].to_pylist()]
    assert values == [{0}, {2}, {4}, None]


def test_the_time_and_attributes_of_a_product_are_carried() -> None:
    times = pd.to_datetime(pd.Series(["2024-01-01", None, "2024-01-03"])).dt.as_unit("s")
    products = PRODUCTS.assign(created=times, attribute_size=[1.0, 2.0, 3.0])
    images = IMAGES.assign(created=pd.Timestamp("2020-02-02").as_unit("s"))
    joined = join_photos(products, images)
    assert joined["product_id"].tolist() == ["c", "a", "c", "b"]
    assert joined["created"].dt.year.fillna(0).tolist() == [2024, 2024, 2024, 0]
    assert joined["attribute_size"].tolist() == [3, 1, 3, 2] and "created_photo" not in joined
    assert join_photos(PRODUCTS, images)["created"].dt.year.tolist()[:3] == [2020] * 3
