"""The products with their text vectors, categories and splits, and the networks' predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from market.models.category_classifier import ENCODER, PHOTO
from market.models.fusion import average_photos
from market.models.labels import category_names
from market.models.text_encoder import with_embedding


@dataclass(frozen=True)
class LabelledProducts:
    """A row for each product.

    Attributes
    ----------
    products
        n rows: product_id, name, description, category, category_levels, split, group,
        has_near_duplicate and the columns EMBEDDING.
    classes
        The names of the categories, sorted.
    codes
        (n,) positions in `classes` of the categories.
    is_test
        (n,) whether the product is for evaluation only.
    networks
        (n, classes) probabilities by ENCODER and by PHOTO, of the mean of the product's photos; NaN
        where a network did not predict the product.
    """

    products: pd.DataFrame
    classes: list[str]
    codes: np.ndarray
    is_test: np.ndarray
    networks: dict[str, np.ndarray]

    def without_rows(self) -> LabelledProducts:
        """Return the same columns with no products."""
        return replace(
            self,
            products=self.products.iloc[:0],
            codes=self.codes[:0],
            is_test=self.is_test[:0],
            networks={name: values[:0] for name, values in self.networks.items()},
        )

    @classmethod
    def load(
        cls, listings: Path, text_vectors: Path, text_probabilities: Path, photo_probabilities: Path
    ) -> LabelledProducts:
        """Read what the stages merge, embed_texts, train_text and train_cnn wrote."""
        columns = ["product_id", "name", "description", "category", "category_levels", "split"]
        products = pd.read_parquet(listings, columns=[*columns, "group", "has_near_duplicate"])
        products = products.drop_duplicates("product_id")
        ids, classes = products["product_id"], category_names(products)
        vectors = pd.read_parquet(text_vectors).set_index("product_id").loc[ids]
        encoder = pd.read_parquet(text_probabilities).set_index("product_id")[classes]
        photos = pd.read_parquet(photo_probabilities)
        return cls(
            products=with_embedding(products, vectors.to_numpy()),
            classes=classes,
            codes=pd.Categorical(products["category"], classes).codes,
            is_test=(products["split"] == "test").to_numpy(),
            networks={
                ENCODER: encoder.reindex(ids).to_numpy(),  # which predicts no train product
                PHOTO: average_photos(photos[classes].to_numpy(), photos["product_id"], ids),
            },
        )
