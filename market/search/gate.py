"""The gate: the only place that decides which listings an answer may show.

A listing exists for users if it is neither removed nor superseded by a change, has not expired at
the moment of the request, and is hidden by no rule. An answer about one listing needs no more. An
answer with several shows those that pass the filters as well, which by default leave out the sold.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np
import pandas as pd

from market.search.catalogue import Catalogue
from market.search.filters import NO_FILTERS, Filters, allowed_listings


def showable(
    catalogue: Catalogue,
    filters: Filters = NO_FILTERS,
    *,
    distances: np.ndarray | None = None,
    hidden: Collection[str] = frozenset(),
    now: pd.Timestamp | None = None,
) -> np.ndarray:
    """Return (n,) bool: the listings that exist for users and pass the filters.

    Parameters
    ----------
    catalogue
        The n listings.
    filters
        The conditions of the request, that on the status included.
    distances
        (n,) kilometres from `filters.near`; None ignores the radius.
    hidden
        The product ids that rules hide.
    now
        The moment of the request, UTC without a zone; by default that of the call.
    """
    shown = allowed_listings(catalogue, filters, distances)
    if catalogue.withdrawn is not None:
        shown &= ~catalogue.withdrawn
    if catalogue.expires is not None:
        shown &= ~_has_expired(catalogue.expires, now)
    if hidden:
        positions = catalogue.positions(hidden)
        shown[positions[positions >= 0]] = False
    return shown


def find(
    catalogue: Catalogue,
    product_id: str,
    *,
    hidden: Collection[str] = frozenset(),
    now: pd.Timestamp | None = None,
) -> int:
    """Return the position of a listing that exists for users, whatever its status.

    Parameters are as for `showable`.

    Raises
    ------
    KeyError
        If there is no such listing, or it is hidden or has expired.
    """
    position = catalogue.position(product_id)
    if reason_withheld(catalogue, position, hidden=hidden, now=now) is not None:
        raise KeyError(product_id)
    return position


def reason_withheld(
    catalogue: Catalogue,
    position: int,
    *,
    hidden: Collection[str] = frozenset(),
    now: pd.Timestamp | None = None,
) -> Literal["expired", "hidden"] | None:
    """Return why a listing of the catalogue does not exist for users; None if it does.

    Parameters are as for `showable`.
    """
    if catalogue.expires is not None and _has_expired(catalogue.expires[position], now):
        return "expired"
    return "hidden" if catalogue.ids([position])[0] in hidden else None


def exists(
    catalogue: Catalogue,
    product_id: str,
    *,
    hidden: Collection[str] = frozenset(),
    now: pd.Timestamp | None = None,
) -> bool:
    """Return whether `find` finds a listing."""
    try:
        find(catalogue, product_id, hidden=hidden, now=now)
    except KeyError:
        return False
    return True


def _has_expired(expires: np.ndarray, now: pd.Timestamp | None) -> np.ndarray:
    """Return whether dates, NaT for never, have passed."""
    now = pd.Timestamp.now("UTC").tz_localize(None) if now is None else now
    return expires <= now.to_datetime64()  # false for NaT
