"""Hints for queries without results: what the listings have instead, so that somebody can act."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd
from rapidfuzz import process
from rapidfuzz.distance import OSA

from market.search.engine import Engine

MIN_SIMILARITY = 0.7  # of spellings: 1 - edits / letters of the longer word
RELATED = 12  # listings that vote for the category
HINT_COLUMNS = ["results_now", "corrected", "closest_words", "category"]


def add_hints(table: pd.DataFrame, engine: Engine) -> pd.DataFrame:
    """Return a table of queries with what the listings have for them now.

    Parameters
    ----------
    table
        Has a column query.
    engine
        Engine over the listings.

    Returns
    -------
    pandas.DataFrame
        The table and HINT_COLUMNS. results_now: number of results of the query without filters.
        corrected: the query after spelling correction, "" if that changes nothing. closest_words:
        for each word that no listing has, the word of the listings that is spelt most alike, where
        there is one: a candidate for a synonym. category: the commonest category of the closest
        listings: where such listings would belong; "" without any.
    """
    queries = table["query"].tolist()
    engine.encode_ahead(queries)
    hints = [_hint(query, engine) for query in queries]
    return table.assign(
        **{name: [hint[column] for hint in hints] for column, name in enumerate(HINT_COLUMNS)}
    )


def _hint(query: str, engine: Engine) -> tuple[int, str, str, str]:
    result = engine.search(query, limit=RELATED)
    closest = (result.hits or result.related)[:RELATED]
    listings = [engine.listing(hit.product_id) for hit in closest]
    words = closest_words(result.searched, engine)
    return (
        result.total,
        result.corrected_query or "",
        ", ".join(f"{word} → {known}" for word, known in words.items()),
        _commonest_category([listing["category"] for listing in listings]),
    )


def closest_words(query: str, engine: Engine) -> dict[str, str]:
    """Return the listings' word that is spelt most like each word that no listing has."""
    lexical = engine.lexical
    table = lexical.vocabulary.words
    known = table.loc[table["listings"] > 0, "word"].tolist()
    closest = {}
    for word in lexical.language.words(query):
        if not lexical.is_in_listings(word):
            found = process.extractOne(
                word, known, scorer=OSA.normalized_similarity, score_cutoff=MIN_SIMILARITY
            )
            if found is not None:
                closest[word] = found[0]
    return closest


def _commonest_category(paths: Sequence[Sequence[str]]) -> str:
    """Return the path that occurs most often, the first among equals; "" without paths."""
    counts = Counter(" / ".join(path) for path in paths if path)
    return counts.most_common(1)[0][0] if counts else ""
