"""Explanations of one listing: its rank in a search, or every reason why it is not shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from market.core.formats import Formats
from market.search.attributes import PREFIX, Condition
from market.search.catalogue import Catalogue
from market.search.filters import Filters, passing_listings


class Obstacle(NamedTuple):
    """A reason why a search does not show a listing.

    Attributes
    ----------
    code
        The filter that the listing fails, such as "price_max" or "attr.brand"; or one of "gone",
        "expired", "hidden", "own_query", "no_match", "below_cut_off", "copy" and "seller_limit".
    text
        A line for the owner of the listing.
    """

    code: str
    text: str


@dataclass(frozen=True)
class Explanation:
    """Why a search shows a listing, or does not.

    Attributes
    ----------
    product_id
        The listing.
    rank
        Its place among the hits of all pages, from 1; None if it is not shown.
    obstacles
        Every reason why it is not shown; empty if it is.
    """

    product_id: str
    rank: int | None
    obstacles: tuple[Obstacle, ...] = ()


def failed_filters(
    catalogue: Catalogue,
    filters: Filters,
    position: int,
    distances: np.ndarray | None,
    formats: Formats,
) -> list[Obstacle]:
    """Return every filter that a listing fails, with the filter's value and the listing's.

    Parameters
    ----------
    catalogue
        The n listings.
    filters
        The filters of the search.
    position
        The listing.
    distances
        (n,) kilometres from the place of the filters; None without one.
    formats
        How to write money and distances.
    """
    passing = passing_listings(catalogue, filters, distances)
    failed = [name for name, passes in passing.items() if not passes[position]]
    distance = None if distances is None else float(distances[position])
    return [
        Obstacle(name, _failure(name, catalogue, filters, position, distance, formats))
        for name in failed
    ]


def _failure(
    name: str,
    catalogue: Catalogue,
    filters: Filters,
    position: int,
    distance: float | None,
    formats: Formats,
) -> str:
    """Return one line about a filter that a listing fails."""
    row = catalogue.listings.iloc[position]
    if name in ("price_min", "price_max"):
        bound = formats.money(getattr(filters, name))
        side = "below price_min" if name == "price_min" else "above price_max"
        price = catalogue.price[position]
        if np.isnan(price):
            return f"the price is unknown, and {name} is {bound}"
        return f"the price {formats.money(price)} is {side} ({bound})"
    if name == "flagged":
        return f"the price is marked {row['price_flag']!r}: flagged=true shows such listings"
    if name == "include_unavailable":
        return (
            f"the listing is no longer available (status {row.get('status')!r}): "
            "include_unavailable=true shows such listings"
        )
    if name == "category":
        path = " / ".join(row["category_levels"]) or "unknown"
        return f"the category is {path}, not {filters.category}"
    if name == "radius_km":
        reach = f"radius_km of {filters.radius_km:g} around {filters.place_name}"
        if distance is None or np.isnan(distance):
            return f"the place of the listing is unknown, and the search has {reach}"
        return f"the distance of {distance:.1f} km is beyond {reach}"
    if name == "exclude":
        return "exclude names the listing"
    if name in ("seller_id", "exclude_seller"):
        seller = row.get("seller_id")
        return f"the seller is {seller!r}, " + (
            f"not {filters.seller_id!r}" if name == "seller_id" else "which exclude_seller names"
        )
    attribute = name.removeprefix(PREFIX)
    value = catalogue.attributes[attribute].value(position)
    stated = "unknown" if value is None else f"{value!r}"
    return f"{attribute} is {stated}, not {_condition(filters.attributes[attribute])}"


def _condition(condition: Condition) -> str:
    """Return a condition in words: "one of 'Sony', 'Hay'; at least 3"."""
    parts: list[str] = []
    values: tuple[Any, ...] = condition.any_of
    if len(values) == 1:
        parts.append(repr(values[0]))
    elif values:
        parts.append("one of " + ", ".join(map(repr, values)))
    if condition.minimum is not None:
        parts.append(f"at least {condition.minimum}")
    if condition.maximum is not None:
        parts.append(f"at most {condition.maximum}")
    if condition.exists is not None:
        parts.append("known" if condition.exists else "unknown")
    return " and ".join(parts)
