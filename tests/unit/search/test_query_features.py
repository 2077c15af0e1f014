"""Query features: independent of the ranker's weights; neighbours add words to a listing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from handmade import (
    EACH,
    KINDS,
    NO_TEXT,
    Handmade,
    ids,
    past,
    photo_of,
)

from market.search.feature_names import MATCH_FEATURES, QUERY_FEATURES, rank_detail
from market.search.filters import Filters
from market.search.query import Query
from market.search.query_features import reciprocal_ranks
from market.search.ranker import Ranker


def test_a_listing_without_words_is_found_by_its_neighbours(handmade: Handmade) -> None:
    engine = handmade.engine()
    kind = NO_TEXT // EACH  # the kind of the listing without words
    query = engine.build_query(list(KINDS)[kind])
    candidates, features = engine.candidates(query, engine.allowed(Filters()))
    features = features.set_index(candidates)
    own = features.loc[NO_TEXT]
    assert own["bm25"] == 0 and own["text_similarity.neighbours"] > 0.5
    others = features.loc[features.index // EACH != kind, "text_similarity.neighbours"]
    assert others.empty or others.max() < own["text_similarity.neighbours"]
    photo = engine.candidates(Query(image_vector=handmade.images[0]), engine.allowed(Filters()))[1]
    assert "text_similarity.neighbours" not in photo, "only queries in words use neighbours"


@pytest.mark.parametrize("heavy", QUERY_FEATURES)
def test_query_features_do_not_depend_on_the_rankers_weights(
    handmade: Handmade, heavy: str
) -> None:
    engine = handmade.engine()
    everything = np.ones(len(engine.listings), bool)
    for query in (
        engine.build_query("lovely guitar or sofa"),
        engine.build_query("red", photo=photo_of(3)),
    ):
        _, before = engine.candidates(query, everything)
        weights = dict.fromkeys(QUERY_FEATURES, 0.0) | {heavy: 18.0}
        weighted = engine.with_ranker(Ranker.prior().with_weights(weights))
        _, after = weighted.candidates(query, everything)
        pd.testing.assert_frame_equal(before, after)


@pytest.mark.parametrize("heavy", QUERY_FEATURES)
def test_a_photo_counts_whatever_the_weights_of_text_features(
    handmade: Handmade, heavy: str
) -> None:
    engine = handmade.engine()
    weights = dict.fromkeys(QUERY_FEATURES, 0.0) | {heavy: 18.0}
    engine = engine.with_ranker(engine.ranker.with_weights(weights))
    history = past(45, 46, 47, event="buy")
    row = int(np.flatnonzero(handmade.photos["position"] == 27)[0])
    first = engine.search(photo=photo_of(row), history=history, limit=1).hits[0]
    assert first.product_id == "p27" and first.why["image_similarity"] == pytest.approx(18)
    both = engine.search("broken", photo=photo_of(row), history=history, limit=1).hits[0]
    assert 20 <= int(both.product_id[1:]) < 30 and both.why["image_similarity"] > 7
    assert all(20 <= int(id_[1:]) < 30 for id_ in ids(engine.similar("p27", limit=3)))


def test_what_the_weights_depend_on_is_a_property_of_the_query(handmade: Handmade) -> None:
    engine = handmade.engine()
    everything = np.ones(len(engine.listings), bool)
    one, two, unknown = (
        engine.candidates(engine.build_query(text), everything)[1]
        for text in ("guitar", "lovely guitar", "guitar qwxzv")
    )
    for features, words in ((one, 1), (two, 2), (unknown, 2)):
        similarity = features["text_similarity"]
        np.testing.assert_allclose(features["text_similarity.short"], similarity / words)
        covered = features["bm25.covered"] / features["bm25"].where(features["bm25"] > 0)
        assert covered.dropna().nunique() <= 1 or np.ptp(covered.dropna()) < 1e-6
        uncovered = similarity * (1 - covered.dropna().iloc[0])
        np.testing.assert_allclose(features["text_similarity.uncovered"], uncovered, atol=1e-6)
    assert (two["text_similarity.unknown"] == 0).all()
    np.testing.assert_allclose(
        unknown["text_similarity.unknown"], unknown["text_similarity"] / 2, atol=1e-6
    )


def test_a_better_match_by_words_never_lowers_a_score(handmade: Handmade) -> None:
    """Holds for any weights: no feature falls, and no other listing's reciprocal rank rises."""
    engine = handmade.engine()
    everything = np.ones(len(engine.listings), bool)
    query = engine.build_query("lovely red guitar")
    assert query.bm25 is not None
    candidates, before = engine.candidates(replace(query, phrases=None), everything)
    for row in range(0, len(candidates), 5):
        raised = query.bm25.copy()
        raised[candidates[row]] = raised.max()
        better = replace(query, bm25=raised, phrases=None)
        positions, after = engine.candidates(better, everything)
        assert positions.tolist() == candidates.tolist()
        own = ["bm25", "bm25.covered", "bm25.reciprocal_rank"]
        assert (after.loc[row, own] >= before.loc[row, own]).all()
        others = after.index != row
        assert (
            after.loc[others, "bm25.reciprocal_rank"] <= before.loc[others, "bm25.reciprocal_rank"]
        ).all()


def test_equal_weights_of_reciprocal_ranks_are_rank_fusion(handmade: Handmade) -> None:
    engine = handmade.engine()
    _, features = engine.candidates(
        engine.build_query("lovely red guitar"), np.ones(len(engine.listings), bool)
    )
    for name in MATCH_FEATURES:
        places = features[name].rank(ascending=False, method="min")
        np.testing.assert_allclose(features[rank_detail(name)], 61 / (60 + places))


def test_a_missing_photo_has_no_reciprocal_rank() -> None:
    ranks = reciprocal_ranks(np.array([np.nan, 0.0, 0.7, np.nan]))
    np.testing.assert_allclose(ranks, [np.nan, 61 / 62, 1, np.nan])
