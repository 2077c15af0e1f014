"""Price buckets: round bounds that split the prices of a result into similar parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAX_BUCKETS = 6
# From coarse to fine: the first multipliers of a power of ten that give enough different bounds
# win. The bounds of a narrow range of prices, such as 1,000 to 1,100, need the fine ones.
MULTIPLIERS = (
    np.array([1, 2, 5]),
    np.array([1, 1.5, 2, 2.5, 3, 4, 5, 6, 8]),
    np.arange(1, 10, 0.1),
    np.arange(1, 10, 0.01),
    np.arange(1, 10, 0.001),
)


@dataclass(frozen=True)
class PriceBucket:
    """The listings whose price lies between two bounds, which are included.

    Attributes
    ----------
    minimum, maximum
        As the filters `price_min` and `price_max`; None for no bound.
    count
        The number of listings.
    """

    minimum: float | None
    maximum: float | None
    count: int


def price_buckets(prices: np.ndarray, decimals: int = 2) -> list[PriceBucket]:
    """Split prices into at most MAX_BUCKETS buckets with round lower bounds.

    The buckets do not overlap, none is empty, and each known price lies in exactly one. A bucket
    ends one unit of the currency's last decimal below the next one, or at its own highest price if
    that is even closer.

    Parameters
    ----------
    prices
        (n,); NaN if unknown.
    decimals
        Number of decimals of the currency: 2 for pounds, 0 for yen.

    Examples
    --------
    >>> price_buckets(np.array([3, 8, 12, 15, 30, 50, 80, 120, 400]))[:2]
    [PriceBucket(minimum=None, maximum=9.99, count=2), \
PriceBucket(minimum=10.0, maximum=19.99, count=2)]
    """
    prices = np.sort(prices[~np.isnan(prices)])
    if not len(prices):
        return []
    edges = _round_bounds(prices, decimals)
    starts = np.searchsorted(prices, edges, side="left")
    kept = np.concatenate([[True], np.diff(starts) > 0]) & (starts > 0) & (starts < len(prices))
    edges, starts = edges[kept[: len(edges)]], starts[kept[: len(starts)]]
    ends = np.append(starts, len(prices))
    counts = np.diff(np.concatenate([[0], ends]))
    unit = 10.0**-decimals
    # The price before an edge may have more decimals than the currency.
    maxima = [
        max(round(float(edge) - unit, decimals), float(prices[start - 1]))
        for edge, start in zip(edges, starts, strict=True)
    ]
    return [
        PriceBucket(minimum, maximum, int(count))
        for minimum, maximum, count in zip(
            [None, *map(float, edges)], [*maxima, None], counts, strict=True
        )
    ]


def _round_bounds(prices: np.ndarray, decimals: int) -> np.ndarray:
    """Return ascending round bounds near the quantiles of sorted prices."""
    shares = np.arange(1, MAX_BUCKETS) / MAX_BUCKETS
    quantiles = np.quantile(prices, shares)
    quantiles = np.unique(quantiles[(quantiles > prices[0]) & (quantiles <= prices[-1])])
    enough = min(len(quantiles), MAX_BUCKETS // 2)
    edges = np.empty(0)
    for multipliers in MULTIPLIERS:
        edges = np.unique(np.round(_nearest_round(quantiles, multipliers), decimals))
        edges = edges[(edges > prices[0]) & (edges <= prices[-1])]
        if len(edges) >= enough:
            break
    return edges


def _nearest_round(values: np.ndarray, multipliers: np.ndarray) -> np.ndarray:
    """Return the nearest multiple of a power of ten by one of the multipliers for each value."""
    power = 10.0 ** np.floor(np.log10(np.maximum(values, 1e-9)))
    candidates = power[:, None] * np.append(multipliers, 10)
    nearest = np.abs(candidates - values[:, None]).argmin(axis=1)
    return candidates[np.arange(len(values)), nearest]
