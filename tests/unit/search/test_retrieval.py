"""Retrieval: the total counts all matches, and the pages show each once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import (
    FLAGGED,
    Handmade,
    encode_text,
    ids,
    limit_candidates,
    past,
    photo_of,
    text_vectors,
)
from sklearn.preprocessing import normalize

from market.data.language import Language
from market.search import vectors
from market.search.collaborative import CollaborativeModel
from market.search.engine import Engine
from market.search.filters import Filters
from market.search.listing_vectors import SAME_PHOTO_SIMILARITY
from market.search.query import (
    MIN_IMAGE_SIMILARITY,
    MIN_QUERY_SIMILARITY,
    MIN_TEXT_SIMILARITY,
    Query,
)
from market.search.ranking import SearchResult

pytestmark = pytest.mark.slow


def matches_of(handmade: Handmade, **query: Any) -> set[int]:
    """Return the numbers of the listings that match, as `Engine.search` defines it."""
    text, photo, like = (query.get(name) for name in ("text", "photo", "like"))
    numbers = np.arange(len(handmade.listings))
    owner = handmade.photos["position"].to_numpy()
    texts = text_vectors(numbers)
    text_vector = None if text is None else encode_text(text)
    image_vector = None if photo is None else handmade.images[photo]
    if like is not None:
        text_vector = (
            texts[like] if text_vector is None else normalize((texts[like] + text_vector)[None])[0]
        )
        image_vector = normalize(handmade.images[owner == like].sum(axis=0)[None])[0]
    min_text_similarity = MIN_TEXT_SIMILARITY if text is None else MIN_QUERY_SIMILARITY
    english = Language("en")
    query_words = {english.stem(word) for word in english.words(text or "")}
    matches = set()
    for number, row in handmade.listings.iterrows():
        listed = english.words(f"{row['name']} {row['description']}")
        words = {english.stem(word) for word in listed}
        images = handmade.images[owner == number]
        if (
            query_words & words
            or (text_vector is not None and texts[number] @ text_vector >= min_text_similarity)
            or (image_vector is not None and (images @ image_vector >= MIN_IMAGE_SIMILARITY).any())
            or (text is None and text_vector is None and image_vector is None)
        ):
            matches.add(int(number))
    if like is not None:
        own = handmade.images[owner == like]
        group = handmade.listings["group"]
        for number in list(matches):
            images = handmade.images[owner == number]
            if group[number] == group[like] or (own @ images.T >= SAME_PHOTO_SIMILARITY).any():
                matches.discard(number)
    return matches


FILTERS = {
    "no filter": (Filters(), lambda row: True),
    "price": (Filters(price_max=60), lambda row: row["price"] <= 60),
    "category": (Filters(category="Music"), lambda row: "Music" in row["category_levels"]),
    "near": (
        Filters(near="York", radius_km=50),
        lambda row: "Yorkshire" in row["location"],
    ),
}


QUERIES: dict[str, tuple[dict[str, Any], Callable[..., SearchResult]]] = {
    "words": (
        {"text": "lovely guitar or a red sofa"},
        lambda engine, **page: engine.search("lovely guitar or a red sofa", **page),
    ),
    "one word": ({"text": "reds"}, lambda engine, **page: engine.search("reds", **page)),
    "typing error": ({"text": "vintage"}, lambda engine, **page: engine.search("vintgae", **page)),
    "browse": ({}, lambda engine, **page: engine.search("", history=past(25), **page)),
    "photo": ({"photo": 20}, lambda engine, **page: engine.search(photo=photo_of(20), **page)),
    "words and photo": (
        {"text": "old tent", "photo": 50},
        lambda engine, **page: engine.search("old tent", photo=photo_of(50), **page),
    ),
    "similar": ({"like": 12}, lambda engine, **page: engine.similar("p12", **page)),
    "similar to a copy": ({"like": 0}, lambda engine, **page: engine.similar("p00", **page)),
    "recommend": ({}, lambda engine, **page: engine.recommend(past(45, 52), **page)),
}


@pytest.mark.parametrize("limit", [4, 100])
@pytest.mark.parametrize("filtered", FILTERS.values(), ids=FILTERS.keys())
@pytest.mark.parametrize("case", QUERIES.values(), ids=QUERIES.keys())
def test_total_counts_all_matches_and_pages_show_each_once(
    handmade: Handmade, shop: Engine, case: Any, filtered: Any, limit: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    limit_candidates(monkeypatch)
    (query, request_page), (filters, passes) = case, filtered
    listings = handmade.listings
    passing = listings.apply(passes, axis=1) & ~listings.index.isin([*FLAGGED])
    expected_matches = matches_of(handmade, **query) & set(listings.index[passing])
    one_of_each = "like" in query or request_page is QUERIES["recommend"][1]
    if request_page is QUERIES["recommend"][1]:
        expected_matches -= {45, 52}
    groups = listings["group"][sorted(expected_matches)]
    expected = groups.nunique() if one_of_each else len(expected_matches)

    shown: list[int] = []
    for offset in range(0, expected + limit, limit):
        result = request_page(shop, filters=filters, limit=limit, offset=offset)
        assert result.total == expected
        shown += [int(id_[1:]) for id_ in ids(result)]
    assert len(set(shown)) == len(shown) == expected
    assert set(shown) <= expected_matches
    if not one_of_each:
        assert set(shown) == expected_matches
    else:
        assert set(listings["group"][shown]) == set(groups)


@pytest.mark.parametrize("factory", ["IVF4,Flat", "HNSW16"])
def test_pages_fit_together_with_approximate_vector_indices(
    handmade: Handmade, factory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_candidates(monkeypatch)
    monkeypatch.setattr(vectors, "EXACT_UP_TO", 0)
    monkeypatch.setattr(handmade, "factory", factory)
    engine = handmade.engine()
    for _, request_page in QUERIES.values():
        whole = ids(request_page(engine, limit=100))
        pages = [
            request_page(engine, limit=4, offset=offset) for offset in range(0, len(whole) + 4, 4)
        ]
        assert [id_ for page in pages for id_ in ids(page)] == whole
        assert {page.total for page in pages} == {len(whole)} == {len(set(whole))}


def test_browse_candidates_are_near_the_history_popular_or_new(
    handmade: Handmade, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_candidates(monkeypatch)
    log = pd.concat([past(50, 51).assign(user_id=user) for user in range(5)])
    collaborative = CollaborativeModel.fit(log)
    for engine in (handmade.engine(), handmade.engine(collaborative=collaborative)):
        for history in (None, past(25)):
            allowed = engine.allowed(Filters()) & ~engine.already_seen(history)
            positions = set(engine.candidates(Query(), allowed, history)[0].tolist())
            assert 8 <= len(positions) <= 15
            if history is not None:
                assert any(20 <= position < 30 for position in positions), "near the history"
            if engine.collaborative is not None:
                assert {50, 51} <= positions, "liked by other users"
            created = engine.listings["created"]
            newest = engine.listings.index[created == created.max()]
            assert positions & set(newest)
