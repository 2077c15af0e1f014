"""The explanations of a score."""

from __future__ import annotations

from collections.abc import Mapping

from market.search.feature_names import FEATURE_TEXTS, SEARCH_TEXTS, SIMILAR_TEXTS
from market.service.reasons import explain

CONTRIBUTIONS = {
    "image_similarity": 0.5,
    "user_text_similarity": 0.3,
    "proximity": 0.25,
    "price_fairness": -0.1,
    "popularity": 0.0,
    "recency": float("nan"),
}


def explained(
    special_texts: Mapping[str, str], *, is_new_user: bool, near: str | None
) -> list[tuple[str, str, float]]:
    reasons = explain(CONTRIBUTIONS, special_texts, is_new_user=is_new_user, near=near)
    return [(reason.feature, reason.text, round(reason.contribution, 2)) for reason in reasons]


def test_reasons_are_sorted_and_leave_out_empty_contributions() -> None:
    assert explained({}, is_new_user=False, near=None) == [
        (feature, FEATURE_TEXTS[feature], part)
        for feature, part in (
            ("image_similarity", 0.5),
            ("user_text_similarity", 0.3),
            ("proximity", 0.25),
            ("price_fairness", -0.1),
        )
    ]


def test_user_features_of_a_new_user_are_one_reason() -> None:
    assert explained(SIMILAR_TEXTS, is_new_user=True, near=None) == [
        ("new_user", "suggested for new visitors", 0.55),
        ("image_similarity", SIMILAR_TEXTS["image_similarity"], 0.5),
        ("price_fairness", FEATURE_TEXTS["price_fairness"], -0.1),
    ]


def test_proximity_names_the_place() -> None:
    reasons = explained(SEARCH_TEXTS, is_new_user=True, near="Leeds")
    assert ("proximity", "near Leeds", 0.25) in reasons
