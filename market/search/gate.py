"""The gate: the only place that decides which listings an answer may show."""

from __future__ import annotations

import numpy as np
import pandas as pd

from market.search.catalogue import Catalogue
from market.search.filters import NO_FILTERS, Filters, allowed_listings


def showable(
    catalogue: Catalogue,
    filters: Filters = NO_FILTERS,
    *,
    now: pd.Timestamp | None = None,
    distances: np.ndarray | None = None,
    hidden: frozenset[str] = frozenset(),
) -> np.ndarray:
    """Return (n,) bool: the listings that an answer may show.

    A listing is shown if it exists (it is neither removed nor superseded by a change), has not
    expired, is hidden by no rule, and passes the filters. Every answer about several listings asks
    this function; an answer about one listing asks `exists`.

    Parameters
    ----------
    catalogue
        The n listings.
    filters
        The conditions of the request, those on the status included.
    now
        The moment of the request, UTC without a zone; by default the clock's.
    distances
        (n,) kilometres from `filters.near`; None ignores the radius.
    hidden
        The product ids that a rule hides.
    """
    allowed = allowed_listings(catalogue, filters, distances)
    if hidden:
        positions = catalogue.positions(hidden)
        allowed[positions[positions >= 0]] = False
    return allowed
