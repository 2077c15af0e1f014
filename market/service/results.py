"""Conversion between the engine's types and the schemas of the API."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from market.search.attributes import AttributeType, Condition, Facet
from market.search.distances import distance_km, on_sphere
from market.search.explanation import Explanation
from market.search.facets import Facets
from market.search.feature_names import RELATED_TEXTS
from market.search.filters import Filters
from market.search.highlights import Highlighter
from market.search.ranking import Hit, SearchResult
from market.search.rule_kinds import Redirect
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
        latitude=filters.latitude,
        longitude=filters.longitude,
        exclude=tuple(filters.exclude),
        exclude_seller=tuple(filters.exclude_seller),
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


def to_facets(facets: Facets) -> dict[str, Any]:
    """Return the fields of `schemas.SearchResults` for the facets of a search."""
    counts = schemas.FacetCounts(
        categories=[
            schemas.CategoryCount(value=value, count=count) for value, count in facets.categories
        ],
        prices=[schemas.PriceCount(**asdict(bucket)) for bucket in facets.prices],
        distances=[
            schemas.DistanceCount(maximum_km=radius, count=count)
            for radius, count in facets.distances
        ],
    )
    return {"facets": counts, "attributes": [to_counts(facet) for facet in facets.attributes]}


def to_highlights(highlighter: Highlighter, listing: dict[str, Any]) -> schemas.Highlights:
    """Return the schema of the highlights of a listing as the engine describes it."""
    name, snippet, spans = highlighter.highlight(listing["name"], listing["description"])
    return schemas.Highlights(
        name=[[*span] for span in name],
        description=schemas.HighlightedText(text=snippet, spans=[[*span] for span in spans]),
    )


def to_explanation(explanation: Explanation) -> schemas.Explanation:
    """Return the schema of an explanation."""
    return schemas.Explanation(
        product_id=explanation.product_id,
        shown=explanation.rank is not None,
        rank=explanation.rank,
        obstacles=[schemas.Obstacle(**each._asdict()) for each in explanation.obstacles],
    )


def to_search_results(
    state: ServiceState,
    result: SearchResult,
    special_texts: Mapping[str, str],
    *,
    is_new_user: bool,
    near: str | None,
    search_id: str,
    variant: str,
    contributions: bool = False,
) -> schemas.SearchResults:
    """Return the schema of an engine's result, without a cursor.

    Parameters
    ----------
    state
        State with the engine that made the result.
    result
        Result of one of the engine's searches.
    special_texts, is_new_user, near
        As in `explain`.
    search_id, variant
        As in `schemas.SearchResults`.
    contributions
        Whether hits have all contributions by feature.
    """

    highlighter = None
    if result.searched:
        synonyms = state.engine.daily_rules.synonyms(result.searched, None)
        highlighter = Highlighter.of(result.searched, state.engine.lexical, synonyms)

    def to_hit(hit: Hit, texts: Mapping[str, str] = special_texts) -> schemas.Hit | None:
        try:
            listing = state.engine.listing(hit.product_id)
        except KeyError:  # it has expired since the search
            return None
        return schemas.Hit(
            **listing_fields(state, listing),
            score=hit.score,
            why=explain(hit.why, texts, is_new_user=is_new_user, near=near),
            distance_km=_finite(hit.distance_km),
            copies=hit.copies,
            highlights=None if highlighter is None else to_highlights(highlighter, listing),
            contributions=hit.why if contributions else None,
        )

    fields: dict[str, Any] = {} if result.facets is None else to_facets(result.facets)
    if result.explanation is not None:
        fields["explanation"] = to_explanation(result.explanation)
    return schemas.SearchResults(
        search_id=search_id,
        variant=variant,
        hits=list(filter(None, map(to_hit, result.hits))),
        related=list(filter(None, (to_hit(hit, RELATED_TEXTS) for hit in result.related))),
        understood=result.understood or None,
        remaining_query=result.searched if result.understood else None,
        total=result.total,
        **fields,
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
