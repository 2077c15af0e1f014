"""Evaluates the recommenders of the benchmark, each with its best settings."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from next_item_task import NextItemTask, make_task
from recommenders import BASELINES, Scorer, learn_ranker, ours

from market.core.errors import MarketError
from market.data.holdouts import Holdout
from market.search.cases import sample_rows
from market.search.metrics import places_of_targets, score_places

METRICS = ["ndcg@10", "recall@10", "mrr"]
OURS = "ours"
FOR_NEW_USERS = ("popular", "recent popular", OURS)  # the models that need no history
MAX_TUNING_TARGETS = 2000  # target events of a window that settings are chosen on, at most
RESAMPLES = 1000  # bootstrap samples for one interval
MAX_SCORES = 8_000_000  # computed at once: 64 MB
TOP = 10  # recommendations whose coverage is measured


def evaluate(scorer: Scorer, task: NextItemTask) -> tuple[pd.DataFrame, np.ndarray]:
    """Score a model by the places of the targets among all products that the user has not seen.

    Parameters
    ----------
    scorer
        The model; it takes positions of the task's k target events.
    task
        The events.

    Returns
    -------
    scores : pd.DataFrame
        (k, METRICS); an unknown target counts as not found.
    top : np.ndarray
        (k, TOP), the best products as positions, in no order; -1 where there are fewer.
    """
    k = len(task.users)
    places = np.full(k, np.inf)
    top = np.full((k, TOP), -1)
    step = max(1, min(256, MAX_SCORES // len(task.products)))
    for first in range(0, k, step):
        rows = np.arange(first, min(first + step, k))
        scores = np.asarray(scorer(rows), dtype=float)
        seen = task.seen[task.users[rows]]
        scores[np.repeat(np.arange(len(rows)), np.diff(seen.indptr)), seen.indices] = -np.inf
        size = min(TOP, scores.shape[1])
        best = np.argpartition(-scores, size - 1, axis=1)[:, :size]
        is_unseen = np.take_along_axis(scores, best, 1) > -np.inf
        top[rows, :size] = np.where(is_unseen, best, -1)
        targets = task.targets[rows]
        known = np.flatnonzero(targets >= 0)
        places[rows[known]] = places_of_targets(scores[known], targets[known])
    return score_places(places), top


def choose_settings(name: str, tasks: list[NextItemTask], seed: int) -> dict[str, Any]:
    """Return the settings of a baseline with the best mean NDCG@10 over all targets of `tasks`."""
    fit, grid = BASELINES[name]
    tasks = [task for task in tasks if len(task.users)]
    if len(grid) == 1 or not tasks:
        return grid[0]
    means = []
    for settings in grid:
        scores = [evaluate(fit(task, seed, **settings), task)[0]["ndcg@10"] for task in tasks]
        means.append(np.mean(np.concatenate([values.to_numpy() for values in scores])))
    return grid[int(np.argmax(means))]


@dataclass(frozen=True)
class FittedModel:
    """A model fitted on the events of a task, and how its settings read in the table."""

    scorer: Scorer
    settings: str
    fit_seconds: float


def fit_model(name: str, task: NextItemTask, earlier: list[NextItemTask], seed: int) -> FittedModel:
    """Fit OURS or one of BASELINES on `task`, with what is best for the `earlier` tasks."""
    started = time.perf_counter()
    if name == OURS:
        ranker = learn_ranker(earlier, seed)
        scorer = ours(task, ranker)
        described = f"{0 if ranker.trees is None else ranker.trees.num_trees()} trees"
    else:
        tuning = [each.returning_users().sample(MAX_TUNING_TARGETS, seed) for each in earlier]
        settings = choose_settings(name, tuning, seed)
        scorer = BASELINES[name][0](task, seed, **settings)
        described = " ".join(f"{key}={value}" for key, value in settings.items())
    return FittedModel(scorer, described, time.perf_counter() - started)


def compare(
    log: pd.DataFrame, holdout: Holdout, earlier: list[Holdout], *, seed: int, max_users: int
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Fit and evaluate all models on one split.

    Parameters
    ----------
    log
        user_id, product_id, event and timestamp, in order of time.
    holdout
        The split to evaluate on.
    earlier
        The splits to choose settings on, and to learn our ranker from.
    seed
        Of the models, the drawn users and the intervals.
    max_users
        Of the returning and of the new users, at most so many are evaluated.

    Returns
    -------
    table : pd.DataFrame
        A row for each model, ours last: first for returning users, then for new ones, if any.
    facts : dict
        Numbers about the split: `products`, `returning`, `new`, `unknown_products` and
        `tuning_events`.

    Raises
    ------
    MarketError
        If no user has events with two products.
    """
    task = make_task(log, holdout)
    if task.is_new_user.all():
        raise MarketError("no user of the log has two products: nobody can be evaluated")
    groups = {
        "returning": _draw(~task.is_new_user, max_users, seed),
        "new": _draw(task.is_new_user, max_users, seed),
    }
    earlier_tasks = [make_task(log, each) for each in earlier]
    rows: list[dict[str, Any]] = []
    scores: dict[str, dict[str, pd.DataFrame]] = {users: {} for users in groups}
    for name in [*BASELINES, OURS]:
        model = fit_model(name, task, earlier_tasks, seed)
        for users, drawn in groups.items():
            if len(drawn) and (users == "returning" or name in FOR_NEW_USERS):
                scores[users][name], top = _evaluate_rows(model.scorer, task, drawn)
                rows.append(
                    {
                        "users": users,
                        "model": name,
                        "settings": model.settings,
                        "coverage": len(np.unique(top[top >= 0])) / len(task.products),
                        "fit_seconds": round(model.fit_seconds, 1),
                    }
                )
    return _tabulate(rows, scores, seed), {
        "products": len(task.products),
        "returning": len(groups["returning"]),
        "new": len(groups["new"]),
        "unknown_products": int((task.targets[groups["returning"]] < 0).sum()),
        "tuning_events": sum(int((~each.is_new_user).sum()) for each in earlier_tasks),
    }


