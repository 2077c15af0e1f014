"""Evaluate where the results of searches end: precision and recall of what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from market.models.metrics import bootstrap_interval
from market.search.engine import Engine
from market.search.ranking_models import SearchTest
from market.search.relevance import Cutoff
from market.search.relevance_fitting import (
    LabelledMatches,
    average_quality,
    match_photos,
    match_words,
    measure_cutoff,
)

Tested = list[tuple[Cutoff | None, list[LabelledMatches]]]


def evaluate_ends(
    engine: Engine, tests: Sequence[SearchTest], photos: np.ndarray, *, seed: int
) -> dict[str, dict[str, Any]]:
    """Evaluate what is shown of the matches of queries with known answers.

    Parameters
    ----------
    engine
        The engine that is served. The cut-off of each test replaces its own.
    tests
        Queries in words.
    photos
        Positions of listings whose photos are queries, none of them a train listing.
    seed
        Of the intervals.

    Returns
    -------
    dict
        By kind ("category_names", "known_items", "photos"), for "model" and the baseline
        "all_matches": precision, recall, f1 and shown, which are means over queries, and n; for
        "model" also "f1_low" and "f1_high", the 95 % bootstrap interval.
    """
    kinds: dict[str, Tested] = {"category_names": [], "known_items": [], "photos": []}
    for test in tests:
        matched = match_words(engine, test.queries, known_items=test.kind == "known_items")
        kinds[test.kind].append((test.words, matched))
    kinds["photos"].append((engine.relevance.photo, match_photos(engine, photos)))
    return {kind: _average(tested, seed) for kind, tested in kinds.items()}


def _average(tested: Tested, seed: int) -> dict[str, Any]:
    """Average over all queries, each with the cut-off that was chosen without it."""
    parts = [
        (average_quality(cutoff, queries), len(queries)) for cutoff, queries in tested if queries
    ]
    if not parts:
        return {}
    counts = [count for _, count in parts]
    summary: dict[str, Any] = {}
    for method in parts[0][0]:
        rows = [part[method] for part, _ in parts]
        summary[method] = {
            name: float(np.average([row[name] for row in rows], weights=counts))
            for name in rows[0]
            if name != "n"
        } | {"n": sum(counts)}
    f1 = [measure_cutoff(cutoff, query)["f1"] for cutoff, queries in tested for query in queries]
    low, high = bootstrap_interval(np.array(f1), seed=seed)
    summary["model"] |= {"f1_low": low, "f1_high": high}
    return summary
