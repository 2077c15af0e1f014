"""Estimates of experiments, with intervals that hold at one look or at every look.

The unit is the user: all that a user does counts as one observation, so a user's searches may
depend on one another. Two intervals are on offer. `interval` holds at one moment that was chosen
before the experiment. `always_valid_interval` holds at all moments together: whoever looks at it
daily, and stops when it excludes 0, is wrong no more often than at `alpha`.

References
----------
Johari, Koomen, Pekelis and Walsh, "Always valid inference: continuous monitoring of A/B tests",
2022. Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and
asymptotic confidence sequences", 2024. Deng, Knoblich and Lu, "Applying the delta method in metric
analytics", 2018.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

ALPHA = 0.05  # the share of experiments without an effect in which an interval may exclude it
MIN_USERS = 20  # users with a positive count, below which no normal approximation is trusted


class Interval(NamedTuple):
    """A confidence interval; both bounds belong to it."""

    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Return whether a value lies outside the interval."""
        return not self.low <= value <= self.high


class Estimate(NamedTuple):
    """An estimate with its standard error.

    Attributes
    ----------
    value
        The estimate; NaN where nothing was observed.
    standard_error
        Of the value, with users as the unit; NaN where it cannot be estimated.
    users
        The number of users that it comes from.
    is_usable
        Whether enough users were observed for an interval.
    """

    value: float
    standard_error: float
    users: int
    is_usable: bool

    def interval(self, alpha: float = ALPHA) -> Interval | None:
        """Return the interval for one look; None if the estimate is not usable."""
        if not self.is_usable:
            return None
        width = NormalDist().inv_cdf(1 - alpha / 2) * self.standard_error
        return Interval(self.value - width, self.value + width)

    def always_valid_interval(self, scale: float, alpha: float = ALPHA) -> Interval | None:
        """Return the interval that holds at all looks together; None if it is not usable.

        It inverts the mixture sequential probability ratio test whose mixture over effects is
        normal with the standard deviation `scale`. The interval is narrowest, relative to the
        one for a single look, when it can just show an effect of this size.

        Parameters
        ----------
        scale
            The effect that is worth to be found, in the unit of the value, chosen before the
            experiment. Any positive number is valid.
        alpha
            The probability that the interval ever excludes the true value.
        """
        if not self.is_usable:
            return None
        variance, mixture = self.standard_error**2, scale**2
        log_bound = math.log1p(mixture / variance) - 2 * math.log(alpha)
        width = math.sqrt(variance * (1 + variance / mixture) * log_bound)
        return Interval(self.value - width, self.value + width)

    def minus(self, other: Estimate) -> Estimate:
        """Return the difference to an estimate from other users."""
        return Estimate(
            self.value - other.value,
            math.hypot(self.standard_error, other.standard_error),
            self.users + other.users,
            self.is_usable and other.is_usable,
        )


def ratio_of_sums(numerators: np.ndarray, denominators: np.ndarray) -> Estimate:
    """Estimate a ratio of sums over users, such as clicks by searches.

    Parameters
    ----------
    numerators, denominators
        (users,) counts of each user, at least 0.

    Returns
    -------
    Estimate
        Not usable with fewer than MIN_USERS users who have a positive numerator.
    """
    numerators = np.asarray(numerators, float)
    denominators = np.asarray(denominators, float)
    users, total = len(denominators), denominators.sum()
    if users < 2 or total == 0:
        return Estimate(np.nan, np.nan, users, False)
    value = numerators.sum() / total
    residuals = (numerators - value * denominators) / denominators.mean()
    error = float(np.sqrt(np.square(residuals).sum() / (users - 1) / users))
    is_usable = int((numerators > 0).sum()) >= MIN_USERS and error > 0
    return Estimate(float(value), error, users, is_usable)
