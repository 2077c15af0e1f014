"""Collaborative scores: features of a few products are those that all products would have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from market.search.collaborative_scores import (
    COLLABORATIVE_FEATURES,
    PERSONAL_FEATURES,
    CollaborativeScores,
    new_user_features,
)

SIZE = 200


def make_scores(*, known: bool = True, seed: int = 0) -> CollaborativeScores:
    """Return random scores of SIZE products, many of them equal, below 0 or 0."""
    rng = np.random.default_rng(seed)
    scores = [rng.integers(-5, 20, SIZE) / 8 for _ in PERSONAL_FEATURES]
    unseen = np.ones(SIZE, bool)
    if known:
        unseen[rng.choice(SIZE, 12)] = False
    return CollaborativeScores(
        pd.Index([f"p{number:03d}" for number in range(SIZE)], dtype="str", name="product_id"),
        scores if known else [],
        unseen,
        rng.random(SIZE),
        rng.random((SIZE, 4)),
    )


@pytest.mark.parametrize("known", [True, False])
def test_features_of_a_few_products_equal_those_of_all_to_the_last_bit(known: bool) -> None:
    scores = make_scores(known=known)
    asked = ["p150", "unheard of", "p003", "p150", "p199"]
    few, every = scores.features(asked), scores.features()
    pd.testing.assert_frame_equal(few, every.reindex(asked), check_exact=True)
    assert few.loc["unheard of"].isna().all() and every.notna().all(axis=None)
    for name in [*PERSONAL_FEATURES, "popularity"]:
        pd.testing.assert_series_equal(
            scores.feature(name), every[name], check_exact=True, check_names=False
        )


def test_a_personal_feature_is_the_place_among_unseen_products() -> None:
    scores = make_scores()
    features = scores.features()
    for name, values in zip(PERSONAL_FEATURES, scores.personal, strict=True):
        better = [(scores.unseen & (values > own)).sum() for own in values]
        expected = 1 - np.log1p(better) / np.log1p(SIZE)
        np.testing.assert_array_equal(features[name], np.where(values > 0, expected, 0))


@pytest.mark.parametrize("known", [True, False])
def test_no_product_has_no_features(known: bool) -> None:
    features = make_scores(known=known).features([])
    assert features.shape == (0, len(COLLABORATIVE_FEATURES))


def test_the_features_of_new_users_have_names_of_their_own() -> None:
    features = new_user_features(make_scores(known=False).features())
    assert features.columns.str.endswith(".new_user").all()
    assert set(features.columns.str.split(".").str[0]) == {"popularity", "trending"}
