"""The report of an offline replay: estimates for clicks and purchases, and their limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from market.core.errors import MarketError
from market.core.paths import SEARCH_INDEX, SEARCHES
from market.data.holdouts import histories_at
from market.search.cases import sample_rows
from market.search.click_metrics import (
    MIN_EXAMINATION,
    corrected_ndcg,
    reranking_gains,
    surplus_clicks,
)
from market.search.collaborative import EVENT_WEIGHTS
from market.search.engine import Engine
from market.search.impressions import Impressions, read_filters
from market.search.position_model import Examination, fit_attraction, fit_examination
from market.search.ranker import Ranker
from market.search.ranking_models import RankingModels
from market.search.replay import (
    MIN_EFFECTIVE,
    MIN_SUPPORT,
    Reordering,
    ReplayEstimate,
    estimate_by_matches,
    estimate_by_places,
    estimate_shown,
    logged_propensities,
    match_support,
    with_examination_error,
)

MIN_QUERIES = 20  # with a click
MIN_LOWER_CLICKS = 0.05  # share of clicks that are not at the first place
MIN_EXPLORED = 100  # searches with logged propensities, below which matches say nothing
SUPPORT_SEARCHES = 200  # that are searched again to see what the new models would show


@dataclass(frozen=True, eq=False)
class ReplayRow:
    """An estimate of a reward, and its difference to the order that it is compared with.

    Attributes
    ----------
    reward
        Its name.
    estimate
        For the new order.
    difference
        To the order that it is compared with; None if it is the same for both.
    has_interval
        Whether at least MIN_QUERIES queries had the reward. With fewer, the searches may look alike
        by chance, and an interval would be too narrow.
    """

    reward: str
    estimate: ReplayEstimate
    difference: ReplayEstimate | None
    has_interval: bool


@dataclass(frozen=True, eq=False)
class ReplayReport:
    """The result of a replay.

    Attributes
    ----------
    rows
        By reward and estimator.
    compared_with
        What the differences are to.
    searches, queries
        Numbers of what the estimates come from.
    examination
        (places,) as fitted to the log.
    effective_clicks
        As `Reordering.effective_clicks`.
    support
        The share of the first places of the new models that the log has shown.
    warnings
        What makes the estimates doubtful.
    """

    rows: list[ReplayRow]
    compared_with: str
    searches: int
    queries: int
    examination: np.ndarray
    effective_clicks: float
    support: float
    warnings: list[str]

    def summary(self) -> dict[str, Any]:
        """Return the report as numbers and texts."""

        def described(estimate: ReplayEstimate, has_interval: bool) -> dict[str, Any]:
            value, interval = estimate.estimate, estimate.interval
            has_interval = has_interval and bool(np.isfinite(interval).all())
            return {
                "value": value.value if np.isfinite(value.value) else None,
                "standard_error": value.standard_error if has_interval else None,
                "interval": [*interval] if has_interval else None,
                "queries": value.users,
            }

        return {
            "compared_with": self.compared_with,
            "searches": self.searches,
            "queries": self.queries,
            "examination": self.examination.tolist(),
            "effective_clicks": self.effective_clicks,
            "support": self.support,
            "warnings": self.warnings,
            "estimates": [
                {
                    "reward": row.reward,
                    "estimator": row.estimate.name,
                    "new": described(row.estimate, row.has_interval),
                    "difference": None
                    if row.difference is None
                    else described(row.difference, row.has_interval),
                }
                for row in self.rows
            ],
        }


def replay(
    engine: Engine,
    new: RankingModels,
    old: RankingModels | None,
    searches: pd.DataFrame,
    clicks: pd.DataFrame,
    log: pd.DataFrame,
    *,
    k: int,
    max_searches: int,
    seed: int,
) -> ReplayReport:
    """Replay the logged searches with new models.

    Parameters
    ----------
    engine
        Over the listings.
    new, old
        The models, and those to compare with; None compares with the order that was shown.
    searches, clicks, log
        As for `Impressions.collect`.
    k
        The first places that count.
    max_searches, seed
        Of more searches, so many are drawn with the seed, which the folds depend on as well.

    Raises
    ------
    MarketError
        If no search has a click on a listing of the engine.
    """

    def collect(models: RankingModels) -> Impressions:
        return Impressions.collect(
            engine.with_models(models), searches, clicks, log, max_searches=max_searches, seed=seed
        )

    impressions = collect(new)
    if not impressions.clicked.any():
        raise MarketError(
            f"{SEARCHES}: no search in words has a click on a listing of {SEARCH_INDEX} that no "
            "rule placed, so there is nothing to replay: collect more searches, or check that the "
            "log and the listings belong together"
        )
    examination = fit_examination(impressions, Ranker.prior(), seed=seed)
    clicked = (impressions.gain > 0).astype(float)
    orders = [
        Reordering.by_scores(impressions, scores, clicked, examination.values, k=k)
        for scores in (
            new.ranker.predict(impressions.features),
            -impressions.place.astype(float)
            if old is None
            else old.ranker.predict(collect(old).features),
        )
    ]
    propensity = logged_propensities(impressions, searches)
    support = shown_share(engine.with_models(new), searches, log, k=k, seed=seed)
    return ReplayReport(
        _rows(orders, examination, propensity, seed=seed),
        "the order that was shown" if old is None else "the models of --baseline",
        len(impressions),
        len(np.unique(impressions.query)),
        examination.values,
        orders[0].effective_clicks,
        support,
        _warnings(orders[0], propensity, support),
    )


def _rows(
    orders: list[Reordering], examination: Examination, propensity: np.ndarray, *, seed: int
) -> list[ReplayRow]:
    """Return all estimates for the first order, less those for the second.

    The difference of "shown" is unknown: it is the same for both.
    """
    impressions, k = orders[0].impressions, orders[0].k
    rows: list[ReplayRow] = []
    for name, least in (("clicks", 0.0), ("purchases", EVENT_WEIGHTS["buy"] - 1e-9)):
        reward = (impressions.gain > least).astype(float)
        has_interval = _rewarded_queries(impressions, reward) >= MIN_QUERIES
        attraction = fit_attraction(impressions, reward, examination.values, seed=seed)
        new, other = (
            _estimates(replace(order, reward=reward), examination, propensity, attraction)
            for order in orders
        )
        rows += [
            ReplayRow(
                f"{name}@{k}", one, None if one.name == "shown" else one.minus(two), has_interval
            )
            for one, two in zip(new, other, strict=True)
        ]
    has_interval = _rewarded_queries(impressions, impressions.gain) >= MIN_QUERIES
    new, other = (_estimate_order(order, examination) for order in orders)
    return rows + [
        ReplayRow(measure, one, one.minus(two), has_interval)
        for measure, one, two in zip(("ndcg@10", "rise"), new, other, strict=True)
    ]


def _rewarded_queries(impressions: Impressions, reward: np.ndarray) -> int:
    """Return the number of queries with a reward (n,) on a shown listing."""
    searches = impressions.search[reward > 0]
    return len(np.unique(impressions.query[searches]))


def _estimates(
    order: Reordering, examination: Examination, propensity: np.ndarray, attraction: np.ndarray
) -> list[ReplayEstimate]:
    """Return the estimates for an order: those by matches only with enough exploration."""

    def by_places(values: np.ndarray) -> list[ReplayEstimate]:
        return estimate_by_places(replace(order, examination=values), attraction)

    everywhere = np.ones(len(order.impressions), bool)
    estimates = [
        estimate_shown(order),
        *with_examination_error(by_places, examination, everywhere),
    ]
    explored = _explored(order.impressions, propensity)
    if explored.sum() >= MIN_EXPLORED:
        part, rows = order.select(explored), explored[order.impressions.search]

        def by_matches(values: np.ndarray) -> list[ReplayEstimate]:
            return estimate_by_matches(
                replace(part, examination=values), propensity[rows], attraction[rows]
            )

        estimates += with_examination_error(by_matches, examination, explored)
    return estimates


def _estimate_order(order: Reordering, examination: Examination) -> list[ReplayEstimate]:
    """Return the estimate `corrected` of an order's NDCG@10, and `by_query` of its rise.

    The first is the mean of `corrected_ndcg`. The second is the measure by which a log is accepted,
    `reranking_gains`: how far clicks rise from an order by chance.
    """
    impressions, scores = order.impressions, -order.new_place.astype(float)
    is_used = examination.values >= MIN_EXAMINATION

    def corrected(values: np.ndarray) -> list[ReplayEstimate]:
        used = np.where(is_used, np.maximum(values, MIN_EXAMINATION), 0.0)
        ndcg = corrected_ndcg(impressions, scores, used)
        return [ReplayEstimate("corrected", ndcg, impressions.query)]

    gains = reranking_gains(impressions, scores, np.zeros(len(scores)), surplus_clicks(impressions))
    # A query counts once, however often it is searched.
    query = np.unique(impressions.query, return_inverse=True)[1]
    per_query = len(query) / (query.max() + 1) / np.bincount(query)[query]
    by_query = gains.mean() + (gains - gains.mean())[query] * per_query
    everywhere = np.ones(len(impressions), bool)
    return [
        *with_examination_error(corrected, examination, everywhere),
        ReplayEstimate("by_query", by_query, impressions.query),
    ]


def _explored(impressions: Impressions, propensity: np.ndarray) -> np.ndarray:
    """Return (searches,) bool: which searches have logged propensities for all their listings."""
    missing = np.isnan(propensity)
    return np.bincount(impressions.search, missing, minlength=len(impressions)) == 0


def shown_share(
    engine: Engine, searches: pd.DataFrame, log: pd.DataFrame, *, k: int, seed: int
) -> float:
    """Return the share of an engine's first k listings that logged searches have shown.

    Parameters
    ----------
    engine
        With the new models.
    searches, log
        As for `Impressions.collect`; only first pages in words count.
    k
        Cut to the length of the page that was shown.
    seed
        Of the draw of SUPPORT_SEARCHES searches.
    """
    first = (searches["offset"] == 0) & (searches["kind"] == "search") & (searches["query"] != "")
    chosen = searches[first & (searches["product_ids"].map(len) > 0)]
    chosen = chosen.sort_values("timestamp", kind="stable")
    chosen = chosen.iloc[sample_rows(np.arange(len(chosen)), SUPPORT_SEARCHES, seed)]
    engine.encode_ahead(chosen["query"].unique().tolist())
    histories = histories_at(log, chosen["user_id"], chosen["timestamp"])
    shown = total = 0
    for search, history in zip(chosen.itertuples(), histories, strict=True):
        limit = min(k, len(search.product_ids))
        filters = read_filters(search.filters)
        hits = engine.search(search.query, history=history, filters=filters, limit=limit).hits
        shown += sum(hit.product_id in search.product_ids for hit in hits)
        total += len(hits)
    return shown / total if total else 0.0


def _warnings(order: Reordering, propensity: np.ndarray, support: float) -> list[str]:
    """Return what makes the estimates doubtful."""
    warnings = []
    impressions, k = order.impressions, order.k
    clicked_queries = _rewarded_queries(impressions, impressions.gain)
    if clicked_queries < MIN_QUERIES:
        warnings.append(
            f"the log has clicks for {clicked_queries} queries, and an interval needs "
            f"{MIN_QUERIES}: none is given"
        )
    if order.effective_clicks < MIN_EFFECTIVE:
        warnings.append(
            f"the clicks count like {order.effective_clicks:.0f} equally weighted ones, and "
            f"{MIN_EFFECTIVE} are needed: collect more searches before you decide"
        )
    lower = float(order.reward[impressions.place > 0].sum() / max(order.reward.sum(), 1))
    if lower < MIN_LOWER_CLICKS:
        warnings.append(
            f"only {lower:.1%} of the clicks are below the first place: the log does not tell "
            "whether listings there are good; serve the models as variant B instead"
        )
    if support < MIN_SUPPORT:
        warnings.append(
            f"the log has shown only {support:.0%} of the first {k} listings of the new models: "
            "the estimates are for another order of what was shown; serve the models as variant B "
            "to know the rest"
        )
    explored = _explored(impressions, propensity)
    if explored.sum() < MIN_EXPLORED:
        warnings.append(
            f"{explored.sum()} searches have exploration, and estimates by matches need "
            f"{MIN_EXPLORED}: without it the estimates rely on the fitted examination of places, "
            "which is biased if no feature shows what users like and listings keep their places"
        )
    elif (
        share := match_support(order.select(explored), propensity[explored[impressions.search]])
    ) < MIN_SUPPORT:
        warnings.append(
            f"exploration could show only {share:.0%} of the new order's first places, because "
            "it moves listings by one place: estimates by matches are for these places alone"
        )
    return warnings
