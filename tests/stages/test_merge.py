"""The merged table of the sample: one row per photo, and no leak between the splits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from market.data.grouping import collect_keys
from market.data.photo_store import PhotoStore
from market.data.splitting import count_leaks


@pytest.fixture(scope="module")
def table(ran: Path) -> pa.Table:
    return pq.read_table(ran / "data/merged/listings.parquet")


@pytest.fixture(scope="module")
def listings(table: pa.Table) -> pd.DataFrame:
    return table.drop_columns(["image_array"]).to_pandas()


# --- The sample, merged as a script ---------------------------------------------------------------
def test_a_row_per_photo_and_per_product_without_one(ran: Path, listings: pd.DataFrame) -> None:
    products = pd.read_parquet(ran / "data/clean/products.parquet")
    images = pd.read_parquet(ran / "data/clean/images.parquet")
    assert listings["photo_index"].dropna().tolist() == list(range(len(images)))
    assert listings["image_id"].dropna().tolist() == images["image_id"].tolist()
    assert set(listings["product_id"]) == set(products["product_id"])
    without = listings[listings["photo_index"].isna()]
    assert len(without) > 0 and without["product_id"].is_unique
    assert not set(without["product_id"]) & set(images["product_id"])
    owner = images.set_index("image_id")["product_id"]
    with_photo = listings.dropna(subset="photo_index")
    assert with_photo["product_id"].tolist() == owner.loc[with_photo["image_id"]].tolist()
    name = products.set_index("product_id")["name"]
    assert listings["name"].tolist() == name.loc[listings["product_id"]].tolist()


def test_image_array_is_a_tensor_of_uint8(table: pa.Table) -> None:
    assert table.schema.field("image_array").type == pa.fixed_shape_tensor(pa.uint8(), (3, 56, 56))


def test_image_array_is_the_packed_photos_own(ran: Path, table: pa.Table) -> None:
    column = table["image_array"].combine_chunks()
    assert column.is_null().to_pylist() == table["photo_index"].is_null().to_pylist()
    assert 0 < column.null_count < len(column)
    packed = [
        array
        for batch in PhotoStore(ran / "data/clean/photos").batches()
        for array in batch["image_array"].to_numpy_ndarray()
    ]
    np.testing.assert_array_equal(column.drop_null().to_numpy_ndarray(), np.stack(packed))


def test_the_split_does_not_leak(ran: Path, listings: pd.DataFrame) -> None:
    groups = listings.groupby("group")
    assert (groups["split"].nunique() == 1).all()
    assert (groups["product_id"].nunique() > 1).any()
    assert listings["pixel_hash"].dropna().duplicated().any(), "there was something to leak"


def test_metrics_count_the_table(ran: Path, listings: pd.DataFrame) -> None:
    metrics = json.loads((ran / "metrics/merge.json").read_text(encoding="utf-8"))
    products = listings.drop_duplicates("product_id")
    assert metrics["products"] == len(products)
    assert metrics["photos"] == listings["photo_index"].notna().sum()
    assert metrics["groups"] == listings["group"].nunique() < len(products)
    assert metrics["largest_group"] == products["group"].value_counts().max()
    assert metrics["leakage"] == dict.fromkeys(
        ("products", "descriptions", "photo_hashes", "near_texts", "near_photos"), 0
    )
    flagged = products["has_near_duplicate"] & products["split"].eq("test")
    assert metrics["near_duplicates"]["test_products"] == flagged.sum()
    assert metrics["near_duplicates"]["test_products_above_duplicate_thresholds"] == 0
    for name, counts in metrics["splits"].items():
        assert counts["products"] == (products["split"] == name).sum() > 0
        assert counts["photos"] == listings.loc[listings["split"] == name, "photo_index"].count()


def test_a_split_by_photo_is_caught(listings: pd.DataFrame) -> None:
    by_photo = np.where(np.arange(len(listings)) % 3 == 0, "test", "train")
    keys = collect_keys(listings)
    leaks = count_leaks(listings.assign(split=by_photo), keys, pd.Series(False, keys.index))
    assert min(leaks[name] for name in ("products", "descriptions", "photo_hashes")) > 0
