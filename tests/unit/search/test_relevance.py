"""Where results end: chosen on training queries, and the same whatever the filters and pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from handmade import Handmade, ids, photo_of

from market.search.engine import Engine
from market.search.filters import Filters
from market.search.relevance import PHOTO_FEATURES, WORD_FEATURES, Cutoff, Relevance
from market.search.relevance_fitting import (
    LabelledMatches,
    average_quality,
    fit_cutoff,
    match_photos,
    match_words,
    measure_cutoff,
)

KINDS = ("guitar", "bagpipe", "bicycle", "tent", "sofa", "lamp")


def random_queries(*, text_means_something: bool, count: int = 40) -> list[LabelledMatches]:
    """Return queries with 5 relevant listings of 100; words always tell them, texts perhaps."""
    rng = np.random.default_rng(0)
    queries = []
    for _ in range(count):
        relevant = np.arange(100) < 5
        features = rng.random((100, len(WORD_FEATURES)))
        features[:, :2] = np.where(relevant, 0.5 + rng.random(100) / 2, rng.random(100) / 4)[
            :, None
        ]
        if text_means_something:
            features[:, 2:4] = np.where(relevant, 0.8, 0.2)[:, None]
        features[:, 4] = rng.random()
        queries.append(LabelledMatches(features, relevant, np.ones(100, bool), 5))
    return queries


def relevant_by_word(kind: str) -> set[str]:
    first = 10 * KINDS.index(kind)
    return {f"p{number:02d}" for number in range(first, first + 10)}


@pytest.fixture(scope="module")
def ended(shop: Engine) -> Engine:
    """The handmade engine with cut-offs that were fitted on its own kinds."""
    queries = match_words(shop, {kind: relevant_by_word(kind) for kind in KINDS}, known_items=False)
    photos = match_photos(shop, np.arange(60))
    words = fit_cutoff(WORD_FEATURES, queries)
    cut_photos = fit_cutoff(PHOTO_FEATURES, photos)
    return shop.with_relevance(Relevance(words, cut_photos))


def test_an_encoder_that_means_nothing_gets_no_weight() -> None:
    cutoff = fit_cutoff(WORD_FEATURES, random_queries(text_means_something=False))
    assert cutoff is not None
    assert cutoff.weights["text_excess"] < 0.2 < 1 < cutoff.weights["bm25"]
    quality = measure_cutoff(cutoff, random_queries(text_means_something=False)[0])
    assert quality["precision"] > 0.9 and quality["recall"] > 0.9


def test_an_encoder_that_tells_relevant_listings_gets_a_weight() -> None:
    cutoff = fit_cutoff(WORD_FEATURES, random_queries(text_means_something=True))
    assert cutoff is not None and cutoff.weights["text_excess"] > 0.5


def test_too_few_queries_give_no_cutoff() -> None:
    assert fit_cutoff(WORD_FEATURES, random_queries(text_means_something=True, count=4)) is None


def test_known_items_stay_among_the_results() -> None:
    complete = random_queries(text_means_something=True)
    items = random_queries(text_means_something=True, count=10)
    hidden = [  # known items that look hardly relevant
        LabelledMatches(query.features * 0.3, query.relevant, query.labelled, 5) for query in items
    ]
    alone, together = (fit_cutoff(WORD_FEATURES, complete, kept) for kept in ((), hidden))
    assert average_quality(together, hidden)["model"]["recall"] >= 0.95
    assert average_quality(alone, complete)["model"]["f1"] > 0.9


def test_a_cutoff_keeps_the_recall_that_it_must() -> None:
    queries = []
    rng = np.random.default_rng(1)
    for _ in range(30):  # half of the relevant listings look like the others
        relevant = np.arange(100) < 10
        image = np.where(np.arange(100) < 5, 0.9, rng.random(100) * 0.5)[:, None]
        features = np.hstack([image, image, image])
        queries.append(LabelledMatches(features, relevant, np.ones(100, bool), 20))
    free, bound = (fit_cutoff(PHOTO_FEATURES, queries, min_recall=share) for share in (0, 0.9))
    recalls = [average_quality(cutoff, queries)["model"]["recall"] for cutoff in (free, bound)]
    everything = average_quality(bound, queries)["all_matches"]
    assert recalls[0] < 0.3 < 0.9 * everything["recall"] <= recalls[1] < everything["recall"]
    assert bound is not None and bound.min_related <= bound.min_relevant


def test_results_are_better_than_all_matches(shop: Engine) -> None:
    queries = match_words(
        shop, {f"old {kind}": relevant_by_word(kind) for kind in KINDS}, known_items=False
    )
    cutoff = fit_cutoff(WORD_FEATURES, queries)
    quality = average_quality(cutoff, queries)
    assert quality["model"]["f1"] > quality["all_matches"]["f1"]


@pytest.mark.parametrize("query", ["guitar", "old guitar", "red sofa or lamp"])
def test_filters_and_pages_do_not_move_the_end(ended: Engine, query: str) -> None:
    everything = ended.search(query, limit=100)
    prices = dict(zip(ended.listings["product_id"], ended.listings["price"], strict=True))
    cheap = ended.search(query, filters=Filters(price_max=50), limit=100)
    assert set(ids(cheap)) == {id_ for id_ in ids(everything) if prices[id_] <= 50}
    paged = [
        id_
        for offset in range(0, everything.total, 3)
        for id_ in ids(ended.search(query, limit=3, offset=offset))
    ]
    assert paged == ids(everything) and everything.total == len(paged)


def test_related_listings_are_apart_and_never_counted(shop: Engine) -> None:
    weights = dict.fromkeys(WORD_FEATURES, 0.0) | {"bm25_of_best": 10.0}
    ended = shop.with_relevance(Relevance(words=Cutoff(weights, -5.0, 0.95, 0.1)))
    everything, result = (engine.search("old guitar", limit=100) for engine in (shop, ended))
    related = [hit.product_id for hit in result.related]
    assert related and not set(related) & set(ids(result))
    assert set(related) | set(ids(result)) <= set(ids(everything))
    assert result.total == len(result.hits) < everything.total
    kept = [id_ for id_ in ids(everything) if id_ in set(ids(result))]
    assert ids(result) == kept, "the order stays"
    assert not ended.search("old guitar", limit=1).related, "only where the results end"


def test_filters_are_not_padded_with_the_irrelevant(ended: Engine) -> None:
    result = ended.search("guitar", filters=Filters(category="Lighting"), limit=100)
    assert (result.hits, result.total, result.related) == ([], 0, [])


def test_a_query_whose_vector_means_nothing_finds_only_its_words(handmade: Handmade) -> None:
    engine = handmade.engine()
    queries = match_words(
        engine, {kind: relevant_by_word(kind) for kind in KINDS}, known_items=False
    )
    for query in queries:  # as if the encoder saw no difference between listings
        query.features[:, 2:4] = np.random.default_rng(0).random((len(query.features), 2))
    engine = engine.with_relevance(Relevance(words=fit_cutoff(WORD_FEATURES, queries)))
    found = set(ids(engine.search("guitar", limit=100)))
    assert found and found <= relevant_by_word("guitar")


def test_photo_queries_end_as_well(shop: Engine, ended: Engine) -> None:
    everything = shop.search(photo=photo_of(20), limit=100)
    result = ended.search(photo=photo_of(20), limit=100)
    assert 0 < result.total <= everything.total
    assert set(ids(result)) <= set(ids(everything))


def test_cutoffs_are_saved(tmp_path: Path) -> None:
    cutoff = Cutoff(dict.fromkeys(WORD_FEATURES, 1.5), -2.0, 0.5, 0.25)
    for relevance in (Relevance(), Relevance(words=cutoff), Relevance(cutoff, cutoff)):
        relevance.save(tmp_path)
        assert Relevance.load(tmp_path) == relevance
