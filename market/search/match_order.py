"""The order of the matches of a search: by relevance, price, date or distance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from market.core.errors import MarketError
from market.search.catalogue import Catalogue

Sort = Literal["relevance", "price", "price_desc", "newest", "distance"]
SORTS: tuple[str, ...] = get_args(Sort)
# Sorting the ids of so few listings is faster than `Catalogue.id_rank`, which every change of the
# catalogue makes anew.
FEW = 5000


@dataclass(frozen=True, eq=False)
class MatchOrder:
    """m matches, the first first.

    They are in ascending order of `value`, then of `tier`, then in descending order of `score`,
    then by product id.

    Attributes
    ----------
    positions
        (m,) positions in the catalogue.
    value
        (m,) what the user sorts by, smaller first; infinite if unknown, 0 by relevance.
    tier
        (m,) 0 for candidates, whose score is the ranker's; 1 for the other matches.
    score
        (m,) the relevance within the tier.
    """

    positions: np.ndarray
    value: np.ndarray
    tier: np.ndarray
    score: np.ndarray

    @classmethod
    def of_tier(cls, positions: np.ndarray, scores: np.ndarray, tier: int) -> MatchOrder:
        """Return matches of one tier by relevance, given in order."""
        return cls(positions, np.zeros(len(positions)), np.full(len(positions), tier), scores)

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, indices: np.ndarray) -> MatchOrder:
        """Return the matches at these indices, or where a mask (m,) is true."""
        return MatchOrder(
            self.positions[indices], self.value[indices], self.tier[indices], self.score[indices]
        )

    def followed_by(self, other: MatchOrder) -> MatchOrder:
        """Return these matches and then the others."""
        return MatchOrder(
            np.concatenate([self.positions, other.positions]),
            np.concatenate([self.value, other.value]),
            np.concatenate([self.tier, other.tier]),
            np.concatenate([self.score, other.score]),
        )

    def sorted_by(
        self, sort: str, catalogue: Catalogue, distances: np.ndarray | None
    ) -> MatchOrder:
        """Return the matches in another order; equal values stay in order of relevance.

        Parameters
        ----------
        sort
            One of SORTS.
        catalogue
            The n listings.
        distances
            (n,) kilometres from the place of the search; None without one.

        Raises
        ------
        MarketError
            If there is no such order, or it is "distance" without a place.
        """
        check_sort(sort, has_place=distances is not None)
        if sort == "relevance":
            return self
        value = _sort_values(sort, catalogue, distances)[self.positions]
        order = np.argsort(value, kind="stable")
        return replace(self.take(order), value=value[order])


def check_sort(sort: str, *, has_place: bool) -> None:
    """Raise MarketError if there is no such order, or it is "distance" without a place."""
    if sort not in SORTS:
        raise MarketError(f"sort is {sort!r:.60}: use one of {', '.join(SORTS)}")
    if sort == "distance" and not has_place:
        raise MarketError(
            "sort=distance needs a place to measure from: give near, or latitude and longitude"
        )


def best_first(scores: np.ndarray, positions: np.ndarray, catalogue: Catalogue) -> np.ndarray:
    """Return the indices (m,) of listings by descending score, equal ones by product id."""
    order = np.argsort(-scores, kind="stable")
    in_order = scores[order]
    if (in_order[1:] == in_order[:-1]).any():
        order = np.lexsort((_id_ranks(positions, catalogue), -scores))
    return order


def _id_ranks(positions: np.ndarray, catalogue: Catalogue) -> np.ndarray:
    """Return numbers (m,) in the order of the product ids of listings."""
    if len(positions) > FEW:
        return catalogue.id_rank[positions]
    ids = catalogue.ids(positions)
    ranks = np.empty(len(ids), np.int64)
    ranks[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
    return ranks


def _sort_values(sort: str, catalogue: Catalogue, distances: np.ndarray | None) -> np.ndarray:
    """Return (n,) float: what to sort by in ascending order, infinite if unknown."""
    if sort == "newest":
        value = np.where(
            np.isnat(catalogue.created), np.nan, -catalogue.created.astype("int64").astype(float)
        )
    elif sort == "distance":
        assert distances is not None  # check_sort
        value = distances.astype(float)
    else:
        value = catalogue.price if sort == "price" else -catalogue.price
    return np.where(np.isnan(value), np.inf, value)
