"""Compare the ranker with established recommenders on a log of interactions.

In:  a CSV of user_id, product_id, event, timestamp (or MovieLens' columns: rating in place of
     event). Products need not be listings.
Out: a table for each protocol, printed, and all of them as CSV in --out; rows of the log that
     could not be read go to <out>.rejects.csv.

Protocol. The headline is a split by time. All models are fitted on the events before a cut-off;
--test-share of the events come after it. A user is scored by the first product after the cut-off
that is new to them. The model must find it among all products with an event before the cut-off that
the user has not seen; products are not sampled. The user's history is all they did before that
event, and every feature is as of its time. A product without an event before the cut-off cannot be
found and counts as missed for every model. New users, who have no event before that one, are scored
apart, by the models that need no history.

Settings are chosen in the same way within the events before the cut-off: each baseline has the
settings with the best NDCG@10; the ranker learns its weights, its trees and their number there. A
small log is split at several such times. Then every model is fitted again on all events before the
cut-off.

leave_last_out is for comparison with published results: each user is scored by the last product
that was new to them, and settings are chosen on the one before. Later events of other users leak
into every model there, which flatters all of them; `trending` and `recent popular` are as of the
scored event even so. A log that cannot be split by time (all events have one time, or no user
comes back after the cut-off) has this table only.

Intervals are 95 % bootstrap intervals over users. `ours minus` is the paired difference by user.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from scipy import sparse
from threadpoolctl import threadpool_limits

from market.core.errors import MarketError
from market.data.holdouts import (
    VALIDATION,
    Holdout,
    cutoff_time,
    histories_before,
    hold_out_after,
    leave_last_out,
    validation_holdouts,
)
from market.data.interactions import check_interactions
from market.data.tables import read_table
from market.search.cases import sample_rows
from market.search.collaborative import CollaborativeModel, event_weights, new_user_features
from market.search.metrics import places_of_targets, score_places
from market.search.popularity import Popularity
from market.search.ranker import Ranker

METRICS = ["ndcg@10", "recall@10", "mrr"]
OURS = "ours"
LAST_OUT = "leave_last_out"
WITHOUT_HISTORY = ("popular", "recent popular", OURS)  # what can be recommended to a new user
TUNERS = 2000  # judged events that choose settings, at most
TEACHERS = 4000  # judged events that the ranker learns from, at most
ENOUGH, WINDOWS = 1000, 4  # such events, below which earlier windows are used too, so many at most
NEW_TEACHERS = 500  # of each window's, users without a history
CANDIDATES, NEW_CANDIDATES = 200, 1000  # for each of them: the prior weights say least of new users
SHORTLIST = 500  # candidates that the trees see
RESAMPLES = 1000
MAX_SCORES = 8_000_000  # computed at once: 64 MB

Scorer = Callable[[np.ndarray], np.ndarray]  # rows of a task -> scores (rows, products)


# --- The split ------------------------------------------------------------------------------------
@dataclass
class Task:
    """What models may be fitted on (`log`), and the k events that they are judged by.

    `users` (k,) are codes in `user_ids`, `targets` (k,) codes in `products`, -1 for a product
    without an event in `log`. `times` (k,) are those of the judged events, `past` what each user
    did before.
    """

    log: pd.DataFrame
    user_ids: pd.Index
    products: pd.Index
    users: np.ndarray
    targets: np.ndarray
    times: np.ndarray
    past: Sequence[pd.DataFrame]
    seen: sparse.csr_array = field(init=False)  # (users, products), the largest weight of events

    def __post_init__(self) -> None:
        pairs = pd.DataFrame(
            {
                "user": self.user_ids.get_indexer(self.log["user_id"]),
                "product": self.products.get_indexer(self.log["product_id"]),
                "weight": event_weights(self.log["event"]).astype(np.float32),
            }
        )
        pairs = pairs.groupby(["user", "product"], sort=True, as_index=False)["weight"].max()
        self.seen = sparse.csr_array(
            (pairs["weight"], (pairs["user"], pairs["product"])),
            shape=(len(self.user_ids), len(self.products)),
        )

    @property
    def new_users(self) -> np.ndarray:
        """(k,) bool: those without a history."""
        return np.array([past.empty for past in self.past], bool)

    def only(self, rows: np.ndarray) -> Task:
        """The same task, judged by some of its events, at these positions."""
        part = copy(self)
        part.users, part.targets = self.users[rows], self.targets[rows]
        part.times, part.past = self.times[rows], [self.past[row] for row in rows.tolist()]
        return part

    def at_most(self, most: int, seed: int) -> Task:
        """The same task, judged by so many of its events, drawn at random."""
        return self.only(sample_rows(np.arange(len(self.users)), most, seed))


def make_task(log: pd.DataFrame, holdout: Holdout) -> Task:
    """The task to find the judged product of each user from what happened before."""
    known = log[holdout.train]
    judged = log.iloc[holdout.targets]
    user_ids = pd.Index(np.sort(log["user_id"].unique()))
    products = pd.Index(np.sort(known["product_id"].unique()))
    return Task(
        known,
        user_ids,
        products,
        user_ids.get_indexer(judged["user_id"]),
        products.get_indexer(judged["product_id"]),
        judged["timestamp"].to_numpy(),
        histories_before(log, holdout.targets),
    )


def split_by_time(log: pd.DataFrame, share: float) -> tuple[Holdout, list[Holdout]]:
    """The holdout to judge with, and those to choose settings with, from events before it.

    Raises MarketError if nobody with a history can be judged.
    """
    cutoff = cutoff_time(log["timestamp"], share)
    if cutoff is None:
        raise MarketError("the log cannot be split by time: all events have one time")
    holdout = hold_out_after(log, cutoff)
    returned = log["user_id"].iloc[holdout.targets].isin(log["user_id"][holdout.train])
    if not returned.any():
        raise MarketError(
            f"the log cannot be split by time: no user with an event before {cutoff:%Y-%m-%d %H:%M}"
            " has a new product after it"
        )
    validation = validation_holdouts(log, cutoff, share, min_targets=ENOUGH, max_holdouts=WINDOWS)
    return holdout, validation


# --- The models -----------------------------------------------------------------------------------
def popular(task: Task, seed: int) -> Scorer:
    people = np.diff(sparse.csc_array(task.seen).indptr).astype(float)
    return lambda rows: np.tile(people, (len(rows), 1))


def recent_popular(task: Task, seed: int, *, days: float) -> Scorer:
    """Count the events in the last `days` before the scored one."""
    popularity = Popularity(task.log.sort_values("timestamp", kind="stable"))
    return lambda rows: np.array([popularity.counts(task.times[row], days) for row in rows])


def threads(task: Task) -> int:
    """Two for what takes long; two that have little to do wait for each other."""
    return 2 if task.seen.nnz > 300_000 else 1


def item_knn(task: Task, seed: int, *, weighting: str, k: int) -> Scorer:
    kind = {"cosine": CosineRecommender, "bm25": BM25Recommender}[weighting]
    model = kind(K=k, num_threads=threads(task))
    with warnings.catch_warnings():  # of a conversion that it does by itself
        warnings.simplefilter("ignore")
        model.fit(sparse.csr_matrix(task.seen), show_progress=False)
    similarity = sparse.csr_array(model.similarity)
    return lambda rows: (task.seen[task.users[rows]] @ similarity).toarray()


def _factors(model: Any, task: Task) -> Scorer:
    model.fit(sparse.csr_matrix(task.seen), show_progress=False)
    return lambda rows: model.user_factors[task.users[rows]] @ model.item_factors.T


def als(task: Task, seed: int, *, factors: int, alpha: float) -> Scorer:
    return _factors(
        AlternatingLeastSquares(
            factors=factors, alpha=alpha, random_state=seed, num_threads=threads(task)
        ),
        task,
    )


def bpr(task: Task, seed: int, *, factors: int, rate: float) -> Scorer:
    # One thread: with more the result depends on who comes first.
    return _factors(
        BayesianPersonalizedRanking(
            factors=factors, learning_rate=rate, random_state=seed, num_threads=1
        ),
        task,
    )


def grid(**values: list[Any]) -> list[dict[str, Any]]:
    """Every combination of the values of each setting."""
    combinations: list[dict[str, Any]] = [{}]
    for name, options in values.items():
        combinations = [have | {name: option} for have in combinations for option in options]
    return combinations


BASELINES: dict[str, tuple[Callable[..., Scorer], list[dict[str, Any]]]] = {
    "popular": (popular, [{}]),
    "recent popular": (recent_popular, grid(days=[0.25, 1, 3, 7, 14, 30, 90])),
    "item-kNN": (item_knn, grid(weighting=["cosine", "bm25"], k=[20, 50, 200])),
    "ALS": (als, grid(factors=[32, 64, 128], alpha=[1.0, 5.0, 20.0])),
    "BPR": (bpr, grid(factors=[32, 128], rate=[0.01, 0.05])),
}


def unseen_features(
    model: CollaborativeModel, history: pd.DataFrame, as_of: np.datetime64
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the positions of products that a user has not seen, and their features at a time."""
    features = model.features(history, pd.Timestamp(as_of))
    if not history["product_id"].isin(model.index).any():
        features = new_user_features(features)
    unseen = np.ones(len(features), bool)
    seen = model.index.get_indexer(history["product_id"])
    unseen[seen[seen >= 0]] = False
    table = pd.DataFrame(features.to_numpy()[unseen], columns=features.columns)
    return np.flatnonzero(unseen), table


