"""Facets: exact counts of what the results of a search have, to filter them further.

Each facet is counted without the search's own filter on it, so that a user sees how many results
another choice would give. Counts are of listings: `collapse` and `max_per_seller` do not lower
them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from market.core.formats import KM_PER_MILE, Formats
from market.search.attributes import PREFIX, Facet
from market.search.catalogue import Catalogue
from market.search.filters import Filters, passing_listings
from market.search.price_buckets import PriceBucket, price_buckets

RINGS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # miles or kilometres, as the country uses
# The filters that a facet is counted without, by facet.
PRICE_FILTERS, CATEGORY_FILTERS, DISTANCE_FILTERS = (
    ("price_min", "price_max"),
    ("category",),
    ("radius_km",),
)


@dataclass(frozen=True)
class Facets:
    """The facets of a search.

    Attributes
    ----------
    categories
        Paths "A / B" at each depth, with the number of listings that the filter `category` gives
        for them; the commonest first.
    prices
        Buckets, from the lowest price up.
    distances
        Rings from the nearest: a radius in kilometres, and the number of listings within it. Empty
        without a place.
    attributes
        One for each attribute of the listings.
    """

    categories: list[tuple[str, int]]
    prices: list[PriceBucket]
    distances: list[tuple[float, int]]
    attributes: list[Facet]


def without_facet_filters(filters: Filters) -> Filters:
    """Return the filters without those that a facet is counted without."""
    return replace(
        filters, price_min=None, price_max=None, category=None, radius_km=None, attributes={}
    )


def count_facets(
    catalogue: Catalogue,
    filters: Filters,
    matched: np.ndarray,
    distances: np.ndarray | None,
    formats: Formats,
) -> Facets:
    """Count all facets.

    Parameters
    ----------
    catalogue
        The n listings.
    filters
        The filters of the search.
    matched
        (n,) bool: the listings that match the search with `without_facet_filters(filters)`.
    distances
        (n,) kilometres from the place of the search; None without one.
    formats
        The currency, whose decimals bound the price buckets, and the unit of distance.

    Raises
    ------
    MarketError
        If there is no such attribute, or a condition has a value of another type.
    """
    own = {*PRICE_FILTERS, *CATEGORY_FILTERS, *DISTANCE_FILTERS}
    passing = {
        name: passes
        for name, passes in passing_listings(catalogue, filters, distances).items()
        if name in own or name.startswith(PREFIX)
    }
    failures = np.zeros(len(catalogue), np.int16)
    for passes in passing.values():
        failures += ~passes

    def matched_without(*names: str) -> np.ndarray:
        """Return (n,) bool: the listings that fail none but these filters."""
        other_failures = failures
        for name in names:
            if name in passing:
                other_failures = other_failures - ~passing[name]
        return matched & (other_failures == 0)

    return Facets(
        categories=_count_categories(catalogue, matched_without(*CATEGORY_FILTERS)),
        prices=price_buckets(
            catalogue.price[matched_without(*PRICE_FILTERS)], formats.currency_decimals
        ),
        distances=_count_rings(distances, matched_without(*DISTANCE_FILTERS), formats),
        attributes=[
            column.count(matched_without(PREFIX + name))
            for name, column in catalogue.attributes.items()
        ],
    )


def no_facets(catalogue: Catalogue) -> Facets:
    """Return the facets of a search without any result."""
    nothing = np.zeros(len(catalogue), bool)
    return Facets([], [], [], catalogue.attributes.count(nothing, {}))


def _count_categories(catalogue: Catalogue, among: np.ndarray) -> list[tuple[str, int]]:
    counts = np.bincount(catalogue.path_of[among], minlength=len(catalogue.paths))
    # As the filter `category` reads it: names that follow one another anywhere in a path.
    accepted: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for index in np.flatnonzero(counts):
        names = tuple(name.casefold() for name in catalogue.paths[index])
        for start in range(len(names)):
            for end in range(start + 1, len(names) + 1):
                accepted[names[start:end]].add(int(index))
    values = {
        path[:depth]
        for path in catalogue.paths[np.flatnonzero(counts)]
        for depth in range(1, len(path) + 1)
    }
    totals = []
    for value in (" / ".join(path) for path in values):
        wanted = tuple(level.strip().casefold() for level in value.split(" / "))
        if wanted in accepted:
            totals.append((value, int(counts[[*accepted[wanted]]].sum())))
    return sorted(totals, key=lambda item: (-item[1], item[0]))


def _count_rings(
    distances: np.ndarray | None, among: np.ndarray, formats: Formats
) -> list[tuple[float, int]]:
    """Return the rings up to the first that holds all listings whose distance is known."""
    if distances is None:
        return []
    unit_km = KM_PER_MILE if formats.distance_unit == "mi" else 1.0
    known = distances[among]
    known = known[~np.isnan(known)]
    rings: list[tuple[float, int]] = []
    for radius in RINGS:
        # Compared as the filter `radius_km` does, so that both count the same listings.
        count = int((known <= round(radius * unit_km, 6)).sum())
        if count > (rings[-1][1] if rings else 0):
            rings.append((round(radius * unit_km, 6), count))
    return rings
