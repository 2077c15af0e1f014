"""The groups and the split of all products, with the numbers and messages about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from market.core.settings import Merge
from market.data.grouping import collect_keys, find_boilerplate, group_products
from market.data.near_duplicates import NearDuplicates, find_near_duplicates
from market.data.splitting import (
    SPLITS,
    Folds,
    across_splits,
    check_prices,
    check_split,
    count_leaks,
    fit_folds,
    split_products,
)


@dataclass(frozen=True)
class ProductSplit:
    """How the products are grouped and split.

    Attributes
    ----------
    listings
        A row for each photo, and one for each product without a photo, with the columns `group`,
        `split` and `has_near_duplicate` (whether a product of another split has nearly the same
        text or photo).
    keys
        The texts and photos that products share, as `collect_keys` returns them.
    ignored
        (keys,) whether a key is boilerplate, as `find_boilerplate` returns it.
    duplicates
        The near-duplicates that stay in one split.
    requested, folds
        The folds in the settings, and those that the products can fill.
    """

    listings: pd.DataFrame
    keys: pd.DataFrame
    ignored: pd.Series
    duplicates: NearDuplicates
    requested: Folds
    folds: Folds

    @classmethod
    def fit(
        cls,
        listings: pd.DataFrame,
        photo_hashes: tuple[np.ndarray, np.ndarray],
        settings: Merge,
    ) -> ProductSplit:
        """Group near-duplicates, and assign whole groups to train, validation and test.

        Parameters
        ----------
        listings
            As `join_photos` returns them.
        photo_hashes
            As `hash_photos` returns them.
        settings
            Section `merge` of params.yaml.

        Raises
        ------
        MarketError
            If models cannot be fitted and evaluated on any split of these products.
        """
        products = listings.drop_duplicates("product_id")
        # Searched once, by the looser of the thresholds for grouping and for reporting.
        near = find_near_duplicates(
            listings,
            *photo_hashes,
            min_similarity=min(settings.duplicate_text_similarity, settings.report_text_similarity),
            max_distance=max(settings.duplicate_photo_distance, settings.report_photo_distance),
        )
        duplicates = near.within(
            settings.duplicate_text_similarity, settings.duplicate_photo_distance
        )
        reported = near.within(settings.report_text_similarity, settings.report_photo_distance)

        keys = collect_keys(listings, duplicates)
        ignored = find_boilerplate(keys, products, settings.max_sellers)
        group = group_products(keys, ignored, products)
        # Without categories, all products count as one.
        category = products.set_index("product_id")["category"].fillna("")
        requested = Folds(settings.folds, settings.val_folds, settings.test_folds)
        folds = fit_folds(category, group, requested)
        split = split_products(category, group, folds, settings.seed)
        check_split(split, folds.shares(), products, keys, ignored)
        flagged = pd.Series(across_splits(reported, split), group.index, name="has_near_duplicate")
        for column in (group, split, flagged):
            # Join keeps attrs, here the types of attributes, only if both tables have the same.
            listings = listings.join(column, on="product_id").__finalize__(listings)
        check_prices(listings)
        return cls(listings, keys, ignored, duplicates, requested, folds)

    @property
    def products(self) -> pd.DataFrame:
        """The listings with one row for each product."""
        return self.listings.drop_duplicates("product_id")

    def metrics(self) -> dict[str, Any]:
        """Return what the groups and splits hold.

        Raises
        ------
        AssertionError
            If a product, or what products share, is in more than one split.
        """
        leakage = count_leaks(self.listings, self.keys, self.ignored)
        if any(leakage.values()):
            raise AssertionError(f"the split leaks: {leakage}")
        products = self.products
        test = products["split"].eq("test").to_numpy()
        flagged = products["has_near_duplicate"].to_numpy()
        duplicated = across_splits(self.duplicates, products["split"])
        photos = self.listings.groupby("split")["photo_index"].count()
        sizes = products["group"].value_counts()
        return {
            "products": len(products),
            "photos": int(photos.sum()),
            "groups": len(sizes),
            "largest_group": int(sizes.iloc[0]),
            "boilerplate": {
                kind: {
                    "keys": int(rows["key"].nunique()),
                    "products": int(rows["product"].nunique()),
                }
                for kind, rows in self._boilerplate()
            },
            "splits": {
                name: {
                    "products": int(products["split"].eq(name).sum()),
                    "photos": int(photos[name]),
                }
                for name in SPLITS
            },
            "leakage": leakage,
            "near_duplicates": {
                "test_products": int((flagged & test).sum()),
                "test_products_above_duplicate_thresholds": int((duplicated & test).sum()),
            },
            "categories_without_test_products": len(self._untested_categories()),
            "folds": self.folds.as_dict(),
        }

    def messages(self) -> list[str]:
        """Return a line for the user on each thing that differs from what the settings ask for."""
        lines = [_boilerplate_message(kind, rows) for kind, rows in self._boilerplate()]
        if self.folds != self.requested:
            lines.append(
                f"{len(self.products)} products fill {self.folds.folds} folds, "
                f"not {self.requested.folds}"
            )
        if untested := self._untested_categories():
            lines.append(f"categories too small for a test product: {', '.join(untested)}")
        return lines

    def _boilerplate(self) -> list[tuple[str, pd.DataFrame]]:
        """Return the ignored keys by kind."""
        return [(str(kind), rows) for kind, rows in self.keys[self.ignored].groupby("kind")]

    def _untested_categories(self) -> list[str]:
        products = self.products
        tested = products.loc[products["split"].eq("test"), "category"]
        return sorted(set(products["category"].dropna()) - set(tested))


def _boilerplate_message(kind: str, rows: pd.DataFrame) -> str:
    sizes = rows["key"].value_counts()
    example = f" (the most frequent: {sizes.index[0][:60]!r})" if kind == "description" else ""
    return (
        f"ignored {len(sizes)} of kind {kind!r}, on {rows['product'].nunique()} products{example}: "
        "unrelated sellers share them, so they do not indicate copies"
    )
