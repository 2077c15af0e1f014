"""Answers to a text that a user is typing: suggestions that lead to listings that may be shown."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from market.search.filters import NO_FILTERS
from market.search.prefixes import unfinished_word
from market.search.request_reader import RequestReader
from market.search.suggestions import Suggestion, is_named

MAX_CATEGORIES, MAX_LISTINGS = 2, 3  # among the suggestions, if there are enough queries


def suggest(engine: RequestReader, text: str, limit: int) -> list[Suggestion]:
    """Return suggestions for a text: first queries, then categories, then listings.

    Everything that is suggested leads to a listing that may be shown now (`gate.showable`).

    Parameters
    ----------
    engine
        The engine.
    text
        What the user has typed. If nothing starts with it, its spelling is corrected.
    limit
        The largest number of suggestions.
    """
    text = " ".join(text.split())
    if not engine.lexical.language.words(text):
        return []
    allowed = engine.allowed(NO_FILTERS)
    queries = list(_queries(engine, text, allowed, limit))
    if not queries:
        corrected = _correct(engine, text)
        if corrected != text:
            text = corrected
            queries = list(_queries(engine, text, allowed, limit))
    categories = _categories(engine, text, allowed)
    listings = _listings(engine, text, allowed, limit)
    others = min(len(categories), MAX_CATEGORIES) + min(len(listings), MAX_LISTINGS)
    chosen = queries[: max(limit - others, limit // 2)]
    chosen += categories[: max(limit - len(chosen) - min(len(listings), MAX_LISTINGS), 0)]
    return [*chosen, *listings][:limit]


def _correct(engine: RequestReader, text: str) -> str:
    """Return a text with its spelling corrected, the last word as the start of one."""
    completed = engine.suggestions.queries.correct_start(text)
    return completed or engine.correct(text)


def _queries(
    engine: RequestReader, text: str, allowed: np.ndarray, limit: int
) -> Iterator[Suggestion]:
    found = 0
    for query in engine.suggestions.queries.starting_with(text):
        if found == limit:
            return
        if _leads_to_a_listing(engine, query, allowed):
            found += 1
            yield Suggestion("query", query)


def _leads_to_a_listing(engine: RequestReader, query: str, allowed: np.ndarray) -> bool:
    """Return whether one of the listings `allowed` (n,) has all words of a query."""
    lexical = engine.lexical
    stems = {lexical.language.stem(word) for word in lexical.language.words(query)}
    has_all = allowed
    for stem in stems:
        containing = lexical.bm25.scores_of(stem)[0]
        has_word = np.zeros(len(allowed), bool)
        has_word[containing[has_all[containing]]] = True
        has_all = has_word
    return bool(stems) and bool(has_all.any())


def _categories(engine: RequestReader, text: str, allowed: np.ndarray) -> list[Suggestion]:
    """Return the categories that a text names and listings `allowed` (n,) have, largest first."""
    catalogue = engine.catalogue
    language = engine.lexical.language
    counts: dict[tuple[str, ...], int] = {}
    sizes = np.bincount(catalogue.path_of[allowed], minlength=len(catalogue.paths))
    for path, size in zip(catalogue.paths, sizes.tolist(), strict=True):
        for depth, name in enumerate(path if size else (), start=1):
            if is_named(name, text, language):
                counts[tuple(path[:depth])] = counts.get(tuple(path[:depth]), 0) + size
    matching = sorted(counts, key=lambda path: (-counts[path], path))
    return [Suggestion("category", path[-1], path) for path in matching]


def _listings(
    engine: RequestReader, text: str, allowed: np.ndarray, limit: int
) -> list[Suggestion]:
    """Return the listings `allowed` (n,) whose words match a text best, one of each product."""
    lexical, catalogue = engine.lexical, engine.catalogue
    unfinished = unfinished_word(text, lexical)
    scores = lexical.scores(text, completions=() if unfinished is None else unfinished.completions)
    scores = np.where(allowed, scores, 0)
    count = min(4 * limit, len(scores))
    best = np.argpartition(-scores, count - 1)[:count] if count else np.empty(0, np.int64)
    best = best[np.lexsort((best, -scores[best]))]
    names = catalogue.listings["name"].array
    suggestions: dict[int, Suggestion] = {}
    for position in best[scores[best] > 0].tolist():
        group = int(catalogue.group[position])
        if group not in suggestions:
            path = tuple(catalogue.paths[catalogue.path_of[position]])
            product_id = catalogue.ids([position])[0]
            suggestions[group] = Suggestion("listing", names[position], path, product_id)
        if len(suggestions) == limit:
            break
    return list(suggestions.values())
