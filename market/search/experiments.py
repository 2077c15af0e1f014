"""Experiments between two rankers: which variant a user gets, and what the variants achieved.

Variant A is the ranker that served before, variant B the new one. In a split each user has one of
the two. With interleaving ("A+B") each answer mixes both rankings, and each shown listing belongs
to the team of one of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from market.search.sequential import ALPHA, Estimate, Interval, ratio_of_sums

A, B, INTERLEAVED = "A", "B", "A+B"
BUY = "buy"

# The effects that the intervals are narrowest for; others only make them a little wider.
RELATIVE_SCALE = 0.2  # of a rate, as a share of it
PREFERENCE_SCALE = 0.1  # of the share of interleaved searches that B wins


def assign_variant(user_id: str, experiment: str, share: float) -> str:
    """Return the variant of a user, always the same one in an experiment.

    Parameters
    ----------
    user_id
        The user.
    experiment
        The name of the experiment. Assignments of two names are independent.
    share
        Of the users that get B, 0 to 1. Users keep B while it grows.
    """
    key = hashlib.sha256(experiment.encode()).digest()
    digest = hashlib.blake2b(user_id.encode("utf-8", "surrogatepass"), digest_size=8, key=key)
    return B if int.from_bytes(digest.digest(), "big") < share * 2**64 else A


@dataclass(frozen=True)
class Comparison:
    """A rate of both variants, and the difference between them.

    Attributes
    ----------
    metric
        The name of the rate.
    a, b
        The rate of each variant.
    difference
        B less A.
    interval
        Of the difference; it holds at every look. None while too little was observed.
    """

    metric: str
    a: Estimate
    b: Estimate
    difference: Estimate
    interval: Interval | None

    @classmethod
    def of(cls, metric: str, a: Estimate, b: Estimate, alpha: float = ALPHA) -> Comparison:
        """Compare the estimates of two variants, which come from different users."""
        difference = b.minus(a)
        pooled = (a.value * a.users + b.value * b.users) / max(a.users + b.users, 1)
        interval = None
        if difference.is_usable:
            interval = difference.always_valid_interval(RELATIVE_SCALE * pooled, alpha)
        return cls(metric, a, b, difference, interval)

    @property
    def verdict(self) -> str:
        """The winner: "A", "B", or "open" while the interval holds 0."""
        return _verdict(self.interval, 0.0)


@dataclass(frozen=True)
class Preference:
    """The share of interleaved searches that B won, among those that one of the two won.

    Attributes
    ----------
    searches
        Interleaved searches, those without a winner included.
    wins_a, wins_b
        Searches in which more listings of the one team than of the other were clicked.
    share
        `wins_b` by both together; 0.5 means that users prefer neither.
    interval
        Of the share; it holds at every look. None while too little was observed.
    """

    searches: int
    wins_a: int
    wins_b: int
    share: Estimate
    interval: Interval | None

    @property
    def verdict(self) -> str:
        """The winner: "A", "B", or "open" while the interval holds 0.5."""
        return _verdict(self.interval, 0.5)


def _verdict(interval: Interval | None, equal: float) -> str:
    if interval is None or not interval.excludes(equal):
        return "open"
    return B if interval.low > equal else A


@dataclass(frozen=True)
class ExperimentResults:
    """What an experiment has found so far.

    Attributes
    ----------
    users, searches
        The number of users and searches of each variant. Searches without a user are left out,
        because they always get A.
    share_p_value
        The p-value of the hypothesis that users were assigned with the share of the experiment.
        Below 0.001 something is wrong with the assignment or the recording, and nothing else here
        can be trusted. None without users in a split.
    comparisons
        The rates of a split, by metric; empty until both variants have users.
    preference
        Of interleaved searches; None without any.
    """

    users: dict[str, int]
    searches: dict[str, int]
    share_p_value: float | None
    comparisons: list[Comparison]
    preference: Preference | None

    @classmethod
    def of(
        cls,
        searches: pd.DataFrame,
        clicks: pd.DataFrame,
        *,
        share: float,
        alpha: float = ALPHA,
    ) -> ExperimentResults:
        """Compare the variants on the recorded searches of one experiment.

        Parameters
        ----------
        searches
            `search_id`, `user_id`, `variant`, `product_ids`, and `teams` if some are interleaved.
        clicks
            `search_id`, `product_id` and `event` of the events on listings that a search showed.
        share
            Of the users that were to get B.
        alpha
            The probability that an interval ever excludes the true value.
        """
        searches = searches[searches["user_id"].notna()]
        split = searches[searches["variant"].isin([A, B])]
        users = split.groupby("variant")["user_id"].nunique().reindex([A, B], fill_value=0)
        mixed = searches[searches["variant"] == INTERLEAVED]
        counts = searches["variant"].value_counts()
        return cls(
            {**users, INTERLEAVED: mixed["user_id"].nunique()},
            {name: int(counts.get(name, 0)) for name in (A, B, INTERLEAVED)},
            _share_p_value(int(users[A]), int(users[B]), share),
            compare_rates(split, clicks, alpha) if users.min() else [],
            prefer(mixed, clicks, alpha) if len(mixed) else None,
        )


def _share_p_value(users_a: int, users_b: int, share: float) -> float | None:
    if users_a + users_b == 0 or not 0 < share < 1:
        return None
    return float(stats.binomtest(users_b, users_a + users_b, share).pvalue)


def compare_rates(
    searches: pd.DataFrame, clicks: pd.DataFrame, alpha: float = ALPHA
) -> list[Comparison]:
    """Compare how many searches of A and B led to a click, and to a purchase.

    Parameters are as for `ExperimentResults.of`; every search has a user, and variant A or B.
    """
    bought = clicks.loc[clicks["event"] == BUY, "search_id"]
    outcomes = pd.DataFrame(
        {
            "searches": 1.0,
            "click_through_rate": searches["search_id"].isin(clicks["search_id"]),
            "conversion_rate": searches["search_id"].isin(bought),
        },
        index=searches.index,
    )
    totals = outcomes.groupby([searches["variant"], searches["user_id"]]).sum()
    totals_a, totals_b = totals.loc[A], totals.loc[B]
    return [
        Comparison.of(
            metric,
            ratio_of_sums(totals_a[metric], totals_a["searches"]),
            ratio_of_sums(totals_b[metric], totals_b["searches"]),
            alpha,
        )
        for metric in ("click_through_rate", "conversion_rate")
    ]


def prefer(searches: pd.DataFrame, clicks: pd.DataFrame, alpha: float = ALPHA) -> Preference:
    """Count the interleaved searches that each team won.

    Parameters are as for `ExperimentResults.of`; every search has a user and `teams`.

    References
    ----------
    Radlinski, Kurup and Joachims, "How does clickthrough data reflect retrieval quality?", 2008.
    """
    shown = searches[["search_id", "user_id", "product_ids", "teams"]].explode(
        ["product_ids", "teams"]
    )
    clicked = clicks[["search_id", "product_id"]].drop_duplicates()
    shown = shown.merge(
        clicked, left_on=["search_id", "product_ids"], right_on=["search_id", "product_id"]
    )
    lead = np.where(shown["teams"] == B, 1, np.where(shown["teams"] == A, -1, 0))
    leads = pd.Series(lead, shown.index).groupby([shown["user_id"], shown["search_id"]]).sum()
    decided = leads[leads != 0]
    by_user = (decided > 0).groupby(level="user_id").agg(["sum", "count"])
    wins_b, decided_count = int(by_user["sum"].sum()), int(by_user["count"].sum())
    share = ratio_of_sums(by_user["sum"].to_numpy(), by_user["count"].to_numpy())
    interval = share.always_valid_interval(PREFERENCE_SCALE, alpha)
    return Preference(len(searches), decided_count - wins_b, wins_b, share, interval)


def summarize(results: ExperimentResults) -> dict[str, Any]:
    """Return the results as numbers, texts and lists, None for what is not known yet."""

    def described(estimate: Estimate) -> dict[str, Any]:
        known = np.isfinite(estimate.value)
        return {
            "value": estimate.value if known else None,
            "standard_error": estimate.standard_error if known else None,
            "users": estimate.users,
        }

    preference = results.preference
    return {
        "users": results.users,
        "searches": results.searches,
        "share_p_value": results.share_p_value,
        "comparisons": [
            {
                "metric": each.metric,
                "a": described(each.a),
                "b": described(each.b),
                "difference": described(each.difference),
                "interval": each.interval,
                "verdict": each.verdict,
            }
            for each in results.comparisons
        ],
        "interleaving": None
        if preference is None
        else {
            "searches": preference.searches,
            "wins_a": preference.wins_a,
            "wins_b": preference.wins_b,
            "share": described(preference.share),
            "interval": preference.interval,
            "verdict": preference.verdict,
        },
    }