def learn_ranker(tasks: list[Task], seed: int) -> Ranker:
    """Fit the ranker on what the users of the tasks took, among the best by its prior weights."""
    prior = Ranker.prior()
    tables, taken = [], []
    models: dict[int, CollaborativeModel] = {}  # tasks of new and of other users share a log
    for task in tasks:
        if id(task.log) not in models:
            models[id(task.log)] = CollaborativeModel.fit(task.log)
        model = models[id(task.log)]
        for past, time_, target in zip(task.past, task.times, task.targets, strict=True):
            products, table = unseen_features(model, past, time_)
            if table.empty:
                continue
            size = min(NEW_CANDIDATES if past.empty else CANDIDATES, len(table))
            best = np.sort(np.argpartition(-prior.predict(table), size - 1)[:size])
            tables.append(table.iloc[best])
            taken.append(products[best] == target)
    if not tables:
        return prior
    groups = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    return Ranker.fit(pd.concat(tables), np.concatenate(taken).astype(int), groups, seed=seed)


def ours(task: Task, ranker: Ranker) -> Scorer:
    model = CollaborativeModel.fit(task.log)

    def score(rows: np.ndarray) -> np.ndarray:
        scores = np.full((len(rows), len(task.products)), -np.inf)
        for place, row in enumerate(rows):
            products, table = unseen_features(model, task.past[row], task.times[row])
            scores[place, products] = ranker.predict(table, SHORTLIST)
        return scores

    return score


