"""The split into train, val and test: whole groups of products, categories in proportion."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from market.core.errors import MarketError
from market.data.clean_listings import has_price_to_learn, listing_text
from market.data.near_duplicates import NearDuplicates

SPLITS = ("train", "val", "test")
TOLERANCE = 0.5  # of a fold's size: a fold further off holds a large group and goes to train
MAX_DEVIATION, MIN_DEVIATION = 0.1, 3  # share and number of products that a split may be off by
LEAKAGE_KEYS = {
    "descriptions": "description",
    "photo_hashes": "photo",
    "near_texts": "near text",
    "near_photos": "near photo",
}


class FastStratifiedGroupKFold(StratifiedGroupKFold):
    """scikit-learn's StratifiedGroupKFold with the same folds in a tenth of the time.

    The library tries each group in one fold after another; this class tries all folds at once.
    """

    def _find_best_fold(
        self, y_counts_per_fold: np.ndarray, y_cnt: np.ndarray, group_y_counts: np.ndarray
    ) -> int:
        """Return the fold in which a group leaves the shares of the classes most even.

        Of folds that are equal, by the definition of np.isclose, the one with the fewest samples.
        `y_counts_per_fold` is (folds, classes), the other two are (classes,).
        """
        with_group = y_counts_per_fold + np.eye(self.n_splits)[:, :, None] * group_y_counts
        uneven = (with_group / y_cnt).std(axis=1).mean(axis=1).tolist()
        samples = y_counts_per_fold.sum(axis=1).tolist()
        best = 0
        for fold in range(1, self.n_splits):
            close = abs(uneven[fold] - uneven[best]) <= 1e-8 + 1e-5 * uneven[best]
            if uneven[fold] < uneven[best] or (close and samples[fold] < samples[best]):
                best = fold
        return best


@dataclass(frozen=True)
class Folds:
    """The number of folds, and how many of them are for validation and for test."""

    folds: int
    val_folds: int
    test_folds: int

    def shares(self) -> dict[str, float]:
        """Return the share of the products that each split is to have."""
        val, test = self.val_folds / self.folds, self.test_folds / self.folds
        return {"train": 1 - (val + test), "val": val, "test": test}

    def as_dict(self) -> dict[str, int]:
        """Return the three numbers by their names."""
        return asdict(self)


def fit_folds(category: pd.Series, group: pd.Series, wanted: Folds) -> Folds:
    """Return the folds that the products can fill.

    Parameters
    ----------
    category, group
        Of each product (n,).
    wanted
        The folds in the settings.

    Returns
    -------
    Folds
        `wanted`, or fewer in about the same shares where there are fewer groups, or fewer products
        in the largest category.

    Raises
    ------
    MarketError
        If the products cannot fill three folds.

    Examples
    --------
    >>> category = pd.Series(["lamp"] * 4 + ["sofa"] * 5)
    >>> fit_folds(category, pd.Series(range(9)), Folds(folds=10, val_folds=1, test_folds=2))
    Folds(folds=5, val_folds=1, test_folds=1)
    """
    largest = int(category.value_counts().max())
    possible = min(wanted.folds, int(group.nunique()), largest)
    if possible < len(SPLITS):
        raise MarketError(
            f"merge: {len(category)} products in {group.nunique()} independent groups, at most "
            f"{largest} of a category: train, validation and test products need {len(SPLITS)} of "
            "both: add products"
        )
    val = max(1, round(wanted.val_folds * possible / wanted.folds))
    test = max(1, round(wanted.test_folds * possible / wanted.folds))
    while val + test >= possible:
        val, test = (val - 1, test) if val > test else (val, test - 1)
    return Folds(possible, val, test)


def split_products(category: pd.Series, group: pd.Series, folds: Folds, seed: int) -> pd.Series:
    """Assign "train", "val" or "test" to each product.

    A fold that a large group fills goes to train. So does a category's smallest group where the
    category would have none there: a category that is not learned cannot be evaluated.

    Parameters
    ----------
    category, group
        Of each product (n,), by the same index. Groups stay whole.
    folds
        As `fit_folds` returns them.
    seed
        Seed of the shuffle.

    Returns
    -------
    pd.Series
        The split (n,), named "split", by the index of `category`.

    Examples
    --------
    Products 0 and 1 are copies: one group, one split.

    >>> category = pd.Series(["lamp", "sofa"] * 5)
    >>> group = pd.Series([0, 0, 2, 3, 4, 5, 6, 7, 8, 9])
    >>> split = split_products(category, group, Folds(5, val_folds=1, test_folds=1), seed=0)
    >>> split.value_counts().to_dict()
    {'train': 6, 'val': 2, 'test': 2}
    >>> bool(split[0] == split[1])
    True
    """
    split = pd.Series("train", index=category.index, name="split")
    folding = FastStratifiedGroupKFold(folds.folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # about categories smaller than the folds, handled below
        warnings.simplefilter("ignore", UserWarning)
        held_out = [rows for _, rows in folding.split(category, category, group)]
    fair = len(category) / folds.folds
    held_out.sort(key=lambda rows: abs(len(rows) - fair) > max(TOLERANCE * fair, 1))  # stable
    for fold, rows in enumerate(held_out[: folds.test_folds + folds.val_folds]):
        split.iloc[rows] = "test" if fold < folds.test_folds else "val"
    train = split.eq("train")
    for name in sorted(set(category) - set(category[train])):
        smallest = group[category.eq(name)].value_counts(sort=False).sort_index().idxmin()
        split[group.eq(smallest)] = "train"
    return split


def check_prices(listings: pd.DataFrame) -> None:
    """Raise MarketError if there are prices, but only test products have one to learn from."""
    if not listings["price"].notna().any():
        return  # a marketplace without prices
    if not has_price_to_learn(listings[listings["split"] != "test"]).any():
        raise MarketError(
            "merge: no train or validation product has a price to learn from, all of theirs look "
            "like placeholders: add products, or raise clean.placeholder_above in params.yaml"
        )


def check_split(
    split: pd.Series,
    shares: dict[str, float],
    products: pd.DataFrame,
    keys: pd.DataFrame,
    ignored: pd.Series,
) -> None:
    """Raise MarketError unless models can be fitted and evaluated on the split.

    Parameters
    ----------
    split
        Of each product (n,).
    shares
        The share of the products that each split should have.
    products
        A row for each product, in the same order.
    keys, ignored
        As `grouping.collect_keys` and `grouping.find_boilerplate` return them, to name the cause.
    """
    has_categories = products["category"].notna().any()
    if has_categories and products[split.eq("train").to_numpy()]["category"].nunique() < 2:
        names = sorted(products["category"].unique())
        raise MarketError(
            f"merge: all {len(products)} products are of the category {names[0]!r}: at least 2 "
            "categories with 3 products each are needed"
        )
    with_text = set(split[listing_text(products).str.contains(r"\w").to_numpy()])
    for name in shares:
        if name not in with_text:
            raise MarketError(
                f"merge: none of the {split.eq(name).sum()} {name} products has a name or a "
                "description: fill product_name or product_description in Products.csv"
            )
    for name, share in shares.items():
        count, expected = int(split.eq(name).sum()), share * len(split)
        if not count or abs(count - expected) > max(MAX_DEVIATION * len(split), MIN_DEVIATION):
            raise MarketError(
                f"merge: {name} would hold {count} of {len(split)} products, not about "
                f"{expected:.0f}: {_cause(keys[~ignored], len(split))}"
            )


def _cause(keys: pd.DataFrame, products: int) -> str:
    """Return a clause on the key that most products share, and the remedy."""
    sizes = keys.value_counts(["kind", "key"])
    if sizes.empty:
        return "add products"
    (kind, key), size = sizes.index[0], int(sizes.iloc[0])
    quoted = f" {key[:60]!r}" if kind == "description" else ""
    return (
        f"{size} of {products} products share one {kind}{quoted}, so they cannot be split: remove "
        "what they share from the raw tables, or lower merge.max_sellers"
    )


def across_splits(near: NearDuplicates, split: pd.Series) -> np.ndarray:
    """Return whether each product (n,) has a near-duplicate in another split."""
    names = split.to_numpy()
    flagged = np.zeros(len(split), bool)
    for pairs in near.by_kind().values():
        left, right = pairs["left"].to_numpy(), pairs["right"].to_numpy()
        apart = names[left] != names[right]
        flagged[left[apart]] = flagged[right[apart]] = True
    return flagged


def count_leaks(listings: pd.DataFrame, keys: pd.DataFrame, ignored: pd.Series) -> dict[str, int]:
    """Count the products, and the keys of each kind, that are in more than one split.

    Parameters
    ----------
    listings
        A row for each photo, with the column split.
    keys, ignored
        As `grouping.collect_keys` and `grouping.find_boilerplate` return them. Ignored keys, which
        are no evidence of copies, are not counted.
    """
    split = listings.groupby("product_id", sort=False)["split"].agg(["first", "nunique"])
    evidence = keys[~ignored]
    names = split["first"].to_numpy()[evidence["product"]]
    apart = pd.Series(names, evidence.index).groupby([evidence["kind"], evidence["key"]]).nunique()
    counts = apart.gt(1).groupby(level="kind").sum()
    return {"products": int(split["nunique"].gt(1).sum())} | {
        name: int(counts.get(kind, 0)) for name, kind in LEAKAGE_KEYS.items()
    }
