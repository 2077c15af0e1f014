"""One table, one split: no product, text or photo stands on both sides of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click import ClickException
from sklearn.model_selection import StratifiedGroupKFold

import merge
from shared import photo_store
from shared.photo_store import PhotoStore, pack_photos

FOLDS = {"folds": 10, "val_folds": 1, "test_folds": 2, "seed": 42}


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
    assert set(merge.leakage(listings).values()) == {0}
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
    assert metrics["leakage"] == {"products": 0, "descriptions": 0, "photo_hashes": 0}
    for name, counts in metrics["splits"].items():
        assert counts["products"] == (products["split"] == name).sum() > 0
        assert counts["photos"] == listings.loc[listings["split"] == name, "photo_index"].count()


# --- Joining --------------------------------------------------------------------------------------
PRODUCTS = pd.DataFrame({"product_id": ["a", "b", "c"], "description": ["x", "y", "z"]})
IMAGES = pd.DataFrame(
    {
        "image_id": ["i0", "i1", "i2", "i3", "i4"],
        "product_id": ["c", "gone", "a", "gone", "c"],
        "pixel_hash": list("01234"),
    }
)


def test_a_photo_of_an_unknown_product_leaves_a_gap() -> None:
    joined = merge.join(PRODUCTS, IMAGES)
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
    joined = merge.join(PRODUCTS, IMAGES)
    merge.write_listings(joined, PhotoStore(tmp_path / "photos"), tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["product_id"].to_pylist() == ["c", "a", "c", "b"]
    values = [row and set(row) for row in table["image_array"].to_pylist()]
    assert values == [{0}, {2}, {4}, None]


def test_prices_in_test_only_are_one_line() -> None:
    table = pd.DataFrame(
        {
            "split": ["train", "val", "test"],
            "price": [12345.0, np.nan, 5.0],
            "price_is_placeholder": [True, False, False],
        }
    )
    with pytest.raises(ClickException, match="no train or validation product has a price"):
        merge.check_prices(table)
    merge.check_prices(table.assign(price=0.0))


# --- Grouping -------------------------------------------------------------------------------------
def listing(product: str, description: str, pixel_hash: str | None) -> dict:
    return {"product_id": product, "description": description, "pixel_hash": pixel_hash}


def test_groups_are_transitive() -> None:
    table = pd.DataFrame(
        [
            listing("A", "Same  TEXT", "1"),
            listing("B", "same text", "2"),
            listing("B", "same text", "3"),
            listing("C", "other", "3"),
            listing("D", "third", "4"),
        ]
    )
    group = merge.group_products(table)
    assert group["A"] == group["B"] == group["C"] != group["D"]
    assert group.index.tolist() == ["A", "B", "C", "D"]


def test_what_is_absent_does_not_tie_products() -> None:
    table = pd.DataFrame([listing(product, "", None) for product in "ABC"])
    assert merge.group_products(table).nunique() == 3


def test_a_text_is_no_photo_hash() -> None:
    table = pd.DataFrame([listing("A", "cafe", "1"), listing("B", "other", "cafe")])
    assert merge.group_products(table).nunique() == 2


# --- Splitting ------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def labelled() -> pd.DataFrame:
    """A thousand products in five classes, a third of them in groups of two to four."""
    rng = np.random.default_rng(0)
    sizes = rng.choice([1, 2, 3, 4], size=1000, p=[0.7, 0.1, 0.1, 0.1])
    group = np.repeat(np.arange(1000), sizes)[:1000]
    category = rng.choice(list("vwxyz"), size=1000, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    return pd.DataFrame(
        {"category": category, "group": group}, index=[f"p{i}" for i in range(1000)]
    )


def test_whole_groups_are_split_in_proportion(labelled: pd.DataFrame) -> None:
    split = merge.split_products(labelled["category"], labelled["group"], **FOLDS)
    assert split.index.equals(labelled.index)
    assert (split.groupby(labelled["group"]).nunique() == 1).all()
    shares = {"train": 0.7, "val": 0.1, "test": 0.2}
    for name, share in shares.items():
        assert (split == name).mean() == pytest.approx(share, abs=0.02)
        of_class = (split == name).groupby(labelled["category"]).mean()
        assert np.abs(of_class - share).max() < 0.06


def test_only_the_seed_moves_the_split(labelled: pd.DataFrame) -> None:
    def split(**changes: int) -> pd.Series:
        return merge.split_products(labelled["category"], labelled["group"], **FOLDS | changes)

    pd.testing.assert_series_equal(split(), split())
    assert (split() != split(seed=43)).mean() > 0.2


@pytest.mark.parametrize("seed", range(3))
def test_folds_are_those_of_the_library(labelled: pd.DataFrame, seed: int) -> None:
    assert hasattr(StratifiedGroupKFold, "_find_best_fold"), "or ours would not be called"
    options = {"n_splits": 7, "shuffle": True, "random_state": seed}
    wanted = StratifiedGroupKFold(**options)
    found = merge.Folding(**options)
    arguments = (labelled, labelled["category"], labelled["group"])
    for ours, theirs in zip(found.split(*arguments), wanted.split(*arguments), strict=True):
        np.testing.assert_array_equal(ours[1], theirs[1])


def test_more_folds_than_groups_are_refused(labelled: pd.DataFrame) -> None:
    with pytest.raises(ClickException) as error:
        merge.split_products(labelled["category"], labelled["group"], **FOLDS | {"folds": 2000})
    assert "folds" in error.value.message and "\n" not in error.value.message


def test_classes_smaller_than_the_folds_are_split_or_refused() -> None:
    category = pd.Series(np.repeat(list("abcdefgh"), 4), dtype="str")
    group = pd.Series(range(32))
    try:
        split = merge.split_products(category, group, **FOLDS)
    except ClickException as error:
        assert "folds" in error.message
    else:
        assert set(split) == {"train", "val", "test"}


# --- Leakage --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, {"products": 0, "descriptions": 0, "photo_hashes": 0}),
        ({"product_id": "a"}, {"products": 1, "descriptions": 0, "photo_hashes": 0}),
        ({"description": "x"}, {"products": 0, "descriptions": 1, "photo_hashes": 0}),
        ({"pixel_hash": "1"}, {"products": 0, "descriptions": 0, "photo_hashes": 1}),
    ],
)
def test_leakage_counts_what_both_sides_hold(changes: dict, found: dict) -> None:
    train = {**listing("a", "x", "1"), "split": "train"}
    test = {**listing("b", "y", "2"), "split": "test"}
    bare = [{**listing(p, "", None), "split": s} for p, s in (("c", "train"), ("d", "test"))]
    assert merge.leakage(pd.DataFrame([train, {**test, **changes}, *bare])) == found


def test_a_split_by_photo_is_caught(listings: pd.DataFrame) -> None:
    by_photo = np.where(np.arange(len(listings)) % 5 == 0, "test", "train")
    found = merge.leakage(listings.assign(split=by_photo))
    assert min(found.values()) > 0
