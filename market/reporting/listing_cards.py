"""Listings as the report shows them: a photo, a title, and two categories that disagree."""

from __future__ import annotations

import base64
from typing import Any

import pandas as pd

from market.data.photo_store import PhotoStore

PHOTOS_PER_CLASS = 5
MAX_CARDS = 20  # mistakes, and likely mislabelled listings


def photo_as_text(photos: PhotoStore, number: float) -> str:
    """Return the JPEG of a packed photo in base64; empty if `number` is missing."""
    return "" if pd.isna(number) else base64.b64encode(photos[int(number)]).decode()


def class_sheets(listings: pd.DataFrame, photos: PhotoStore) -> list[dict[str, Any]]:
    """Return every category, the largest first, with a few of its photos.

    Parameters
    ----------
    listings
        One row per photo: product_id, category, photo_index (NaN for a product without a photo).
    photos
        The packed photos that photo_index counts.

    Returns
    -------
    list
        For each category its `name`; `n` and `share` of the products; and `photos`: up to
        PHOTOS_PER_CLASS in base64, drawn at random with a fixed seed.
    """
    products = listings.drop_duplicates("product_id")
    sheets = []
    for category, count in products["category"].value_counts().items():
        numbers = products.loc[products["category"] == category, "photo_index"].dropna()
        drawn = numbers.sample(min(PHOTOS_PER_CLASS, len(numbers)), random_state=0)
        sheets.append(
            {
                "name": category,
                "n": int(count),
                "share": count / len(products),
                "photos": [photo_as_text(photos, number) for number in drawn],
            }
        )
    return sheets


def most_confident_mistakes(predictions: pd.DataFrame, count: int = MAX_CARDS) -> pd.DataFrame:
    """Return the wrong predictions of the highest confidence, the most confident first.

    Parameters
    ----------
    predictions
        Columns product_id, actual, predicted, confidence.
    count
        How many to return, at most.

    Returns
    -------
    pd.DataFrame
        product_id, category (the seller's), suggested (the model's) and confidence.

    Examples
    --------
    >>> predictions = pd.DataFrame(
    ...     {"product_id": ["a", "b"], "actual": ["bike", "lamp"], "predicted": ["bike", "sofa"],
    ...      "confidence": [0.9, 0.8]}
    ... )
    >>> most_confident_mistakes(predictions).to_dict("records")
    [{'product_id': 'b', 'category': 'lamp', 'suggested': 'sofa', 'confidence': 0.8}]
    """
    wrong = predictions[predictions["actual"] != predictions["predicted"]]
    wrong = wrong.sort_values(["confidence", "product_id"], ascending=[False, True]).head(count)
    return wrong.rename(columns={"actual": "category", "predicted": "suggested"})


def category_cards(
    disagreements: pd.DataFrame, listings: pd.DataFrame, photos: PhotoStore
) -> list[dict[str, Any]]:
    """Return each row of `disagreements` with the listing's title and first photo.

    Parameters
    ----------
    disagreements
        Columns product_id, category, suggested, confidence.
    listings
        One row per photo: product_id, name, photo_index.
    photos
        The packed photos that photo_index counts.
    """
    products = listings.drop_duplicates("product_id").set_index("product_id")
    cards = []
    for row in disagreements.to_dict("records"):
        product = products.loc[row["product_id"]]
        photo = photo_as_text(photos, product["photo_index"])
        cards.append({**row, "title": product["name"], "photo": photo})
    return cards
