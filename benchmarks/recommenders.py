"""The recommenders that the benchmark compares: simple baselines, libraries, and our ranker.

Each function fits one on a task and returns a `Scorer`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from next_item_task import NextItemTask
from scipy import sparse

from market.search.collaborative import CollaborativeModel
from market.search.collaborative_scores import new_user_features
from market.search.popularity import Popularity
from market.search.ranker import Ranker

MAX_TRAINING_TARGETS = 4000  # target events of a window that the ranker learns from, at most
MAX_NEW_TRAINING_TARGETS = 500  # the same, of users without earlier events
N_CANDIDATES = 200  # candidates of each target event that the ranker learns from
N_NEW_CANDIDATES = 1000  # the same, of new users, whose best candidates are harder to tell
SHORTLIST = 500  # candidates that the trees rank again
MANY_PAIRS = 300_000  # pairs of a user and a product, above which a second thread pays

# Positions (m,) of target events -> scores (m, products).
Scorer = Callable[[np.ndarray], np.ndarray]


# --- Baselines ------------------------------------------------------------------------------------
def popular(task: NextItemTask, seed: int) -> Scorer:
    """Score products by their number of users."""
    n_users = np.diff(sparse.csc_array(task.seen).indptr).astype(float)
    return lambda rows: np.tile(n_users, (len(rows), 1))


def recent_popular(task: NextItemTask, seed: int, *, days: float) -> Scorer:
    """Score products by their number of events in the last `days` before the target event."""
    popularity = Popularity(task.log.sort_values("timestamp", kind="stable"))
    return lambda rows: np.array([popularity.counts(task.times[row], days) for row in rows])


def item_knn(task: NextItemTask, seed: int, *, weighting: str, k: int) -> Scorer:
    """Score products by their similarity to those that a user has seen."""
    recommender = {"cosine": CosineRecommender, "bm25": BM25Recommender}[weighting]
    model = recommender(K=k, num_threads=_n_threads(task))
    with warnings.catch_warnings():  # implicit warns about a conversion that it does by itself
        warnings.simplefilter("ignore")
        model.fit(sparse.csr_matrix(task.seen), show_progress=False)
    similarity = sparse.csr_array(model.similarity)
    return lambda rows: (task.seen[task.users[rows]] @ similarity).toarray()


def als(task: NextItemTask, seed: int, *, factors: int, alpha: float) -> Scorer:
    """Score products by a factorisation that alternating least squares fits."""
    model = AlternatingLeastSquares(
        factors=factors, alpha=alpha, random_state=seed, num_threads=_n_threads(task)
    )
    return _fit_factors(model, task)


def bpr(task: NextItemTask, seed: int, *, factors: int, rate: float) -> Scorer:
    """Score products by a factorisation that Bayesian personalised ranking fits."""
    # One thread: the result of several would depend on which comes first.
    model = BayesianPersonalizedRanking(
        factors=factors, learning_rate=rate, random_state=seed, num_threads=1
    )
    return _fit_factors(model, task)


def _n_threads(task: NextItemTask) -> int:
    """Return 2 for a large task; in a small one, threads only wait for each other."""
    return 2 if task.seen.nnz > MANY_PAIRS else 1


def _fit_factors(model: Any, task: NextItemTask) -> Scorer:
    model.fit(sparse.csr_matrix(task.seen), show_progress=False)
    return lambda rows: model.user_factors[task.users[rows]] @ model.item_factors.T


# By name, each with the settings to choose from.
BASELINES: dict[str, tuple[Callable[..., Scorer], list[dict[str, Any]]]] = {
    "popular": (popular, [{}]),
    "recent popular": (recent_popular, [{"days": days} for days in (0.25, 1, 3, 7, 14, 30, 90)]),
    "item-kNN": (
        item_knn,
        [
            {"weighting": weighting, "k": k}
            for weighting in ("cosine", "bm25")
            for k in (20, 50, 200)
        ],
    ),
    "ALS": (
        als,
        [{"factors": n, "alpha": alpha} for n in (32, 64, 128) for alpha in (1.0, 5.0, 20.0)],
    ),
    "BPR": (bpr, [{"factors": n, "rate": rate} for n in (32, 128) for rate in (0.01, 0.05)]),
}


# --- Our ranker -----------------------------------------------------------------------------------
def unseen_features(
    model: CollaborativeModel, history: pd.DataFrame, as_of: np.datetime64
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the products that a user has not seen, and their features at a time.

    Parameters
    ----------
    model
        Knows n products.
    history
        The user's events: product_id, event and timestamp; empty for a new user.
    as_of
        The time of the features.

    Returns
    -------
    positions : np.ndarray
        (m,) of the unseen products among the n.
    features : pd.DataFrame
        A row for each of these.
    """
    scores = model.scores(history, pd.Timestamp(as_of))
    features = scores.features()
    if not scores.known:
        features = new_user_features(features)
    table = pd.DataFrame(features.to_numpy()[scores.unseen], columns=features.columns)
    return np.flatnonzero(scores.unseen), table


def learn_ranker(tasks: list[NextItemTask], seed: int) -> Ranker:
    """Learn our ranker from some tasks.

    It learns which of the best candidates, by its prior weights, is the target. Without any
    candidate the ranker with prior weights is returned.
    """
    training = [task.returning_users().sample(MAX_TRAINING_TARGETS, seed) for task in tasks]
    training += [task.new_users().sample(MAX_NEW_TRAINING_TARGETS, seed) for task in tasks]
    prior = Ranker.prior()
    tables, relevance = [], []
    models: dict[int, CollaborativeModel] = {}  # tasks of new and of returning users share a log
    for task in training:
        if id(task.log) not in models:
            models[id(task.log)] = CollaborativeModel.fit(task.log)
        model = models[id(task.log)]
        for past, as_of, target in zip(task.past, task.times, task.targets, strict=True):
            products, table = unseen_features(model, past, as_of)
            if table.empty:
                continue
            n_candidates = min(N_NEW_CANDIDATES if past.empty else N_CANDIDATES, len(table))
            best = np.argpartition(-prior.predict(table), n_candidates - 1)[:n_candidates]
            best.sort()
            tables.append(table.iloc[best])
            relevance.append(products[best] == target)
    if not tables:
        return prior
    groups = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    return Ranker.fit(pd.concat(tables), np.concatenate(relevance).astype(int), groups, seed=seed)


def ours(task: NextItemTask, ranker: Ranker) -> Scorer:
    """Score products by our ranker, on the features of a collaborative model of the task's log."""
    model = CollaborativeModel.fit(task.log)

    def score(rows: np.ndarray) -> np.ndarray:
        scores = np.full((len(rows), len(task.products)), -np.inf)
        for number, row in enumerate(rows):
            products, table = unseen_features(model, task.past[row], task.times[row])
            scores[number, products] = ranker.predict(table, SHORTLIST)
        return scores

    return score
