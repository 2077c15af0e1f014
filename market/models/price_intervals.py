"""Conformal prediction intervals for prices.

Conformalised quantile regression (Romano et al. 2019) adds one margin to both bounds. The margin is
as large as it must be for the share `coverage` of the out-of-fold prices to lie within the bounds.

The guarantee: if the groups of new listings are exchangeable with those of the calibration, the
same share of new prices lies within their intervals, on average over all listings. It holds
approximately, because the models that calibrate were fitted on fewer listings than the final one.
It does not hold for a single category, price range or listing, nor once prices or listings have
drifted. The margin is the same above and below, so the two tails need not be equal. With fewer than
1 / (1 - coverage) listings the margin is the largest miss, which covers less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from market.core.settings import Regress

# Predictions are never extrapolated beyond 10 million, the highest price on record in pounds, or
# ten times the highest price of the listings: in Vietnamese dong, a bicycle costs millions.
MAX_LOG = float(np.log1p(1e7))
MAX_EXTRAPOLATION = float(np.log(10))


@dataclass(frozen=True)
class Margins:
    """What is added to both bounds, in log(1 + £).

    Parameters
    ----------
    interval
        For the prediction interval.
    flag
        For the bounds outside of which a price is flagged.
    max_log
        The highest prediction or bound.
    """

    interval: float
    flag: float
    max_log: float = MAX_LOG

    @classmethod
    def calibrate(cls, misses: np.ndarray, settings: Regress, highest: float = 0.0) -> Margins:
        """Calibrate both margins on out-of-fold misses.

        Parameters
        ----------
        misses
            (n,) how far each price lies outside of its bounds, in log(1 + £); negative inside,
            NaN: unknown, and ignored.
        settings
            Section `regress` of params.yaml: `coverage` and `flagged_share`.
        highest
            The highest price that was learned from, as log(1 + £).
        """
        known = misses[~np.isnan(misses)]
        return cls(
            conformal_margin(known, settings.coverage),
            conformal_margin(known, 1 - settings.flagged_share),
            max(MAX_LOG, highest + MAX_EXTRAPOLATION),
        )


def conformal_margin(misses: np.ndarray, coverage: float) -> float:
    """Return the margin that covers the share `coverage` of prices, corrected for a finite sample.

    `misses` (n,) are in log(1 + £), without NaN. Without any, the margin covers every price.

    Examples
    --------
    >>> conformal_margin(np.arange(99.0), coverage=0.8)
    80.0
    """
    if not len(misses):
        return MAX_LOG
    level = min(1.0, np.ceil((len(misses) + 1) * coverage) / len(misses))
    return float(np.quantile(misses, level, method="higher"))


def miss(log_price: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return how far each price lies outside of its bounds, (n,); negative inside.

    Examples
    --------
    >>> miss(np.array([1.0, 2.5, 5.0]), low=np.array([2.0] * 3), high=np.array([3.0] * 3))
    array([ 1. , -0.5,  2. ])
    """
    return np.maximum(low - log_price, log_price - high)


def equal_bounds(log_price: np.ndarray, index: pd.Index) -> pd.DataFrame:
    """Return predictions (n,) as `price`, and as `low` and `high`: bounds of width zero."""
    return pd.DataFrame(dict.fromkeys(("price", "low", "high"), log_price), index)


def to_pounds(logs: pd.DataFrame, margins: Margins) -> pd.DataFrame:
    """Widen the bounds by the margins, and convert everything from log(1 + £) to pounds.

    Parameters
    ----------
    logs
        With the columns `price`, `low`, `high` and any others, n rows.
    margins
        Of these predictions.

    Returns
    -------
    pd.DataFrame
        `price`, `price_low` and `price_high` (the interval), `flag_below` and `flag_above`
        (outside of them a price is flagged), and the other columns of `logs`. From £0 to the
        highest of `margins`, in whole pence.

    Examples
    --------
    >>> logs = np.log1p(pd.DataFrame({"price": [99.0], "low": [49.0], "high": [199.0]}))
    >>> pounds = to_pounds(logs, Margins(interval=0.0, flag=np.log(2)))
    >>> pounds.iloc[0].to_dict()
    {'price': 99.0, 'price_low': 49.0, 'price_high': 199.0, 'flag_below': 24.0, 'flag_above': 399.0}
    """
    low, high, price = logs["low"], logs["high"], logs["price"]
    bounds = {
        "price": price,
        "price_low": np.minimum(low - margins.interval, price),
        "price_high": np.maximum(high + margins.interval, price),
        "flag_below": low - margins.flag,
        "flag_above": high + margins.flag,
    }
    others = logs.drop(columns=["price", "low", "high"])
    pounds = np.expm1(pd.DataFrame(bounds).join(others).clip(0, margins.max_log))
    # Rounded, so that a price equal to its bound is not outside of it by a floating-point error.
    return pounds.round(2)
