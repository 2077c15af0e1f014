"""Strict filters: which listings a result may contain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from market.core.errors import MarketError
from market.search.attributes import PREFIX, Condition
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
    latitude, longitude
        The place as degrees, instead of `near`.
    radius_km
        The largest distance from the place.
    flagged
        Whether to include listings whose price is a placeholder or far from the expected one.
    attributes
        Conditions on attributes, by name.
    seller_id
        The seller.
    exclude
        Product ids that are left out; unknown ones have no effect.
    exclude_seller
        Sellers whose listings are left out.
    include_unavailable
        Whether to include listings that are sold, reserved or inactive (`market.data.statuses`).

    Examples
    --------
    >>> Filters(price_max=50, category="Furniture / Sofas", near="Leeds", radius_km=20)
    Filters(price_min=None, price_max=50, category='Furniture / Sofas', near='Leeds', ...)

    Raises
    ------
    MarketError
        If the place is incomplete, given twice or missing (see `check_place`), or if a text stands
        for a list of ids.
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
    latitude: float | None = None
    longitude: float | None = None
    exclude: tuple[str, ...] = ()
    exclude_seller: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("exclude", "exclude_seller"):
            if isinstance(getattr(self, name), str):
                raise MarketError(f"{name} is a text: give a list of ids")
        check_place(self.near, self.latitude, self.longitude, self.radius_km)

    @property
    def place_name(self) -> str | None:
        """The place as users read it: `near`, or the degrees; None without a place."""
        if self.near or self.latitude is None:
            return self.near or None
        return f"{self.latitude:g}, {self.longitude:g}"


def check_place(
    near: str | None, latitude: float | None, longitude: float | None, radius_km: float | None
) -> None:
    """Check that the place of a search is given once and completely, and any radius has a place.

    Raises
    ------
    MarketError
        Otherwise.
    """
    if (latitude is None) != (longitude is None):
        raise MarketError("latitude and longitude belong together: give both or neither")
    if near and latitude is not None:
        raise MarketError("near and latitude with longitude both name a place: give one of them")
    if radius_km is not None and not near and latitude is None:
        raise MarketError(
            "radius_km needs near, the town to measure from, or latitude and longitude"
        )


NO_FILTERS = Filters()


def allowed_listings(
    catalogue: Catalogue, filters: Filters, distances: np.ndarray | None = None
) -> np.ndarray:
    """Return (n,) bool: the listings that pass all filters.

    Parameters and errors are those of `passing_listings`.
    """
    allowed = np.ones(len(catalogue), bool)
    for passing in passing_listings(catalogue, filters, distances).values():
        allowed &= passing
    return allowed


def passing_listings(
    catalogue: Catalogue, filters: Filters, distances: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return, by name of each filter that sets a condition, (n,) bool: the listings that pass it.

    Filters have the names of the fields of Filters, and attributes "attr.NAME".

    Parameters
    ----------
    catalogue
        The n listings.
    filters
        The conditions.
    distances
        (n,) kilometres from the place of `filters`; None ignores the radius.

    Raises
    ------
    MarketError
        If there is no such attribute, or a condition has a value of another type.
    """
    passing: dict[str, np.ndarray] = {}
    # Comparisons with NaN are false, so unknown values pass no filter.
    if filters.price_min is not None:
        passing["price_min"] = catalogue.price >= filters.price_min
    if filters.price_max is not None:
        passing["price_max"] = catalogue.price <= filters.price_max
    if not filters.flagged:
        passing["flagged"] = ~catalogue.flagged
    if not filters.include_unavailable:
        passing["include_unavailable"] = ~catalogue.unavailable
    if filters.seller_id is not None:
        passing["seller_id"] = catalogue.of_seller(filters.seller_id)
    if filters.exclude:
        positions = catalogue.positions(filters.exclude)
        passing["exclude"] = np.ones(len(catalogue), bool)
        passing["exclude"][positions[positions >= 0]] = False
    if filters.exclude_seller:
        passing["exclude_seller"] = ~np.logical_or.reduce(
            [catalogue.of_seller(seller) for seller in filters.exclude_seller]
        )
    for name, passes in catalogue.attributes.passes(filters.attributes).items():
        passing[PREFIX + name] = passes
    if filters.category:
        passing["category"] = paths_in(catalogue.paths, filters.category)[catalogue.path_of]
    if distances is not None and filters.radius_km is not None:
        passing["radius_km"] = distances <= filters.radius_km
    return passing


def paths_in(paths: np.ndarray, category: str) -> np.ndarray:
    """Return (p,) bool: the category paths (p,) that the filter `category` accepts."""
    wanted = tuple(level.strip().casefold() for level in category.split(" / "))
    matching = [_contains(tuple(level.casefold() for level in path), wanted) for path in paths]
    return np.array(matching, bool)


def _contains(path: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Return whether `wanted` is a run of consecutive names of the path."""
    starts = range(len(path) - len(wanted) + 1)
    return any(path[start : start + len(wanted)] == wanted for start in starts)
