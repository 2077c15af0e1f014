"""The products with everything that the price models read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from market.data.clean_listings import has_price_to_learn
from market.data.money import Money
from market.models.fusion import average_photos
from market.models.price_features import TEXT_COLUMNS, price_table


@dataclass(frozen=True)
class PriceData:
    """A row for each product.

    Attributes
    ----------
    products
        n rows: product_id, split, group, price, price_is_placeholder and TEXT_COLUMNS.
    table
        Their `price_table`, by the same index.
    is_test
        (n,) whether the product is for evaluation only.
    is_learned
        (n,) whether models are fitted on the product: no test product, with a price to learn from.
        Stage `merge` ends in an error unless there is one, or no product has a price.
    """

    products: pd.DataFrame
    table: pd.DataFrame
    is_test: pd.Series
    is_learned: pd.Series

    @classmethod
    def load(
        cls,
        listings: Path,
        photo_features: Path,
        text_vectors: Path,
        category_probabilities: Path,
        money: Money,
    ) -> PriceData:
        """Read what the stages merge, embed_photos, embed_texts and classify wrote.

        `money` says how amounts in the texts are written.
        """
        columns = ["product_id", "photo_index", "split", "group", "price", "price_is_placeholder"]
        rows = pd.read_parquet(listings, columns=[*columns, *TEXT_COLUMNS])
        products = rows.drop_duplicates("product_id").reset_index(drop=True)
        ids = products["product_id"]
        photos = rows.dropna(subset="photo_index")
        index = photos["photo_index"].to_numpy(np.int64)
        features = np.load(photo_features, mmap_mode="r")[index]
        table = price_table(
            products,
            pd.read_parquet(text_vectors).set_index("product_id").loc[ids].to_numpy(),
            average_photos(features, photos["product_id"], ids),
            pd.read_parquet(category_probabilities).set_index("product_id").loc[ids].to_numpy(),
            money,
        )
        is_test = products["split"] == "test"
        return cls(products, table, is_test, ~is_test & has_price_to_learn(products))

    def price_to_learn(self) -> pd.Series:
        """Return the prices (n,) to fit on; NaN for other products."""
        return self.products["price"].where(self.is_learned)