def _draw(kept: np.ndarray, max_rows: int, seed: int) -> np.ndarray:
    return sample_rows(np.flatnonzero(kept), max_rows, seed)


def _evaluate_rows(
    scorer: Scorer, task: NextItemTask, rows: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray]:
    """Evaluate a model on some of the target events that it can score."""
    return evaluate(lambda positions: scorer(rows[positions]), task.select(rows))


# --- The table ------------------------------------------------------------------------------------
def _tabulate(
    rows: list[dict[str, Any]], scores: Mapping[str, Mapping[str, pd.DataFrame]], seed: int
) -> pd.DataFrame:
    """Add the means, their intervals and the paired difference of ours to the rows."""
    draws = {users: draw_weights(len(of[OURS]), seed) for users, of in scores.items() if of}
    for row in rows:
        models, weights = scores[row["users"]], draws[row["users"]]
        for metric in METRICS:
            values = models[row["model"]][metric].to_numpy()
            row[metric] = values.mean()
            row[f"{metric}_low"], row[f"{metric}_high"] = interval(values, weights)
        gain = (models[OURS]["ndcg@10"] - models[row["model"]]["ndcg@10"]).to_numpy()
        row["ours_minus"] = gain.mean()
        row["ours_minus_low"], row["ours_minus_high"] = interval(gain, weights)
        row |= {"n": len(gain), "seed": seed}
    columns = [
        "users", "model",
        *(f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")),
        "coverage", "ours_minus", "ours_minus_low", "ours_minus_high",
        "n", "seed", "fit_seconds", "settings",
    ]  # fmt: skip
    table = pd.DataFrame(rows)[columns].sort_values("users", ascending=False, kind="stable")
    return table.reset_index(drop=True)


def draw_weights(n: int, seed: int) -> np.ndarray:
    """Return how often each of n users is in each bootstrap sample: (RESAMPLES, n).

    All models share the samples, which pairs their scores; `market.models.metrics` draws anew for
    each score.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float32)


def interval(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean of values (n,), given `draw_weights`."""
    low, high = np.quantile(weights @ values / len(values), [0.025, 0.975])
    return float(low), float(high)
