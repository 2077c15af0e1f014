"""Query features: independent of the ranker's weights; neighbours add words to a listing."""

from __future__ import annotations

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

from market.search.filters import Filters
from market.search.query import Query
from market.search.ranker import QUERY_FEATURES, Ranker


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
