"""Listings as cards: the most confident mistakes, photos of each class, titles and photos."""

from __future__ import annotations

import base64
from typing import Any, cast

import pandas as pd

from market.data.photo_store import PhotoStore
from market.reporting import listing_cards

PHOTOS = cast(PhotoStore, [f"photo {number}".encode() for number in range(10)])
LISTINGS = pd.DataFrame(
    {
        "product_id": ["a", "a", "b", "c"],
        "name": ["Chair", "Chair", "Lamp", "Desk"],
        "category": ["Home", "Home", "Home", "Office"],
        "photo_index": [4.0, 5.0, 6.0, float("nan")],
    }
)


def decoded(photo: str) -> str:
    return base64.b64decode(photo).decode()


def test_the_most_confident_mistakes_come_first() -> None:
    predictions = pd.DataFrame(
        {
            "product_id": ["a", "b", "c", "d"],
            "actual": ["x", "x", "y", "y"],
            "predicted": ["y", "x", "x", "x"],
            "confidence": [0.6, 0.99, 0.9, 0.7],
        }
    )
    mistakes = listing_cards.most_confident_mistakes(predictions, 2)
    assert mistakes["product_id"].tolist() == ["c", "d"]
    assert mistakes["category"].tolist() == ["y", "y"]
    assert mistakes["suggested"].tolist() == ["x", "x"]
    assert mistakes["confidence"].tolist() == [0.9, 0.7]


def test_each_class_shows_the_first_photos_of_its_products() -> None:
    home, office = listing_cards.class_sheets(LISTINGS, PHOTOS)
    assert (home["name"], home["n"], home["share"]) == ("Home", 2, 2 / 3)
    assert sorted(map(decoded, home["photos"])) == ["photo 4", "photo 6"]
    assert office["n"] == 1 and office["photos"] == []


def test_a_card_has_the_title_and_the_first_photo_if_there_is_one() -> None:
    disagreements = pd.DataFrame(
        {
            "product_id": ["c", "a"],
            "category": ["Office", "Home"],
            "suggested": ["Home", "Office"],
            "confidence": [0.9, 0.8],
        }
    )
    desk, chair = listing_cards.category_cards(disagreements, LISTINGS, PHOTOS)
    expected: dict[str, Any] = {"product_id": "c", "category": "Office", "suggested": "Home"}
    assert desk == {**expected, "confidence": 0.9, "title": "Desk", "photo": ""}
    assert chair["title"] == "Chair" and decoded(chair["photo"]) == "photo 4"
