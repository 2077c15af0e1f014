"""The listings that changed since the index was made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class ChangedListings:
    """m listings that are new or changed since the index was made, and those that are gone.

    Attributes
    ----------
    listings
        A row for each listing in its latest state: the columns of `SearchIndex.listings`
        (`product_id`, `name`, `description`, `location`, `category_levels`, `price`, `group`,
        `created`, `latitude`, `longitude`; `status`, `seller_id` and `attribute_<name>` where
        known), `price_expected`, `price_flag` ("" for none) and `expires` (datetime64, UTC without
        a zone; NaT = never). A column that is missing is unknown for every row.
    texts
        (m, width) float32 unit text vectors from ListingEncoder, before smoothing.
    photos
        A row for each photo, sorted by listing: `position` in `listings`, and `photo_index`, which
        is the number of packed photos and more: 0 … k - 1 above it.
    images
        (k, width) float32 unit vectors of the image space, for each row of `photos`.
    removed
        The product ids of listings of the index that are deleted. A changed listing supersedes the
        index's listing of its id, which need not stand here.
    """

    listings: pd.DataFrame
    texts: np.ndarray
    photos: pd.DataFrame
    images: np.ndarray
    removed: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.listings)
