"""The photos of all listings with their categories, splits and features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import TensorDataset

from market.data.photo_store import PhotoStore
from market.models.labels import NO_CATEGORIES, Labels, category_names, subcategory_labels
from market.models.photo_dataset import PhotoDataset

MIN_PHOTOS = 8  # of a subcategory that gets a label of its own


@dataclass(frozen=True)
class LabelledPhotos:
    """A row for each photo of a listing.

    Attributes
    ----------
    listings
        (rows,) columns photo_index, product_id, category, category_levels, split, group and
        has_near_duplicate.
    classes
        The names of the categories, sorted.
    categories
        (rows,) int64, positions in `classes`.
    photo_index
        (rows,) int64, places in `photos` and `features`.
    rows
        The rows of "train", "val" and "test".
    photos
        The packed photos.
    features
        (photos, width) float32, computed by the frozen network.
    """

    listings: pd.DataFrame
    classes: list[str]
    categories: np.ndarray
    photo_index: np.ndarray
    rows: dict[str, np.ndarray]
    photos: PhotoStore
    features: np.ndarray

    @classmethod
    def load(cls, listings_path: Path, photos: Path, features: Path) -> LabelledPhotos:
        """Return the photos of merged listings, given the packed photos and their features."""
        columns = ["photo_index", "product_id", "category", "category_levels", "split", "group"]
        products = pd.read_parquet(listings_path, columns=[*columns, "has_near_duplicate"])
        classes = category_names(products)
        listings = products.dropna(subset="photo_index")
        splits = ("train", "val", "test")
        return cls(
            listings=listings,
            classes=classes,
            categories=pd.Categorical(listings["category"], classes).codes.astype(np.int64),
            photo_index=listings["photo_index"].to_numpy(np.int64),
            rows={split: np.flatnonzero(listings["split"] == split) for split in splits},
            photos=PhotoStore(photos),
            features=np.load(features, mmap_mode="r"),
        )

    def without_rows(self) -> LabelledPhotos:
        """Return the same photos with empty splits."""
        return replace(self, rows={split: np.empty(0, int) for split in self.rows})

    def untrainable_reason(self) -> str:
        """Return why no classifier can be trained and evaluated on these photos; "" if it can."""
        if not self.classes:
            return NO_CATEGORIES
        if all(len(rows) for rows in self.rows.values()):
            return ""
        counts = ", ".join(f"{len(rows)} {split}" for split, rows in self.rows.items())
        return f"{counts} photos, but each split needs at least one"

    def labels_of(self, rows: np.ndarray, depth: int) -> Labels:
        """Return the labels of these training rows, `depth` levels deep."""
        levels = self.listings["category_levels"].iloc[rows]
        return subcategory_labels(levels, self.classes, depth=depth, min_rows=MIN_PHOTOS)

    def feature_dataset(self, rows: np.ndarray, codes: np.ndarray) -> TensorDataset:
        """Return a dataset of (features, code), given the code of each of these rows."""
        features = self.features[self.photo_index[rows]]
        return TensorDataset(torch.from_numpy(features), torch.from_numpy(codes))

    def photo_dataset(
        self, rows: np.ndarray, codes: np.ndarray, decode: Callable, **augmentation: Any
    ) -> PhotoDataset:
        """Return a dataset of (photo, code); `decode` and `augmentation` as in PhotoDataset."""
        return PhotoDataset(self.photos, decode, self.photo_index[rows], codes, **augmentation)
