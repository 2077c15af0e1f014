"""Strict filters: which listings a result may contain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from market.search.attributes import Condition
from market.search.catalogue import Catalogue


@dataclass(frozen=True)
class Filters:
    """Conditions that every hit satisfies; None sets no condition.

    A listing whose price, place or attribute is unknown passes no filter on it.

    Attributes
    ----------
    price_min, price_max
        In the currency of the listings.
    category
        A name at any level of the category path, or consecutive names "A / B"; case is ignored.
    near
        A place, such as "Leeds", "Austin, TX" or "52.52, 13.40". Hits get their distance from it.
    radius_km
        The largest distance from `near`.
    flagged
        Whether to include listings whose price is a placeholder or far from the expected one.
    attributes
        Conditions on attributes, by name.
    seller_id
        The seller.
    include_unavailable
        Whether to include listings that are sold, reserved or inactive (`market.data.statuses`).

    Examples
    --------
    >>> Filters(price_max=50, category="Furniture / Sofas", near="Leeds", radius_km=20)
    Filters(price_min=None, price_max=50, category='Furniture / Sofas', near='Leeds', ...)
    """

    price_min: float | None = None
    price_max: float | None = None
    category: str | None = None
    near: str | None = None
    radius_km: float | None = None
    flagged: bool = False
    attributes: Mapping[str, Condition] = field(default_factory=dict)
    seller_id: str | None = None
    include_unavailable: bool = False


NO_FILTERS = Filters()


def allowed_listings(
    catalogue: Catalogue, filters: Filters, distances: np.ndarray | None = None
) -> np.ndarray:
    """Return (n,) bool: the listings that pass all filters.

    Parameters
    ----------
    catalogue
        The n listings.
    filters
        The conditions.
    distances
        (n,) kilometres from `filters.near`; None ignores the radius.

    Raises
    ------
    MarketError
        If there is no such attribute, or a condition has a value of another type.
    """
    allowed = np.ones(len(catalogue), bool)
    # Comparisons with NaN are false, so unknown values pass no filter.
    if filters.price_min is not None:
        allowed &= catalogue.price >= filters.price_min
    if filters.price_max is not None:
        allowed &= catalogue.price <= filters.price_max
    if not filters.flagged:
        allowed &= ~catalogue.flagged
    if not filters.include_unavailable:
        allowed &= ~catalogue.unavailable
    if filters.seller_id is not None:
        allowed &= catalogue.of_seller(filters.seller_id)
    for passing in catalogue.attributes.passes(filters.attributes).values():
        allowed &= passing
    if filters.category:
        wanted = tuple(level.strip().casefold() for level in filters.category.split(" / "))
        matching = [
            _contains(tuple(level.casefold() for level in path), wanted) for path in catalogue.paths
        ]
        allowed &= np.array(matching, bool)[catalogue.path_of]
    if distances is not None and filters.radius_km is not None:
        allowed &= distances <= filters.radius_km
    return allowed


def _contains(path: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Return whether `wanted` is a run of consecutive names of the path."""
    starts = range(len(path) - len(wanted) + 1)
    return any(path[start : start + len(wanted)] == wanted for start in starts)
