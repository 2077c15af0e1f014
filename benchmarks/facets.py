"""Measure facets, sorts and cursors over many listings, beside the same counts by pandas.

    python benchmarks/facets.py --listings 1000000

The listings are synthetic: a category of three levels, a log-normal price, one of 2,000 places, a
date, a brand, a width and a truth value, a seller, and a copy for every tenth. A search matches a
random share of them. Its facets are counted with filters on price, category, radius and brand; its
pages are sorted by price, and one by cursor comes from deep within. Words and vectors are not
searched: benchmarks/latency.py measures these.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import click
import numpy as np
import pandas as pd
from command import BenchmarkCommand
from tabulate import tabulate

from market.core.formats import BRITISH
from market.search.attributes import AttributeType, Condition
from market.search.catalogue import Catalogue
from market.search.distances import distance_km
from market.search.facets import count_facets, without_facet_filters
from market.search.filters import Filters, allowed_listings
from market.search.match_order import MatchOrder
from market.search.paging import PageRequest, take_page

TYPES = (
    AttributeType("brand", "category"),
    AttributeType("width", "number", "cm"),
    AttributeType("boxed", "boolean"),
)
CENTRE = (52.5, -1.5)
FILTERS = Filters(
    price_min=10,
    price_max=200,
    category="Part 1",
    latitude=CENTRE[0],
    longitude=CENTRE[1],
    radius_km=150,
    attributes={"brand": Condition(any_of=("Brand 1", "Brand 2", "Brand 3"))},
)
SHARES = (0.01, 0.1, 1.0)  # of the listings that a search matches


def make_catalogue(count: int, rng: np.random.Generator) -> Catalogue:
    """Return a catalogue of random listings."""
    paths = [
        [f"Part {top}", f"Aisle {top}.{middle}", f"Shelf {top}.{middle}.{low}"]
        for top in range(20) for middle in range(8) for low in range(6)
    ]  # fmt: skip
    places = np.column_stack([rng.uniform(50, 58, 2000), rng.uniform(-5, 1.5, 2000)])
    place = places[rng.integers(len(places), size=count)]
    ids = [f"p{number:07d}" for number in range(count)]
    listings = pd.DataFrame(
        {
            "product_id": ids,
            "name": "thing",
            "description": "",
            "location": "",
            "category_levels": [paths[path] for path in rng.integers(len(paths), size=count)],
            "price": np.exp(rng.normal(4, 1.2, count)).round(2),
            "group": np.where(np.arange(count) % 10, np.arange(count), np.arange(count) // 10),
            "created": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(365, size=count), "D"),
            "latitude": place[:, 0],
            "longitude": place[:, 1],
            "seller_id": pd.array([f"s{number}" for number in rng.integers(50_000, size=count)]),
            "attribute_brand": pd.array([f"Brand {n}" for n in rng.integers(300, size=count)]),
            "attribute_width": rng.integers(200, size=count).astype(float),
            "attribute_boxed": pd.array(rng.random(count) < 0.5, dtype="boolean"),
        }
    ).astype({"seller_id": "str", "attribute_brand": "str"})
    prices = pd.DataFrame({"product_id": ids, "price_expected": 50.0, "price_flag": ""})
    photos = pd.DataFrame({"position": [], "photo_index": []}, dtype=int)
    no_places = pd.DataFrame(columns=["name", "latitude", "longitude"])
    return Catalogue.build(listings, photos, no_places, prices, attributes=TYPES)


def count_by_pandas(catalogue: Catalogue, matched: np.ndarray, distances: np.ndarray) -> Any:
    """Count categories, prices, distances and attributes of the matches with pandas."""
    table = catalogue.listings[matched]
    levels = pd.DataFrame(table["category_levels"].tolist())
    return (
        [levels.groupby(list(range(depth + 1))).size() for depth in range(3)],
        pd.cut(table["price"], [0, 20, 50, 100, 200, np.inf]).value_counts(),
        pd.cut(distances[matched], [0, 50, 100, 200, np.inf]).value_counts(),
        [table[name].value_counts() for name in ("attribute_brand", "attribute_boxed")],
    )


def milliseconds(work: Callable[[], Any], repeats: int) -> float:
    """Return the median time of some work."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return median(times)


def measure(catalogue: Catalogue, share: float, repeats: int) -> dict[str, Any]:
    """Return the times of facets and pages of a search that matches a share of the listings."""
    rng = np.random.default_rng(7)
    distances = distance_km(*CENTRE, catalogue.sphere)
    matched = allowed_listings(catalogue, without_facet_filters(FILTERS), distances)
    matched &= rng.random(len(catalogue)) < share
    positions = np.flatnonzero(matched)
    scores = np.sort(rng.random(len(positions)))[::-1]
    by_relevance = MatchOrder.of_tier(rng.permutation(positions), scores, tier=1)
    by_price = by_relevance.sorted_by("price", catalogue, distances)
    deep = take_page(by_price, PageRequest(20, len(positions) // 2), catalogue, len(positions))
    following = PageRequest(20, cursor=deep.next_cursor, sort="price")
    limited = PageRequest(20, collapse=True, max_per_seller=3)
    return {
        "matches": len(positions),
        "facets": milliseconds(
            lambda: count_facets(catalogue, FILTERS, matched, distances, BRITISH), repeats
        ),
        "by pandas": milliseconds(lambda: count_by_pandas(catalogue, matched, distances), 1),
        "sort by price": milliseconds(
            lambda: by_relevance.sorted_by("price", catalogue, distances), repeats
        ),
        "page by cursor": milliseconds(
            lambda: take_page(by_price, following, catalogue, len(positions)), repeats
        ),
        "collapse and limit": milliseconds(
            lambda: take_page(by_price, limited, catalogue, len(positions)), repeats
        ),
    }


@click.command(cls=BenchmarkCommand)
@click.option("--listings", default=1_000_000, show_default=True, help="Number of listings.")
@click.option("--repeats", default=7, show_default=True, help="Runs, whose median is reported.")
def main(listings: int, repeats: int) -> None:
    """Print the times in milliseconds, for searches that match 1, 10 and 100 % of the listings."""
    catalogue = make_catalogue(listings, np.random.default_rng(42))
    rows = [measure(catalogue, share, repeats) for share in SHARES]
    print(f"{listings:,} listings, milliseconds:")
    print(tabulate(rows, headers="keys", floatfmt=".0f", intfmt=","))


if __name__ == "__main__":
    main()
