"""Counts of the values of attributes among the results of a search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from market.search.attributes import Facet
from market.search.distances import distance_km
from market.search.engine import Engine
from market.search.filters import NO_FILTERS, Filters
from market.search.retrieval import retrieve


def count_attributes(
    engine: Engine,
    text: str = "",
    *,
    photo: Image.Image | None = None,
    filters: Filters = NO_FILTERS,
) -> list[Facet]:
    """Count the values of every attribute among all results of a search.

    Each attribute is counted without the condition on itself, so that a user sees how many results
    another value would give.

    Parameters
    ----------
    engine
        The engine.
    text
        The query in words; its spelling is not corrected (`SearchResult.corrected_query`).
    photo, filters
        As for `Engine.search`.

    Raises
    ------
    MarketError
        If there is no such attribute, or a condition has a value of another type.
    """
    attributes = engine.catalogue.attributes
    if not attributes:
        return []
    distances = None
    matched = np.zeros(len(engine.catalogue), bool)
    place = engine.place(filters.near) if filters.near else None
    if place is not None:
        distances = distance_km(*place, engine.catalogue.sphere)
    if place is not None or not filters.near:
        matched = engine.allowed(replace(filters, attributes={}), distances)
        query = engine.build_query(text, photo=photo)
        if not query.empty:
            matched = retrieve(query, matched, engine.catalogue, engine.vectors).matched
    return attributes.count(matched, filters.attributes)
