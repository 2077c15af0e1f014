"""Fit the ranker to a log of interactions, and to queries with known answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from market.core.stage import progress
from market.data.holdouts import (
    VALIDATION,
    Holdout,
    cutoff_time,
    hold_out_after,
    leave_last_out,
    validation_holdouts,
)
from market.data.language import Language
from market.search.cases import held_out_cases
from market.search.click_logit import Evidence
from market.search.collaborative import CollaborativeModel
from market.search.engine import Engine
from market.search.evaluation_queries import Queries, category_queries, known_item_queries
from market.search.metrics import score_list
from market.search.popularity import Popularity
from market.search.query import Query
from market.search.ranker import Ranker
from market.search.ranking_models import (
    LEAVE_LAST_OUT,
    SPLIT_BY_TIME,
    FittedProtocol,
    RankingModels,
    SearchTest,
)
from market.search.tuning import EVERYTHING, answer_queries, fit_weights

MIN_CHOICES = 30  # choices of users; with fewer the ranker keeps its prior weights
MAX_WINDOWS = 4  # validation holdouts by time that the ranker learns from
RECENT_DAYS = (1, 3, 7, 14, 30, 90)  # windows tried for recent_popular


def fit_collaborative(log: pd.DataFrame) -> CollaborativeModel | None:
    """Return a collaborative model of a log; None for an empty log."""
    return CollaborativeModel.fit(log) if len(log) else None


# --- From a log -----------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Choices:
    """Choices of users, each among the candidates that the engine had at the time.

    Attributes
    ----------
    features
        For each choice a table of the ranker's features, with a row for each candidate.
    relevance
        For each choice (candidates,), 1 for the chosen listing, else 0.
    """

    features: list[pd.DataFrame]
    relevance: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.features)

    def evidence(self, ranker: Ranker) -> Evidence:
        """Sum up what the choices say about the weights of a ranker that was fitted to them."""
        return Evidence.of(self.features, self.relevance, ranker.weights)


def collect_choices(
    engine: Engine, log: pd.DataFrame, holdouts: list[Holdout], *, max_users: int, seed: int
) -> Choices:
    """Return the choices of users in some holdouts, each with the features of its time.

    Parameters
    ----------
    engine
        For each holdout, a model of its training events replaces the engine's collaborative model.
    log
        user_id, product_id, event and timestamp, in order of time; all products are listings.
    holdouts
        Splits of this log. A choice that is no candidate is left out.
    max_users
        The largest number of users of each holdout, drawn with `seed`.
    """
    everything = engine.allowed(EVERYTHING)
    choices = Choices([], [])
    for holdout in holdouts:
        engine = engine.with_collaborative(fit_collaborative(log[holdout.train]))
        cases = held_out_cases(log, holdout, max_cases=max_users, seed=seed)
        for history, chosen, as_of in progress(cases, desc="collect choices", unit="user"):
            unseen = everything & ~engine.already_seen(history)
            rows, features = engine.candidates(Query(), unseen, history, as_of=as_of)
            is_chosen = engine.listings["product_id"].iloc[rows].isin(chosen).to_numpy()
            if is_chosen.any():
                choices.features.append(features)
                choices.relevance.append(is_chosen.astype(int))
    return choices


def learn_ranker(choices: Choices, *, seed: int) -> Ranker | None:
    """Return a ranker learned from choices; None if there are fewer than MIN_CHOICES."""
    if len(choices) < MIN_CHOICES:
        return None
    return Ranker.fit(
        pd.concat(choices.features, ignore_index=True),
        np.concatenate(choices.relevance),
        np.repeat(np.arange(len(choices)), [len(table) for table in choices.features]),
        seed=seed,
    )


def choose_recent_days(
    log: pd.DataFrame, holdouts: list[Holdout], *, max_users: int, seed: int
) -> float:
    """Return the window of RECENT_DAYS whose most popular products have the best NDCG@10.

    Parameters
    ----------
    log, holdouts, max_users, seed
        As for `collect_choices`.
    """
    totals = np.zeros(len(RECENT_DAYS))
    for holdout in holdouts:
        popularity = Popularity(log[holdout.train])
        for case in held_out_cases(log, holdout, max_cases=max_users, seed=seed):
            seen = set(case.history["product_id"])
            for number, days in enumerate(RECENT_DAYS):
                ranking = popularity.ranking(case.as_of, days)
                unseen = [product_id for product_id in ranking if product_id not in seen]
                totals[number] += score_list(unseen, set(case.chosen))["ndcg@10"]
    return RECENT_DAYS[int(totals.argmax())]


def fit_protocols(
    engine: Engine, log: pd.DataFrame, *, test_share: float, max_users: int, seed: int
) -> dict[str, FittedProtocol]:
    """Fit the models of each evaluation protocol that a log allows.

    SPLIT_BY_TIME fits everything on the events before a cut-off. LEAVE_LAST_OUT fits everything on
    all events but each user's last new product; there, other users' later events leak.

    Parameters
    ----------
    engine
        Its listings are ranked.
    log
        As for `collect_choices`.
    test_share
        The share of the events after the cut-off.
    max_users
        The largest number of users of each holdout that a ranker learns from.

    Returns
    -------
    dict
        By the protocol's name. SPLIT_BY_TIME is missing if the log cannot be split by time. A
        protocol is missing if no user with a history can be evaluated.
    """
    splits: dict[str, tuple[pd.Timestamp | None, Holdout, list[Holdout]]] = {}
    cutoff = cutoff_time(log["timestamp"], test_share)
    if cutoff is not None:
        validation = validation_holdouts(
            log, cutoff, test_share, min_targets=max_users, max_holdouts=MAX_WINDOWS
        )
        splits[SPLIT_BY_TIME] = cutoff, hold_out_after(log, cutoff), validation
    splits[LEAVE_LAST_OUT] = None, leave_last_out(log), [leave_last_out(log, VALIDATION)]
    fitted = {}
    for name, (start, holdout, validation) in splits.items():
        if not any(len(case.history) for case in held_out_cases(log, holdout)):
            continue
        choices = collect_choices(engine, log, validation, max_users=max_users, seed=seed)
        ranker = learn_ranker(choices, seed=seed)
        collaborative = fit_collaborative(log[holdout.train])
        fitted[name] = FittedProtocol(
            models=RankingModels(ranker or Ranker.prior(), collaborative),
            cutoff=start,
            n_choices=len(choices),
            learned=ranker is not None,
            recent_days=choose_recent_days(log, validation, max_users=max_users, seed=seed),
            evidence=None if ranker is None else choices.evidence(ranker),
        )
    return fitted


# --- To queries -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class TuningQueries:
    """Queries to choose weights on, and to evaluate the choice.

    Attributes
    ----------
    category_halves
        Two random halves of the category names.
    train_items, test_items
        Known-item queries for train products and for test products.
    """

    category_halves: tuple[Queries, Queries]
    train_items: Queries
    test_items: Queries

    @classmethod
    def draw(
        cls,
        listings: pd.DataFrame,
        split: np.ndarray,
        *,
        known_items: int,
        language: Language,
        seed: int,
    ) -> TuningQueries:
        """Draw queries from the names in a catalogue.

        Parameters
        ----------
        listings
            product_id, name and category_levels.
        split
            (n,) "train", "val" or "test", of each listing.
        known_items
            The number of queries for train items, and for test items.
        language
            The language of the names.
        """
        rng = np.random.default_rng(seed)
        names = category_queries(listings)
        first, second = (
            {name: names[name] for name in half}
            for half in np.array_split(rng.permutation(sorted(names)), 2)
        )
        train, test = (
            known_item_queries(listings, split == part, known_items, rng, language)
            for part in ("train", "test")
        )
        return cls((first, second), train, test)

    def texts(self) -> list[str]:
        """Return all queries."""
        first, second = self.category_halves
        return [*first, *second, *self.train_items, *self.test_items]


def tune_weights(
    engine: Engine, queries: TuningQueries
) -> tuple[dict[str, float], list[SearchTest]]:
    """Choose the weights of the query's features.

    Parameters
    ----------
    engine
        The engine that is served, except for these weights.
    queries
        Category names and known items count the same.

    Returns
    -------
    weights, tests
        The weights to serve, chosen on all category names and train items; and tests, each with
        weights that were chosen without its queries. The weights for a half of the category names
        were chosen on the other half, those for the test items on the first half.
    """
    (first, second), items = queries.category_halves, queries.train_items
    of_first, of_second, of_items = (
        answer_queries(engine, part) for part in (first, second, items)
    )
    by_first, by_second = (fit_weights([half, of_items]) for half in (of_first, of_second))
    tests = [
        SearchTest("category_names", first, by_second),
        SearchTest("category_names", second, by_first),
        SearchTest("known_items", queries.test_items, by_first),
    ]
    return fit_weights([of_first + of_second, of_items]), tests
