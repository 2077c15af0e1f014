"""Ranking: a page of hits from scored candidates, then from the matches that are no candidates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from market.search.candidate_features import freshness
from market.search.catalogue import Catalogue
from market.search.diversity import diversify, first_of_each_group
from market.search.overlaid_vectors import Vectors
from market.search.query import Query
from market.search.ranker import QUERY_FEATURES, Ranker
from market.search.retrieval import Matches
from market.search.rule_application import NO_SEARCH_RULES, SearchRules
from market.search.rules import Redirect


@dataclass(frozen=True)
class Hit:
    """A listing of a result.

    Attributes
    ----------
    product_id
        The listing.
    score
        Higher ranks first, except where diversity intervenes.
    why
        The contribution of each feature to the score, the largest first.
    distance_km
        From the place of the filter `near`; None without one, or if the listing's place is unknown.
    """

    product_id: str
    score: float
    why: dict[str, float]
    distance_km: float | None


@dataclass(frozen=True)
class SearchResult:
    """A page of hits.

    Offsets up to `total` page through all matches, each once. The candidates come first, in the
    ranker's order. The other matches follow: for a query by the ranker's weights of its own
    features alone, otherwise by date, the newest first.

    Attributes
    ----------
    hits
        The page.
    total
        The number of matches.
    corrected_query
        The query after spelling correction, if that changed it; "" for a query without a word to
        search for ("the", "🔥"), which is answered like an empty one.
    unknown_place
        The filter `near`, if no such place is known; then there are no hits.
    empty_place
        The filter `near`, if the place is known, but no listing has a known place within reach.
    redirect
        Where a rule says that the search leads instead.
    """

    hits: list[Hit]
    total: int
    corrected_query: str | None = None
    unknown_place: str | None = None
    empty_place: str | None = None
    redirect: Redirect | None = None


def rank_page(
    query: Query,
    matches: Matches,
    features: pd.DataFrame,
    ranker: Ranker,
    catalogue: Catalogue,
    texts: Vectors,
    *,
    limit: int,
    offset: int,
    diversified: bool,
    distances: np.ndarray | None,
    now: pd.Timestamp,
    rules: SearchRules = NO_SEARCH_RULES,
) -> SearchResult:
    """Rank the matches of a query and return one page of them.

    Parameters
    ----------
    query
        The query; the ranker's weights are adapted to its parts.
    matches
        The matches from `retrieve` or `browse`.
    features
        A row for each candidate.
    ranker
        Scores the candidates.
    catalogue, texts
        The n listings, and their text vectors.
    limit, offset
        The page.
    diversified
        Whether to diversify, and to show only one listing of each group.
    distances
        (n,) kilometres from the filter `near`, if there is one.
    now
        The moment of the request.
    rules
        The rules of the search: boosts change scores, and pins have places.
    """
    ranker = ranker.with_weights(
        query.weigh({name: ranker.weights[name] for name in QUERY_FEATURES})
    )
    scores, contributions = rules.boost(matches.candidates, *ranker.score(features))
    order = rules.place(np.argsort(-scores, kind="stable"), matches.candidates)
    matched = matches.matched
    if diversified:
        order = diversify(order, matches.candidates, scores, catalogue.group, texts, offset + limit)
        matched = catalogue.groups_of(matched)
    total = int(matched.sum())
    page = order[offset : offset + limit]
    hits = make_hits(matches.candidates[page], contributions.iloc[page], catalogue, distances)
    missing = offset + limit - len(order)
    if missing > 0 and total > len(order):
        remaining = remaining_matches(matches, query, ranker, catalogue, one_of_each=diversified)
        remaining = remaining[max(offset - len(order), 0) : missing]
        own_features = {name: values[remaining] for name, values in matches.features.items()}
        if query.empty:
            own_features["recency"] = np.nan_to_num(freshness(remaining, catalogue, now))
        _, contributions = replace(ranker, trees=None).score(pd.DataFrame(own_features))
        hits += make_hits(remaining, contributions, catalogue, distances)
    if rules.pins:
        hits = [replace(hit, why=rules.reasons(hit.product_id) | hit.why) for hit in hits]
    return SearchResult(hits, total, redirect=rules.redirect)


def remaining_matches(
    matches: Matches, query: Query, ranker: Ranker, catalogue: Catalogue, *, one_of_each: bool
) -> np.ndarray:
    """Order the matches that are no candidates, as SearchResult describes.

    Parameters
    ----------
    matches
        The matches from `retrieve` or `browse`.
    query
        The query.
    ranker
        The ranker for this query.
    catalogue
        The listings.
    one_of_each
        Keep the first listing of each group only, and none that shares a group with a candidate.

    Returns
    -------
    ndarray
        (k,) positions.
    """
    remaining = matches.matched.copy()
    remaining[matches.candidates] = False
    if query.empty:
        positions = catalogue.newest_first[remaining[catalogue.newest_first]]
    else:
        positions = np.flatnonzero(remaining)
        scores = np.zeros(len(positions))
        for name, values in matches.features.items():
            scores += ranker.weights[name] * values[positions]
        positions = positions[np.argsort(-scores, kind="stable")]
    if one_of_each:
        ranked_groups = catalogue.groups_of(matches.candidates)
        positions = positions[~ranked_groups[catalogue.group[positions]]]
        positions = positions[first_of_each_group(catalogue.group[positions])]
    return positions


def make_hits(
    positions: np.ndarray,
    contributions: pd.DataFrame,
    catalogue: Catalogue,
    distances: np.ndarray | None,
) -> list[Hit]:
    """Make hits of listings.

    Parameters
    ----------
    positions
        (k,) positions.
    contributions
        k rows: the contribution of each feature to the score, which is their sum.
    catalogue
        The n listings.
    distances
        (n,) kilometres from the filter `near`, if there is one.
    """
    names = list(contributions.columns)
    hits = []
    ids = catalogue.ids(positions)
    for product_id, position, parts in zip(ids, positions, contributions.to_numpy(), strict=True):
        largest_first = np.argsort(-np.abs(parts), kind="stable")
        distance = np.nan if distances is None else distances[position]
        hits.append(
            Hit(
                product_id=product_id,
                score=float(parts.sum()),
                why={names[column]: float(parts[column]) for column in largest_first
                     if parts[column]},
                distance_km=None if np.isnan(distance) else float(distance),
            )
        )  # fmt: skip
    return hits
