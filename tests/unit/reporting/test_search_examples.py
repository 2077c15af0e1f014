"""Example searches: the reasons that are shown."""

from __future__ import annotations

from market.reporting.search_examples import reasons


def test_reasons_are_the_strongest_features_with_a_label() -> None:
    contributions = {
        "recency": 0.5,
        "bm25": 3.0,
        "next_item": 9.0,
        "text_similarity": 1.5,
        "price_fairness": -1.0,
        "image_similarity": 1.0,
    }
    labels = {
        "bm25": "words",
        "text_similarity": "meaning",
        "image_similarity": "photo",
        "recency": "new",
        "price_fairness": "fair price",
    }
    assert reasons(contributions, labels) == [
        ("words", 3 / 6),
        ("meaning", 1.5 / 6),
        ("photo", 1 / 6),
    ]
    assert reasons({"next_item": 1.0}, labels) == []
