"""Near-duplicates, groups and splits: no product, text or photo is on both sides of a split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from market.core.errors import MarketError
from market.data.clean_listings import listing_text
from market.data.grouping import collect_keys, find_boilerplate, group_products
from market.data.near_duplicates import (
    NearDuplicates,
    find_near_duplicates,
    near_photos,
    near_texts,
    photo_hashes,
)
from market.data.splitting import (
    FastStratifiedGroupKFold,
    Folds,
    across_splits,
    check_prices,
    check_split,
    count_leaks,
    fit_folds,
    split_products,
)

FOLDS, SEED = Folds(folds=10, val_folds=1, test_folds=2), 42


def test_prices_in_test_only_are_one_line() -> None:
    table = pd.DataFrame(
        {
            "split": ["train", "val", "test"],
            "price": [12345.0, np.nan, 5.0],
            "price_is_placeholder": [True, False, False],
        }
    )
    with pytest.raises(MarketError, match="no train or validation product has a price"):
        check_prices(table)
    check_prices(table.assign(price=0.0))


# --- Grouping -------------------------------------------------------------------------------------
NO_HASHES = np.zeros((0, 32), np.uint8)
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
    hashes = NO_HASHES if hashes is None else hashes
    near = find_near_duplicates(table, hashes, np.ones(len(hashes), bool), **THRESHOLDS)
    once = table.drop_duplicates("product_id")
    keys = collect_keys(table, near)
    ignored = find_boilerplate(keys, once, max_sellers)
    return group_products(keys, ignored, once), keys, ignored


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


def test_equal_texts_without_spaces_are_one_group_unless_they_are_short() -> None:
    long, short = "状態は新品、未使用です。少し色あせがあります。", "写真をご覧ください。"
    rows = [
        listing(product, text, None)
        for product, text in zip("ABCD", [long, long, short, short], strict=True)
    ]
    group, _, ignored = grouped([row | {"name": row["product_id"]} for row in rows])
    assert group["A"] == group["B"] and group["C"] != group["D"] and ignored.sum() == 2


def test_a_missing_text_or_photo_links_no_products() -> None:
    assert grouped([listing(product, "", None) for product in "ABC"])[0].nunique() == 3


def test_a_text_never_equals_a_photo_hash() -> None:
    assert grouped([listing("A", "1", "2"), listing("B", "other", "1")])[0].nunique() == 2


def test_near_duplicates_of_a_text_are_one_group() -> None:
    other = "Red bicycle for a child of seven with stabilisers and a bell on it, barely ridden"
    group, _, _ = grouped(
        [
            listing("A", LONG, None),
            listing("B", LONG + " collect", None),
            listing("C", other, None),
        ]
    )
    assert group["A"] == group["B"] != group["C"]


def test_near_duplicates_of_a_photo_are_one_group() -> None:
    rng = np.random.default_rng(0)
    arrays = np.repeat(np.repeat(rng.integers(0, 256, (2, 3, 14, 14)), 4, 2), 4, 3)
    noisy = np.clip(arrays[:1] + rng.integers(-6, 7, arrays[:1].shape), 0, 255)
    hashes, usable = photo_hashes(np.concatenate([arrays, noisy]).astype(np.uint8))
    assert usable.all() and not photo_hashes(np.full((1, 3, 56, 56), 7, np.uint8))[1].any()
    rows = [listing(name, f"number {name}", name, photo_index=i) for i, name in enumerate("ABC")]
    group, _, _ = grouped(rows, hashes)
    assert group["A"] == group["C"] != group["B"]


def test_pairs_equal_a_comparison_of_all_with_all() -> None:
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 256, (60, 32)).astype(np.uint8)
    hashes[30:45] = hashes[:15]
    hashes[45:, :2] = hashes[15:30, :2]
    hashes[45:, 2:] = hashes[15:30, 2:]
    hashes[45:, 0] ^= 7
    pairs = near_photos(hashes, 8)
    bits = np.unpackbits(hashes, axis=1).astype(int)
    distance = (bits[:, None] != bits[None]).sum(2)
    expected = {(i, j) for i in range(60) for j in range(i + 1, 60) if distance[i, j] <= 8}
    assert set(zip(pairs["left"], pairs["right"], strict=True)) == expected
    assert [distance[i, j] for i, j in zip(pairs["left"], pairs["right"], strict=True)] == (
        pairs["distance"].tolist()
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
def test_boilerplate_of_unrelated_sellers_links_nobody(shared: dict) -> None:
    rows = shop(**shared)
    group, keys, ignored = grouped(rows)
    assert group.nunique() == len(rows)
    category = pd.Series({row["product_id"]: row["category"] for row in rows})
    split = split_products(category, group, FOLDS, SEED)
    check_split(split, {"train": 0.7, "val": 0.1, "test": 0.2}, pd.DataFrame(rows), keys, ignored)
    assert 8 <= split.eq("test").sum() <= 12
    assert set(category[split.eq("train")]) == set(category)


def test_a_traders_forty_adverts_are_one_group() -> None:
    town = [listing(f"t{i}", SHOP, None, location="Leeds") for i in range(40)]
    tour = [listing(f"r{i}", LONG, "1", name="solid oak table") for i in range(40)]
    group, _, ignored = grouped([*town, *tour, *(listing(f"o{i}", "", None) for i in range(300))])
    assert group[:40].nunique() == group[40:80].nunique() == 1
    assert not ignored.any()


def test_an_error_names_the_group_that_makes_a_split_impossible() -> None:
    rows = shop(description=(2, lambda i: SHOP))
    rows = [row | {"location": "Leeds"} for row in rows]
    group, keys, ignored = grouped(rows)
    category = pd.Series({row["product_id"]: row["category"] for row in rows})
    split = split_products(category, group, FOLDS, SEED)
    with pytest.raises(MarketError) as error:
        check_split(
            split, {"train": 0.7, "val": 0.1, "test": 0.2}, pd.DataFrame(rows), keys, ignored
        )
    assert "24 of 48 products share one description 'thank you" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"category": "lamp"}, "'lamp'"), ({"name": "", "description": ""}, "product_description")],
)
def test_an_error_names_the_missing_categories_or_texts(changes: dict, words: str) -> None:
    table = pd.DataFrame([row | changes for row in shop()])
    _, keys, ignored = grouped(table.to_dict("records"))
    split = pd.Series("train", table["product_id"])
    with pytest.raises(MarketError) as error:
        check_split(split, {"train": 1.0}, table, keys, ignored)
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
    split = split_products(labelled["category"], labelled["group"], FOLDS, SEED)
    assert split.index.equals(labelled.index)
    assert (split.groupby(labelled["group"]).nunique() == 1).all()
    shares = {"train": 0.7, "val": 0.1, "test": 0.2}
    for name, share in shares.items():
        assert (split == name).mean() == pytest.approx(share, abs=0.02)
        of_class = (split == name).groupby(labelled["category"]).mean()
        assert np.abs(of_class - share).max() < 0.06


def test_only_the_seed_moves_the_split(labelled: pd.DataFrame) -> None:
    def split(seed: int = SEED) -> pd.Series:
        return split_products(labelled["category"], labelled["group"], FOLDS, seed)

    pd.testing.assert_series_equal(split(), split())
    assert (split() != split(seed=43)).mean() > 0.2


@pytest.mark.parametrize("seed", range(3))
def test_folds_equal_those_of_scikit_learn(labelled: pd.DataFrame, seed: int) -> None:
    assert hasattr(StratifiedGroupKFold, "_find_best_fold"), "or ours would not be called"
    options = {"n_splits": 7, "shuffle": True, "random_state": seed}
    theirs = StratifiedGroupKFold(**options)
    ours = FastStratifiedGroupKFold(**options)
    arguments = (labelled, labelled["category"], labelled["group"])
    for (_, own), (_, expected) in zip(
        ours.split(*arguments), theirs.split(*arguments), strict=True
    ):
        np.testing.assert_array_equal(own, expected)


def test_folds_are_as_many_as_can_be_filled() -> None:
    category = pd.Series(np.repeat(list("abcdefgh"), 4), dtype="str")
    group = pd.Series(range(32))
    folds = fit_folds(category, group, FOLDS)
    assert folds == Folds(4, 1, 1)
    assert fit_folds(pd.Series(["a"] * 32), group, FOLDS) == FOLDS
    split = split_products(category, group, folds, seed=42)
    assert set(split) == {"train", "val", "test"}


def test_two_products_of_each_category_are_too_few() -> None:
    with pytest.raises(MarketError) as error:
        fit_folds(pd.Series(list("aabbcc")), pd.Series(range(6)), FOLDS)
    assert "3 of both" in str(error.value) and "\n" not in str(error.value)


def test_a_category_of_one_product_is_learned_from() -> None:
    category = pd.Series([*"a" * 30, *"b" * 30, *"cdefghij"])
    for seed in range(5):
        split = split_products(category, pd.Series(range(68)), FOLDS, seed)
        assert set(category[split.eq("train")]) == set(category)


def test_a_large_group_is_trained_on() -> None:
    category = pd.Series([*"ab" * 40])
    group = pd.Series([0] * 20 + list(range(1, 61)))
    for seed in range(5):
        split = split_products(category, group, FOLDS, seed)
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
    counts = count_leaks(table, keys, ignored)
    assert {name: count for name, count in counts.items() if count and name in leaks} == leaks
    assert leaks or not sum(counts.values()) - counts["near_texts"]
    near = NearDuplicates(near_texts(listing_text(table), 0.8), near_photos(NO_HASHES, 32))
    flagged = across_splits(near, table["split"])
    assert flagged.tolist() == [bool(counts["near_texts"])] * 2 + [False] * 2
