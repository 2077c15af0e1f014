"""Conversion between the engine's types and the schemas of the API."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from market.search.attributes import AttributeType, Condition, Facet
from market.search.distances import distance_km, on_sphere
from market.search.filters import Filters
from market.search.ranking import SearchResult
from market.search.rules import Redirect
from market.service import schemas
from market.service.reasons import explain
from market.service.state import ServiceState


def to_engine_filters(
    filters: schemas.Filters, attributes: Mapping[str, Condition] | None = None
) -> Filters:
    """Return the engine's filters for those of a request."""
    return Filters(
        price_min=filters.price_min,
        price_max=filters.price_max,
        category=filters.category or None,
        near=filters.near or None,
        radius_km=filters.radius_km,
        flagged=filters.flagged,
        attributes=attributes or {},
        seller_id=filters.seller_id or None,
        include_unavailable=filters.include_unavailable,
    )


def to_description(attribute: AttributeType) -> dict[str, Any]:
    """Return the fields of `schemas.AttributeDescription`."""
    return {**attribute._asdict(), "label": attribute.label}


def to_counts(facet: Facet) -> schemas.AttributeCounts:
    """Return the schema of a facet."""
    return schemas.AttributeCounts(
        **to_description(facet.attribute),
        listings=facet.listings,
        values=[schemas.AttributeValue(value=value, count=count) for value, count in facet.values],
        distinct=facet.distinct,
        minimum=facet.minimum,
        maximum=facet.maximum,
    )


def to_search_results(
    state: ServiceState,
    result: SearchResult,
    special_texts: Mapping[str, str],
    *,
    is_new_user: bool,
    near: str | None,
) -> schemas.SearchResults:
    """Return the schema of an engine's result.

    Parameters
    ----------
    state
        State with the engine that made the result.
    result
        Result of one of the engine's searches.
    special_texts, is_new_user, near
        As in `explain`.
    """
    return schemas.SearchResults(
        hits=[
            schemas.Hit(
                **listing_fields(state, state.engine.listing(hit.product_id)),
                score=hit.score,
                why=explain(hit.why, special_texts, is_new_user=is_new_user, near=near),
                distance_km=_finite(hit.distance_km),
            )
            for hit in result.hits
        ],
        total=result.total,
        corrected_query=result.corrected_query,
        unknown_place=result.unknown_place,
        empty_place=result.empty_place,
        redirect=_to_redirect(result.redirect),
    )


def _to_redirect(rule: Redirect | None) -> schemas.Redirect | None:
    if rule is None:
        return None
    filters = dict(rule.filters or {})
    if rule.category is not None:
        filters["category"] = rule.category
    return schemas.Redirect(rule=rule.name, path=rule.path, filters=filters)


def listing_fields(state: ServiceState, listing: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of `schemas.Product` for a listing as the engine describes it."""
    addresses = state.photos.addresses(listing["photos"])
    return {
        **listing,
        "price": _finite(listing["price"]),
        "currency": state.engine.formats.currency,
        "price_flag": listing["price_flag"] or None,
        "price_expected": _finite(listing["price_expected"]),
        "photo": addresses[0].url if addresses else None,
        "photos": [address.url for address in addresses],
        "photo_sizes": [address._asdict() for address in addresses],
    }


def listing_distance(state: ServiceState, product_id: str, near: str | None) -> float | None:
    """Return the kilometres from a place to a listing; None if one of the two is unknown."""
    place = state.engine.place(near) if near else None
    if place is None:
        return None
    catalogue = state.engine.catalogue
    position = catalogue.position(product_id)
    sphere = on_sphere(catalogue.coordinates[position : position + 1])
    return _finite(float(distance_km(*place, sphere)[0]))


def _finite(value: float | None) -> float | None:
    """Return the value, or None for NaN and infinity, which JSON lacks."""
    return None if value is None or not math.isfinite(value) else float(value)
