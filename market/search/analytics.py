"""Rates of clicks, conversions, empty results and reformulations of logged searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import ndtri

from market.search.search_outcomes import OUTCOME_COLUMNS, search_outcomes

MIN_USERS = 5  # a query of fewer users may be private, and its rates are chance
OTHER = "other"  # stands for the pooled queries
CONFIDENCE = 0.95

# The rates, and the columns of `search_outcomes` that they are the means of.
RATES = {
    "ctr": "clicked",
    "conversion": "converted",
    "zero_results": "without_results",
    "reformulation": "reformulated",
}
Grouping = Literal["day", "query", "variant"]


@dataclass(frozen=True, eq=False)
class SearchAnalytics:
    """What became of the searches of a log.

    Attributes
    ----------
    outcomes
        A row for each search, as from `search_outcomes`.
    """

    outcomes: pd.DataFrame

    @classmethod
    def of(cls, searches: pd.DataFrame, clicks: pd.DataFrame) -> SearchAnalytics:
        """Return the analytics of a log; the parameters are as for `search_outcomes`."""
        return cls(search_outcomes(searches, clicks))

    @classmethod
    def join(cls, parts: Sequence[SearchAnalytics]) -> SearchAnalytics:
        """Return the analytics of the searches of all parts, such as days."""
        frames = [part.outcomes for part in parts if len(part.outcomes)]
        if not frames:
            return cls(pd.DataFrame(columns=OUTCOME_COLUMNS))
        return cls(pd.concat(frames, ignore_index=True))

    def rates(self, by: Grouping | None = None, *, min_users: int = MIN_USERS) -> pd.DataFrame:
        """Return the rates of each kind of search, and of each group of its searches.

        Parameters
        ----------
        by
            Group by day (UTC), by normalised query or by variant; None: by kind alone.
        min_users
            Queries of a kind that fewer different users asked are pooled into one group, OTHER. A
            search without a user counts for no user.

        Returns
        -------
        pandas.DataFrame
            Ordered by kind, then by group; queries by their number of searches. Columns: kind; the
            name of the grouping; pooled, if by query: the number of queries in OTHER, else 0;
            searches and users: their numbers. For each of RATES: its value, NAME_n searches that
            it counts, and the 95 % Wilson interval from NAME_low to NAME_high. click_place: mean
            place of the first click, with click_place_n clicks and the 95 % interval of the mean.
            Values are NaN if nothing was counted.

            ctr: share of searches with a click on what they showed. conversion: share with a
            message or a purchase on what they showed. zero_results: share without a match.
            reformulation: share of the searches of known users that are followed within 5 minutes
            by another query, without a click in between.
        """
        rows = self.outcomes
        keys = ["kind"]
        if by == "day":
            rows = rows.assign(day=rows["timestamp"].astype("datetime64[us]").dt.normalize())
        if by is not None:
            keys.append(by)
        if by == "query":
            rows = _pool_rare(rows, min_users)
            keys.append("pooled")  # keeps OTHER apart from the word "other" as a query
        grouped = rows.groupby(keys, sort=True)
        table = pd.DataFrame({"searches": grouped.size(), "users": grouped["user_id"].nunique()})
        for name, column in RATES.items():
            values = grouped[column]
            n, positive = values.count().to_numpy(), values.sum().to_numpy(float)
            low, high = wilson_interval(positive, n)
            table[name] = np.divide(positive, n, out=np.full(len(n), np.nan), where=n > 0)
            table[f"{name}_n"] = n
            table[f"{name}_low"], table[f"{name}_high"] = low, high
        table = _with_click_place(table, grouped["first_place"]).reset_index()
        if by == "day":
            table["day"] = table["day"].dt.strftime("%Y-%m-%d")
        if by == "query":
            table = table.sort_values(
                ["kind", "searches", "query"], ascending=[True, False, True], ignore_index=True
            )
        return table

    def queries_without_results(self, *, min_users: int = MIN_USERS) -> pd.DataFrame:
        """Return the queries in words that found nothing, the most frequent first.

        Parameters
        ----------
        min_users
            Queries that fewer different users asked without results are left out.

        Returns
        -------
        pandas.DataFrame
            query; searches: the searches of it without results; users: of these; last_seen: the
            time of the last of them (UTC); share: the share of all searches of the query;
            with_filters: how many of them had filters, which may be why they found nothing.
        """
        asked = self.outcomes
        asked = asked[asked["kind"].eq("search") & asked["query"].ne("")]
        grouped = asked[asked["without_results"].eq(1)].groupby("query", sort=True)
        table = pd.DataFrame(
            {
                "searches": grouped.size(),
                "users": grouped["user_id"].nunique(),
                "last_seen": grouped["timestamp"].max(),
                "with_filters": grouped["has_filters"].sum().astype(int),
            }
        )
        table.insert(3, "share", table["searches"] / asked["query"].value_counts())
        table = table[table["users"] >= min_users].reset_index()
        return table.sort_values(
            ["searches", "users", "query"], ascending=[False, False, True], ignore_index=True
        )


def wilson_interval(positive: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % Wilson intervals of shares.

    Parameters
    ----------
    positive, n
        (groups,) numbers of positive and of all cases.

    Returns
    -------
    low, high
        (groups,) bounds; NaN without cases.

    Examples
    --------
    >>> low, high = wilson_interval(np.array([1]), np.array([10]))
    >>> print(f"{low[0]:.3f} {high[0]:.3f}")
    0.018 0.404
    """
    z = ndtri((1 + CONFIDENCE) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = positive / n
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # Rounding must not leave a share of 0 or 1 outside its interval.
    low = np.where(positive == 0, 0, np.clip(centre - half, 0, 1))
    high = np.where(positive == n, 1, np.clip(centre + half, 0, 1))
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


def _pool_rare(rows: pd.DataFrame, min_users: int) -> pd.DataFrame:
    """Return the rows with OTHER in place of rare queries, and the number of pooled queries.

    An empty query is no secret, so it stays.
    """
    users = rows.groupby(["kind", "query"])["user_id"].transform("nunique")
    is_rare = (users < min_users) & rows["query"].ne("")
    pooled = rows["query"].where(is_rare).groupby(rows["kind"]).transform("nunique")
    return rows.assign(
        query=rows["query"].mask(is_rare, OTHER), pooled=pooled.where(is_rare, 0).astype(int)
    )


def _with_click_place(table: pd.DataFrame, places: pd.api.typing.SeriesGroupBy) -> pd.DataFrame:
    """Return the table with the mean place of the first click, and the interval of the mean."""
    n, mean = places.count(), places.mean()
    margin = ndtri((1 + CONFIDENCE) / 2) * places.std() / np.sqrt(n)
    return table.assign(
        click_place=mean,
        click_place_n=n,
        click_place_low=np.maximum(mean - margin, 1),
        click_place_high=mean + margin,
    )