# --- Judging --------------------------------------------------------------------------------------
def judge(
    scorer: Scorer, task: Task, judged: np.ndarray | None = None
) -> tuple[pd.DataFrame, np.ndarray]:
    """Score a model's recommendations.

    Parameters
    ----------
    scorer
        The model.
    task
        What its products are to be found for.
    judged
        Positions of k events of the task, by default all.

    Returns
    -------
    scores : pd.DataFrame
        METRICS of each event.
    best : np.ndarray
        (k, 10), the ten best products, -1 where there are fewer.
    """
    judged = np.arange(len(task.users)) if judged is None else judged
    places = np.full(len(judged), np.inf)
    best = np.full((len(judged), 10), -1)
    step = max(1, min(256, MAX_SCORES // len(task.products)))
    for first in range(0, len(judged), step):
        rows = judged[first : first + step]
        scores = np.asarray(scorer(rows), dtype=float)
        seen = task.seen[task.users[rows]]
        scores[np.repeat(np.arange(len(rows)), np.diff(seen.indptr)), seen.indices] = -np.inf
        size = min(10, scores.shape[1])
        top = np.argpartition(-scores, size - 1, axis=1)[:, :size]
        is_unseen = np.take_along_axis(scores, top, 1) > -np.inf
        best[first : first + len(rows), :size] = np.where(is_unseen, top, -1)
        targets = task.targets[rows]
        known = np.flatnonzero(targets >= 0)
        places[first + known] = places_of_targets(scores[known], targets[known])
    return score_places(places), best


def choose(name: str, tasks: list[Task], seed: int) -> dict[str, Any]:
    """The settings of a baseline with the best mean NDCG@10 over all judged events of `tasks`."""
    fit, settings = BASELINES[name]
    tasks = [task for task in tasks if len(task.users)]
    if len(settings) == 1 or not tasks:
        return settings[0]
    scores = [
        np.mean(
            np.concatenate(
                [judge(fit(task, seed, **each), task)[0]["ndcg@10"].to_numpy() for task in tasks]
            )
        )
        for each in settings
    ]
    return settings[int(np.argmax(scores))]


def interval(values: np.ndarray, draws: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(draws @ values / len(values), [0.025, 0.975])
    return float(low), float(high)


def compare(
    log: pd.DataFrame, holdout: Holdout, earlier: list[Holdout], *, seed: int, most: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the table, a row for each model, ours last, and what to know about the split.

    Settings are chosen on the holdouts `earlier`. Rows of new users come last, if there are any:
    with `users` "new" in place of "returning".
    """
    task = make_task(log, holdout)
    new = task.new_users
    if new.all():
        raise MarketError("no user of the log met two products: nobody can be judged")
    drawn = {
        users: sample_rows(np.flatnonzero(kept), most, seed)
        for users, kept in {"returning": ~new, "new": new}.items()
    }
    drawn = {users: rows for users, rows in drawn.items() if len(rows)}
    teaching = [make_task(log, each) for each in earlier]
    tuning = [each.only(np.flatnonzero(~each.new_users)) for each in teaching]
    teachers = [each.at_most(TEACHERS, seed) for each in tuning]
    teachers += [
        each.only(np.flatnonzero(each.new_users)).at_most(NEW_TEACHERS, seed) for each in teaching
    ]
    found: dict[str, dict[str, pd.DataFrame]] = {users: {} for users in drawn}
    rows: list[dict[str, Any]] = []
    for name in [*BASELINES, OURS]:
        started = time.perf_counter()
        if name == OURS:
            ranker = learn_ranker(teachers, seed)
            scorer = ours(task, ranker)
            about = f"{0 if ranker.trees is None else ranker.trees.num_trees()} trees"
        else:
            settings = choose(
                name,
                [each.at_most(TUNERS, seed) for each in tuning],
                seed,
            )
            scorer = BASELINES[name][0](task, seed, **settings)
            about = " ".join(f"{key}={value}" for key, value in settings.items())
        seconds = time.perf_counter() - started
        for users, judged in drawn.items():
            if users == "new" and name not in WITHOUT_HISTORY:
                continue
            found[users][name], best = judge(scorer, task, judged)
            coverage = len(np.unique(best[best >= 0])) / len(task.products)
            rows.append(
                {
                    "users": users,
                    "model": name,
                    "settings": about,
                    "coverage": coverage,
                    "fit_seconds": round(seconds, 1),
                }
            )
    draws = {}
    for users, judged in drawn.items():
        n, rng = len(judged), np.random.default_rng(seed)
        draws[users] = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float32)
    for row in rows:
        scores = found[row["users"]]
        for metric in METRICS:
            values = scores[row["model"]][metric].to_numpy()
            row[metric] = values.mean()
            row[f"{metric}_low"], row[f"{metric}_high"] = interval(values, draws[row["users"]])
        gain = (scores[OURS]["ndcg@10"] - scores[row["model"]]["ndcg@10"]).to_numpy()
        row["ours_minus"] = gain.mean()
        row["ours_minus_low"], row["ours_minus_high"] = interval(gain, draws[row["users"]])
        row |= {"n": len(gain), "seed": seed}
    columns = [
        "users", "model",
        *(f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")),
        "coverage", "ours_minus", "ours_minus_low", "ours_minus_high",
        "n", "seed", "fit_seconds", "settings",
    ]  # fmt: skip
    table = pd.DataFrame(rows)[columns].sort_values("users", ascending=False, kind="stable")
    facts = {
        "products": len(task.products),
        "returning": len(drawn["returning"]),
        "new": len(drawn.get("new", [])),
        "unknown_products": int((task.targets[drawn["returning"]] < 0).sum()),
        "taught_by": sum(len(each.users) for each in tuning),
    }
    return table.reset_index(drop=True), facts


def readable(table: pd.DataFrame) -> str:
    """The table in Markdown, with the intervals in brackets."""

    def cell(row: pd.Series, name: str) -> str:
        return f"{row[name]:.4f} ({row[f'{name}_low']:.4f} to {row[f'{name}_high']:.4f})"

    shown = table[["model"]].copy()
    for name in [*METRICS, "ours_minus"]:
        shown[name.replace("_", " ")] = [cell(row, name) for _, row in table.iterrows()]
    shown["coverage"] = table["coverage"].map("{:.1%}".format)
    shown = shown.join(table[["n", "seed", "fit_seconds", "settings"]])
    return shown.to_markdown(index=False, disable_numparse=True)


def report(protocol: str, table: pd.DataFrame, facts: dict[str, Any]) -> None:
    """Print what one protocol showed."""
    click.echo(
        "\n{}: {returning:,} users judged, {unknown_products:,} of them by a product that cannot "
        "be found; {products:,} products; settings chosen on {taught_by:,} earlier events\n".format(
            protocol, **facts
        )
    )
    click.echo(readable(table[table["users"] == "returning"]))
    if facts["new"]:
        click.echo(f"\n{protocol}, {facts['new']:,} new users: without any event before\n")
        click.echo(readable(table[table["users"] == "new"]))


@click.command(help=__doc__)
@click.option("--log", "path", type=click.Path(path_type=Path), required=True, help="A csv.")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write the tables, as csv.")
@click.option("--seed", default=0, show_default=True)
@click.option("--max-users", default=20_000, show_default=True, help="Judged, drawn at random.")
@click.option(
    "--test-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of the events after the cut-off.",
)
def main(path: Path, out: Path | None, seed: int, max_users: int, test_share: float) -> None:
    log, rejects = check_interactions(read_table(path), path)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    if len(rejects):
        reasons = rejects["reason"].value_counts()
        said = "; ".join(f"{reason} ({count:,})" for reason, count in reasons.items())
        click.echo(f"{len(rejects):,} rows of {path} left out: {said}", err=True)
        if out is not None:
            rejects.to_csv(out.with_name(f"{out.name}.rejects.csv"), index=False)
    products = log.groupby("user_id")["product_id"].nunique()
    click.echo(
        f"{len(log):,} events of {len(products):,} users with {log['product_id'].nunique():,} "
        f"products, {products.eq(1).sum():,} users with one product only"
    )
    protocols: dict[str, tuple[Holdout, list[Holdout]]] = {}
    try:
        protocols["time"] = split_by_time(log, test_share)
    except MarketError as error:
        click.echo(f"{error}: {LAST_OUT} only", err=True)
    protocols[LAST_OUT] = leave_last_out(log), [leave_last_out(log, VALIDATION)]
    tables = []
    for protocol, (holdout, earlier) in protocols.items():
        with threadpool_limits(1, "blas"):  # implicit has threads of its own
            table, facts = compare(log, holdout, earlier, seed=seed, most=max_users)
        report(protocol, table, facts)
        table.insert(0, "protocol", protocol)
        tables.append(table)
        if out is not None:
            pd.concat(tables).to_csv(out, index=False)


if __name__ == "__main__":
    main()
