"""Example searches of the report, with the reasons for each result."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from market.core.stage import progress
from market.data.photo_store import PhotoStore
from market.reporting.listing_cards import photo_as_text
from market.search.engine import Engine
from market.search.feature_names import (
    FEATURE_TEXTS,
    LISTING_FEATURES,
    QUERY_FEATURES,
    SEARCH_TEXTS,
    SIMILAR_TEXTS,
)
from market.search.filters import Filters
from market.search.ranking import SearchResult

EXAMPLES = 4
RESULTS = 5  # of each example
REASONS = 3  # of each result
RADIUS_KM = 100.0  # of the search near a town
MAX_TRIED = 10  # subcategories, the largest first, until one has hits within the filters


class Example(NamedTuple):
    """A search and its result.

    Parameters
    ----------
    title
        The query in words.
    query_ids
        The listings that the query consists of, if any.
    result
        What the engine returned.
    labels
        The features that the page may name as reasons, and their texts.
    """

    title: str
    query_ids: list[str]
    result: SearchResult
    labels: dict[str, str]


def examples(engine: Engine) -> Iterator[Example]:
    """Yield a search by text, one within filters, similar listings, and recommendations.

    The two searches are for the names of the largest subcategories, or of two listings if there are
    no categories. If the first finds nothing, there are no listings for the other two examples.
    """
    subcategory = engine.listings["category_levels"].map(
        lambda path: path[:2][-1] if len(path) else ""
    )
    if not engine.categories():
        subcategory = engine.listings["name"]
    counts = Counter(subcategory[~subcategory.str.startswith("Other")]) or Counter(subcategory)
    largest, *others = [name for name, _ in counts.most_common(MAX_TRIED)]
    # A search has no user, so no user feature can be a reason; and without a photo in the query,
    # "similar photos" means similar to the best matches.
    without_user = {
        name: FEATURE_TEXTS[name]
        for name in FEATURE_TEXTS
        if name in (*QUERY_FEATURES, *LISTING_FEATURES)
    }
    by_text = engine.search(largest, limit=RESULTS)
    yield Example(f"“{largest}”", [], by_text, without_user | SEARCH_TEXTS)
    words, filters, filtered = _search_with_filters(engine, subcategory, others or [largest])
    title = f"“{words}”"
    if filters.price_max is not None:
        title += f" up to {engine.formats.money(round(filters.price_max))}"
    labels = without_user | SEARCH_TEXTS
    if filters.near:
        title += f" within {engine.formats.distance(RADIUS_KM)} of {filters.near}"
        labels["proximity"] = f"near {filters.near}"
    yield Example(title, [], filtered, labels)
    viewed = [hit.product_id for hit in by_text.hits[:3]]
    if not viewed:
        return
    similar = engine.similar(viewed[0], limit=RESULTS)
    yield Example("Similar to this listing", viewed[:1], similar, without_user | SIMILAR_TEXTS)
    history = pd.DataFrame({"product_id": viewed, "event": "view"})
    history["timestamp"] = engine.listings["created"].max()
    recommended = engine.recommend(history, limit=RESULTS)
    yield Example("Recommended to a user who viewed these", viewed, recommended, FEATURE_TEXTS)


def _search_with_filters(
    engine: Engine, subcategory: pd.Series, names: list[str]
) -> tuple[str, Filters, SearchResult]:
    """Return the first of some subcategories whose search with filters has hits, or the first."""
    searches = []
    for words in names:
        filters = _filters(engine, engine.listings[subcategory == words])
        result = engine.search(words, filters=filters, limit=RESULTS)
        if result.hits:
            return words, filters, result
        searches.append((words, filters, result))
    return searches[0]


def _filters(engine: Engine, listings: pd.DataFrame) -> Filters:
    """Return filters that the cheaper half of the listings passes, near a town of one of them."""
    price = float(listings["price"].median())
    if math.isnan(price):
        price_max, affordable = None, listings
    else:
        price_max, affordable = price, listings[listings["price"] <= price]
    towns = affordable["location"].value_counts().index
    town = next((name for name in towns if engine.place(name)), None)
    return Filters(price_max=price_max, near=town, radius_km=RADIUS_KM if town else None)


def reasons(contributions: dict[str, float], labels: dict[str, str]) -> list[tuple[str, float]]:
    """Return the strongest reasons for a result.

    Parameters
    ----------
    contributions
        What each feature adds to the result's score.
    labels
        The features to name, and their texts.

    Returns
    -------
    list
        Up to REASONS texts, the strongest first, each with its share of the positive contributions
        of all features in `labels`.

    Examples
    --------
    >>> contributions = {"text_similarity": 3.0, "recency": 1.0, "popularity": -1.0}
    >>> reasons(contributions, {"text_similarity": "similar meaning", "recency": "new"})
    [('similar meaning', 0.75), ('new', 0.25)]
    """
    positive = {
        name: contribution
        for name, contribution in contributions.items()
        if name in labels and contribution > 0
    }
    strongest = sorted(positive, key=lambda name: (-positive[name], name))[:REASONS]
    total = sum(positive.values())
    return [(labels[name], positive[name] / total) for name in strongest]


def example_cards(engine: Engine, photos: PhotoStore) -> list[dict[str, Any]]:
    """Return `examples` for the page: title, total, and cards of query and result listings."""

    def card(product_id: str) -> dict[str, Any]:
        listing = engine.listing(product_id)
        price = listing["price"]
        photo = photo_as_text(photos, listing["photos"][0]) if listing["photos"] else ""
        return {
            "title": listing["name"],
            "price": "" if pd.isna(price) else engine.formats.money(price),
            "photo": photo,
            "distance": None,
            "reasons": [],
        }

    return [
        {
            "title": example.title,
            "total": example.result.total,
            "query": [card(product_id) for product_id in example.query_ids],
            "results": [
                {
                    **card(hit.product_id),
                    "distance": _distance(engine, hit.distance_km),
                    "reasons": reasons(hit.why, example.labels),
                }
                for hit in example.result.hits
            ],
        }
        for example in progress(examples(engine), total=EXAMPLES, desc="search", unit="search")
    ]


def _distance(engine: Engine, kilometres: float | None) -> str | None:
    """Return a distance in words; None if it is unknown."""
    if kilometres is None or math.isnan(kilometres):
        return None
    return engine.formats.distance(kilometres)
