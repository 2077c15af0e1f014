"""Pages of an order of matches: by offset or by cursor, with limits on copies and on sellers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from market.core.errors import MarketError
from market.search.catalogue import Catalogue
from market.search.cursor import MEMORY, Cursor, Floor, hash_ids
from market.search.match_order import MatchOrder


@dataclass(frozen=True, eq=False)
class PageRequest:
    """Which part of a result to return, in which order.

    Attributes
    ----------
    limit
        The largest number of hits.
    offset
        The number of hits to skip.
    sort
        One of SORTS.
    cursor
        Where an earlier page ended, instead of an offset.
    collapse
        Whether to show only the first of the copies of one product.
    max_per_seller
        The largest number of hits of one seller in the whole result; None for no limit. Listings
        of unknown sellers are not limited.

    Raises
    ------
    MarketError
        If both an offset and a cursor are given.
    """

    limit: int = 20
    offset: int = 0
    sort: str = "relevance"
    cursor: Cursor | None = None
    collapse: bool = False
    max_per_seller: int | None = None

    def __post_init__(self) -> None:
        if self.cursor is not None and self.offset:
            raise MarketError("cursor and offset both name a place: give one of them")

    @property
    def is_grouped(self) -> bool:
        """Whether a hit may keep other listings from being shown."""
        return self.collapse or self.max_per_seller is not None

    def reads_only(self, candidates: int) -> bool:
        """Return whether the page lies within the first matches, the candidates by relevance."""
        skipped = self.offset
        if self.cursor is not None:
            skipped = candidates if self.cursor.floor.tier >= 0 else len(self.cursor.shown)
        is_within = skipped + self.limit < candidates
        return is_within and self.sort == "relevance" and not self.is_grouped


@dataclass(frozen=True, eq=False)
class MatchPage:
    """A page of matches.

    Attributes
    ----------
    positions
        (k,) positions in the catalogue.
    total
        The number of hits on all pages.
    next_cursor
        Of the next page; None if this is the last.
    copies
        (k,) the number of other matches that are copies of each; None without `collapse`.
    offset
        The number of hits before the page.
    """

    positions: np.ndarray
    total: int
    next_cursor: Cursor | None
    copies: np.ndarray | None = None
    offset: int = 0


def take_page(
    order: MatchOrder, request: PageRequest, catalogue: Catalogue, total: int
) -> MatchPage:
    """Return a page of an order.

    A page by cursor begins with the first matches that were not shown. Matches that came to stand
    before the end of the last page, because the catalogue changed, are shown first: all but those
    up to the cursor's floor.

    Parameters
    ----------
    order
        All matches; or only the first ones, if the request `reads_only` them.
    request
        The page.
    catalogue
        The listings.
    total
        The number of matches, which `order` need not hold.
    """
    cursor = request.cursor or Cursor()
    after = _is_after(order, cursor.floor, catalogue)
    shown = _find_shown(order, after, cursor, request, catalogue)
    # What was shown counts first against the limits on copies and on sellers.
    stage = np.where(~after, 0, np.where(shown, 1, 2))
    visited = np.argsort(stage, kind="stable")
    kept = visited[keep_within_limits(order.positions[visited], request, catalogue)]
    if request.is_grouped:
        total = len(kept) if request.cursor is None else int(
            keep_within_limits(order.positions, request, catalogue).sum()
        )  # fmt: skip
    left = kept[stage[kept] == 2]
    page = left[request.offset : request.offset + request.limit]
    skipped = left[: request.offset]
    is_last = request.offset + request.limit >= len(left)
    return MatchPage(
        order.positions[page],
        total,
        None if is_last else _advance(cursor, order, shown, skipped, page, catalogue),
        _count_copies(order.positions, page, catalogue) if request.collapse else None,
        offset=len(kept) - len(left) + request.offset,
    )


def keep_within_limits(
    positions: np.ndarray, request: PageRequest, catalogue: Catalogue
) -> np.ndarray:
    """Return (m,) bool: which listings, in order, the limits on copies and sellers keep."""
    kept = np.ones(len(positions), bool)
    if request.collapse:
        kept = ~pd.Series(catalogue.group[positions]).duplicated().to_numpy()
    if request.max_per_seller is not None and "seller_id" in catalogue.listings:
        sellers = catalogue.listings["seller_id"].iloc[positions[kept]].reset_index(drop=True)
        earlier = sellers.groupby(sellers).cumcount()  # NaN for unknown sellers
        kept[kept] = ~(earlier >= request.max_per_seller).to_numpy()
    return kept


def _is_after(order: MatchOrder, floor: Floor, catalogue: Catalogue) -> np.ndarray:
    """Return (m,) bool: which matches stand after the floor."""
    after = order.value > floor.value
    same_value = order.value == floor.value
    after |= same_value & (order.tier > floor.tier)
    same_tier = same_value & (order.tier == floor.tier)
    after |= same_tier & (order.score < floor.score)
    tied = np.flatnonzero(same_tier & (order.score == floor.score))
    later = [product_id > floor.product_id for product_id in catalogue.ids(order.positions[tied])]
    after[tied] = later
    return after


def _find_shown(
    order: MatchOrder,
    after: np.ndarray,
    cursor: Cursor,
    request: PageRequest,
    catalogue: Catalogue,
) -> np.ndarray:
    """Return (m,) bool: which matches after the floor the cursor remembers.

    Without limits on copies and sellers, matches too far down for this page are looked up only if
    many of those that the cursor remembers are not found before.
    """
    shown = np.zeros(len(order), bool)
    if not len(cursor.shown):
        return shown
    all_after = np.flatnonzero(after)
    near = all_after[: len(cursor.shown) + request.limit + 1]
    for looked_up in (near, all_after):
        hashes = hash_ids(catalogue.ids(order.positions[looked_up]))
        shown[looked_up] = cursor.remembers(hashes)
        if not request.is_grouped and len(cursor.shown) - shown.sum() <= MEMORY // 2:
            break
    return shown


def _advance(
    cursor: Cursor,
    order: MatchOrder,
    shown: np.ndarray,
    skipped: np.ndarray,
    page: np.ndarray,
    catalogue: Catalogue,
) -> Cursor:
    """Return the cursor after a page.

    Parameters
    ----------
    cursor
        The cursor before it.
    order, shown
        As in `take_page`.
    skipped, page
        Indices into `order`: the matches that the offset skips, and those of the page.
    catalogue
        The listings.
    """
    last = page[-1]
    floor = cursor.floor
    # Ascending, so that the first are the ones to forget.
    remembered = np.sort(np.concatenate([np.flatnonzero(shown), skipped, page]))
    found = hash_ids(catalogue.ids(order.positions[np.flatnonzero(shown)]))
    # Too far down to be looked up, or away at the moment.
    unseen = cursor.shown[~np.isin(cursor.shown, found)]
    if order.value[last] > floor.value:
        floor = Floor(float(order.value[last]), -1, np.inf, "")
        remembered = remembered[order.value[remembered] >= floor.value]
        unseen = unseen[:0]
    surplus = len(remembered) - max(MEMORY - len(unseen), MEMORY // 2)
    # No further than this page: behind it stand listings that were not shown.
    surplus = min(surplus, int(np.searchsorted(remembered, last, side="right")))
    if surplus > 0:
        floor = _floor_at(order, remembered[surplus - 1], catalogue)
        # A rule may have placed a listing before others with a higher score.
        remembered = remembered[_is_after(order.take(remembered), floor, catalogue)]
    hashes = hash_ids(catalogue.ids(order.positions[remembered[:MEMORY]]))
    return Cursor(floor, np.union1d(hashes, unseen[: MEMORY // 2]))


def _floor_at(order: MatchOrder, index: int, catalogue: Catalogue) -> Floor:
    return Floor(
        float(order.value[index]),
        int(order.tier[index]),
        float(order.score[index]),
        catalogue.ids([order.positions[index]])[0],
    )


def _count_copies(positions: np.ndarray, page: np.ndarray, catalogue: Catalogue) -> np.ndarray:
    """Return (k,) the number of other matches in the group of each listing of a page."""
    groups = catalogue.group[positions]
    counts = np.bincount(groups, minlength=catalogue.n_groups)
    return counts[groups[page]] - 1
