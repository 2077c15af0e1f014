"""Details of a result on demand: its facets, and the explanation of one listing."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from market.core.formats import Formats
from market.search.explanation import Explanation, Obstacle, failed_filters
from market.search.facets import Facets, count_facets
from market.search.filters import Filters
from market.search.gate import reason_withheld
from market.search.listing_vectors import ListingVectors
from market.search.paging import PageRequest
from market.search.ranking import RankedMatches
from market.search.retrieval import retrieve

WITHHELD = {
    "expired": "the listing has expired: a later expires_at shows it again",
    "hidden": "a rule of the shop hides the listing",
}


def facets_of(
    ranked: RankedMatches,
    filters: Filters,
    others: np.ndarray,
    vectors: ListingVectors,
    formats: Formats,
) -> Facets:
    """Count the facets of a search, among its matches and those that only facet filters leave out.

    The search has compared its query with the listings that pass all filters. Only the others are
    compared here, so each listing is compared once.

    Parameters
    ----------
    ranked
        The matches of the search.
    filters
        Its filters.
    others
        (n,) bool: the listings that pass `without_facet_filters(filters)`, but not `filters`.
    vectors, formats
        Of the engine.
    """
    matched = ranked.matches.matched
    if ranked.query.empty:
        matched = matched | others
    elif others.any():
        matched = matched | retrieve(ranked.query, others, ranked.catalogue, vectors).matched
    return count_facets(ranked.catalogue, filters, matched, ranked.distances, formats)


def explanation_of(
    product_id: str,
    ranked: RankedMatches,
    filters: Filters,
    request: PageRequest,
    allowed: np.ndarray,
    vectors: ListingVectors,
    formats: Formats,
    hidden: Collection[str],
) -> Explanation:
    """Return at which rank a search shows a listing, or every reason why it does not.

    Of a listing that has expired, or that a rule hides, it tells this alone.

    Parameters
    ----------
    product_id
        The listing.
    ranked, filters, request
        The search.
    allowed
        (n,) bool: the listings that it may show.
    vectors, formats
        Of the engine.
    hidden
        The product ids that rules hide from the search.

    Raises
    ------
    KeyError
        If the listing is unknown.
    """
    position = ranked.catalogue.position(product_id)
    if allowed[position]:
        return ranked.explain(position, request)
    withheld = reason_withheld(ranked.catalogue, position, hidden=hidden)
    if withheld is not None:
        return Explanation(product_id, None, (Obstacle(withheld, WITHHELD[withheld]),))
    obstacles = failed_filters(ranked.catalogue, filters, position, ranked.distances, formats)
    if not obstacles:
        obstacles = [Obstacle("own_query", "the search is for listings like this one")]
    if not ranked.query.empty:
        alone = np.zeros(len(allowed), bool)
        alone[position] = True
        matches = retrieve(ranked.query, alone, ranked.catalogue, vectors)
        if not matches.matched[position]:
            obstacles.append(ranked.no_match(matches, position))
    return Explanation(product_id, None, tuple(obstacles))
