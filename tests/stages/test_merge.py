"""One table, one split: no product, text or photo stands on both sides of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from market.core.errors import MarketError
from market.data import photo_store
from market.data.near_duplicates import near_photos, near_texts, photo_hashes
from market.data.photo_store import PhotoStore, pack_photos
from stages import merge

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
    flagged = products["has_near_copy"] & products["split"].eq("test")
    assert metrics["near_copies"]["test_products"] == flagged.sum()
    assert metrics["near_copies"]["test_products_above_copy_thresholds"] == 0
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
    with pytest.raises(MarketError, match="no train or validation product has a price"):
        merge.check_prices(table)
    merge.check_prices(table.assign(price=0.0))


# --- Grouping -------------------------------------------------------------------------------------
THRESHOLDS: dict[str, Any] = {"min_similarity": 0.8, "max_distance": 32}
SHOP = (
    "Thank you for looking at our shop, all goods are second hand and checked, collect in person "
    "or ask for delivery, no returns please"
)


def listing(product: str, description: str, pixel_hash: str | None, **more: Any) -> dict:
    about = {"name": f"thing number {product}", "category": "c", "location": f"town {product}"}
    return {
        "product_id": product, "description": description, "pixel_hash": pixel_hash,
        "photo_index": None, **about, **more,
    }  # fmt: skip


def grouped(
    rows: list[dict], hashes: np.ndarray | None = None, max_sellers: int = 10
) -> tuple[pd.Series, pd.DataFrame, pd.Series]:
    """Return group by product, the keys that products share, and which of them are ignored."""
    table = pd.DataFrame(rows).astype({"photo_index": "Int64"})
    hashes = np.zeros((0, 32), np.uint8) if hashes is None else hashes
    near = merge.find_near_copies(table, hashes, np.ones(len(hashes), bool), **THRESHOLDS)
    once = table.drop_duplicates("product_id")
    keys = merge.collect_keys(table, near)
    ignored = merge.find_boilerplate(keys, once, max_sellers)
    return merge.group_products(keys, ignored, once), keys, ignored


LONG = "Oak table with six chairs and two leaves bought new last year"


def test_groups_are_transitive() -> None:
    group, _, _ = grouped(
        [
            listing("A", LONG, "1"),
            listing("B", LONG.upper().replace(" ", "  "), "2"),
            listing("B", LONG.upper().replace(" ", "  "), "3"),
            listing("C", "other", "3"),
            listing("D", "third", "4"),
        ]
    )
    assert group["A"] == group["B"] == group["C"] != group["D"]
    assert group.index.tolist() == ["A", "B", "C", "D"]


def test_what_is_absent_does_not_tie_products() -> None:
    assert grouped([listing(product, "", None) for product in "ABC"])[0].nunique() == 3


def test_a_text_is_no_photo_hash() -> None:
    assert grouped([listing("A", "1", "2"), listing("B", "other", "1")])[0].nunique() == 2


def test_near_copies_of_a_text_are_one_group() -> None:
    other = "Red bicycle for a child of seven with stabilisers and a bell on it, barely ridden"
    group, _, _ = grouped(
        [
            listing("A", LONG, None),
            listing("B", LONG + " collect", None),
            listing("C", other, None),
        ]
    )
    assert group["A"] == group["B"] != group["C"]


def test_near_copies_of_a_photo_are_one_group() -> None:
    rng = np.random.default_rng(0)
    arrays = np.repeat(np.repeat(rng.integers(0, 256, (2, 3, 14, 14)), 4, 2), 4, 3)
    noisy = np.clip(arrays[:1] + rng.integers(-6, 7, arrays[:1].shape), 0, 255)
    hashes, usable = photo_hashes(np.concatenate([arrays, noisy]).astype(np.uint8))
    assert usable.all() and not photo_hashes(np.full((1, 3, 56, 56), 7, np.uint8))[1].any()
    rows = [listing(name, f"number {name}", name, photo_index=i) for i, name in enumerate("ABC")]
    group, _, _ = grouped(rows, hashes)
    assert group["A"] == group["C"] != group["B"]


def test_pairs_are_those_of_comparing_all_with_all() -> None:
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 256, (60, 32)).astype(np.uint8)
    hashes[30:45] = hashes[:15]
    hashes[45:, :2] = hashes[15:30, :2]
    hashes[45:, 2:] = hashes[15:30, 2:]
    hashes[45:, 0] ^= 7
    found = near_photos(hashes, 8)
    bits = np.unpackbits(hashes, axis=1).astype(int)
    distance = (bits[:, None] != bits[None]).sum(2)
    wanted = {(i, j) for i in range(60) for j in range(i + 1, 60) if distance[i, j] <= 8}
    assert set(zip(found["left"], found["right"], strict=True)) == wanted
    assert [distance[i, j] for i, j in zip(found["left"], found["right"], strict=True)] == (
        found["distance"].tolist()
    )


# --- Boilerplate ----------------------------------------------------------------------------------
def shop(count: int = 48, **shared: Any) -> list[dict]:
    """Products of four categories in three towns; `shared` maps columns to (rows, text by row)."""
    kinds, colours = ["lamp", "chair", "bike", "ball"], ["red", "blue", "green"]
    rows = [
        listing(
            f"p{i}", f"number {i}", None, name=f"{colours[i % 3]} {kinds[i % 4]} {i}",
            category=kinds[i % 4], location=["Leeds", "Bath", "York"][i % 3],
        )
        for i in range(count)
    ]  # fmt: skip
    for column, (every, text) in shared.items():
        for i in range(0, count, every):
            rows[i][column] = text(i)
    return rows


@pytest.mark.parametrize(
    "shared",
    [
        {"description": (4, lambda i: "See photos.")},  # of one category's every product
        {"description": (4, lambda i: SHOP)},
        {"description": (3, lambda i: SHOP if i % 2 else "  " + SHOP.upper())},
        {"description": (3, lambda i: f"{SHOP} posted on {i} May by Ann{i}")},
        {"pixel_hash": (3, lambda i: "no photo yet")},
        {"description": (3, lambda i: SHOP), "pixel_hash": (5, lambda i: "no photo yet")},
        {"description": (1, lambda i: SHOP)},
    ],
)
def test_what_unrelated_sellers_share_links_nobody(shared: dict) -> None:
    rows = shop(**shared)
    group, keys, ignored = grouped(rows)
    assert group.nunique() == len(rows)
    category = pd.Series({row["product_id"]: row["category"] for row in rows})
    split = merge.split_products(category, group, **FOLDS)
    merge.check_split(
        split, {"train": 0.7, "val": 0.1, "test": 0.2}, pd.DataFrame(rows), keys, ignored
    )
    assert 8 <= split.eq("test").sum() <= 12
    assert set(category[split.eq("train")]) == set(category)


def test_a_traders_forty_adverts_are_one_group() -> None:
    town = [listing(f"t{i}", SHOP, None, location="Leeds") for i in range(40)]
    tour = [listing(f"r{i}", LONG, "1", name="solid oak table") for i in range(40)]
    group, _, ignored = grouped([*town, *tour, *(listing(f"o{i}", "", None) for i in range(300))])
    assert group[:40].nunique() == group[40:80].nunique() == 1
    assert not ignored.any()


def test_a_split_that_a_group_makes_impossible_ends_in_one_line() -> None:
    rows = shop(description=(2, lambda i: SHOP))
    rows = [row | {"location": "Leeds"} for row in rows]
    group, keys, ignored = grouped(rows)
    category = pd.Series({row["product_id"]: row["category"] for row in rows})
    split = merge.split_products(category, group, **FOLDS)
    with pytest.raises(MarketError) as error:
        merge.check_split(
            split, {"train": 0.7, "val": 0.1, "test": 0.2}, pd.DataFrame(rows), keys, ignored
        )
    assert "24 of 48 products share one description 'thank you" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"category": "lamp"}, "'lamp'"), ({"name": "", "description": ""}, "product_description")],
)
def test_nothing_to_learn_from_ends_in_one_line(changes: dict, words: str) -> None:
    table = pd.DataFrame([row | changes for row in shop()])
    _, keys, ignored = grouped(table.to_dict("records"))
    split = pd.Series("train", table["product_id"])
    with pytest.raises(MarketError) as error:
        merge.check_split(split, {"train": 1.0}, table, keys, ignored)
    assert words in str(error.value) and "\n" not in str(error.value)


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


ASKED = {"folds": 10, "val_folds": 1, "test_folds": 2}


def test_folds_are_as_many_as_can_be_filled() -> None:
    category = pd.Series(np.repeat(list("abcdefgh"), 4), dtype="str")
    group = pd.Series(range(32))
    folds = merge.fit_folds(category, group, **ASKED)
    assert folds == {"folds": 4, "val_folds": 1, "test_folds": 1}
    assert merge.fit_folds(pd.Series(["a"] * 32), group, **ASKED) == ASKED
    split = merge.split_products(category, group, **folds, seed=42)
    assert set(split) == {"train", "val", "test"}


def test_two_products_of_each_category_are_refused_in_one_line() -> None:
    with pytest.raises(MarketError) as error:
        merge.fit_folds(pd.Series(list("aabbcc")), pd.Series(range(6)), **ASKED)
    assert "3 of both" in str(error.value) and "\n" not in str(error.value)


def test_a_category_of_one_product_is_learned_from() -> None:
    category = pd.Series([*"a" * 30, *"b" * 30, *"cdefghij"])
    for seed in range(5):
        split = merge.split_products(category, pd.Series(range(68)), **FOLDS | {"seed": seed})
        assert set(category[split.eq("train")]) == set(category)


def test_a_large_group_is_trained_on() -> None:
    category = pd.Series([*"ab" * 40])
    group = pd.Series([0] * 20 + list(range(1, 61)))
    for seed in range(5):
        split = merge.split_products(category, group, **FOLDS | {"seed": seed})
        assert split[group == 0].eq("train").all()


# --- Leakage --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "leaks"),
    [
        ({}, {}),
        ({"description": LONG}, {"descriptions": 1}),
        ({"description": LONG + " collect"}, {}),
        ({"pixel_hash": "1"}, {"photo_hashes": 1}),
        ({"name": "thing number a", "description": LONG + " collect"}, {"near_texts": 1}),
    ],
)
def test_leakage_counts_what_both_sides_hold(changes: dict, leaks: dict) -> None:
    rows = [listing("a", LONG, "1"), listing("b", "y", "2") | changes]
    rows += [listing(name, "", None) for name in "cd"]
    _, keys, ignored = grouped(rows)
    split = ["train", "test", "train", "test"]
    table = pd.DataFrame(rows).assign(split=split)
    counts = merge.leakage(table, keys, ignored)
    assert {name: count for name, count in counts.items() if count and name in leaks} == leaks
    assert leaks or not sum(counts.values()) - counts["near_texts"]
    near = {"near text": near_texts(table["name"] + "\n" + table["description"], 0.8)}
    flagged = merge.across_splits(near, table["split"])
    assert flagged.tolist() == [bool(counts["near_texts"])] * 2 + [False] * 2


def test_a_split_by_photo_is_caught(listings: pd.DataFrame) -> None:
    by_photo = np.where(np.arange(len(listings)) % 3 == 0, "test", "train")
    keys = merge.collect_keys(listings, {})
    leaks = merge.leakage(listings.assign(split=by_photo), keys, pd.Series(False, keys.index))
    assert min(leaks[name] for name in ("products", "descriptions", "photo_hashes")) > 0
