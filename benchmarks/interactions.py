"""Judge the personalised ranker on a log of interactions, beside well-kept recommenders.

In:  a csv of user_id, product_id, event, timestamp (or MovieLens': rating in place of event).
Out: a table, printed, and written as csv to --out; rows of the log that could not be read go to
     <out>.rejects.csv.

Protocol. Each person is judged by the last product that was new to them (in a log without
repetitions: their last event), which has to be found among all products of the log that they have
not met, not among a sample. A person of one product cannot be judged; a product that the training
part does not hold cannot be found, and counts as missed for every model. The product before is what
tunes: the settings of item-kNN, ALS and BPR are those with the best NDCG@10 on it, and the ranker
learns its weights, its trees and how many of them from it. Then every model is fitted anew, with
these events in. The judged events touch nothing: not the popularity, not the list of products.

Caveat. The split is by person, not by time: of other people, a model sees events later than the
judged one. That flatters all models alike. Only `trending` is of the days before.

Intervals are 95 % bootstrap intervals over people; `ours minus` is paired by person.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
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

sys.path.insert(0, str(Path(__file__).parent.parent / "stages"))

from shared.collaborative import CollaborativeModel, event_weights
from shared.interactions import check_interactions, leave_last_out, new_products
from shared.ranker import Ranker
from shared.raw import read_table

METRICS = ["ndcg@10", "recall@10", "mrr"]
OURS = "ours"
TUNERS = 2000  # people that choose settings, at most
TEACHERS = 4000  # people that the ranker learns from, at most
CANDIDATES = 200  # of each of them
SHORTLIST = 500  # candidates that the trees see
RESAMPLES = 1000

Scorer = Callable[[np.ndarray], np.ndarray]  # users (k,) -> scores (k, products), higher first


# --- The split ------------------------------------------------------------------------------------
@dataclass
class Task:
    """What models may know (`log`, its users and products as codes) and whom they are judged by.

    `users` (k,) are to be judged, each by the product in `targets` (k,), -1 for one that the log
    does not hold.
    """

    log: pd.DataFrame
    user_ids: pd.Index
    products: pd.Index
    users: np.ndarray
    targets: np.ndarray
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


def make_task(log: pd.DataFrame, parts: pd.Series, part: int, most: int, seed: int) -> Task:
    """The task to find each person's product of `part` from what is before; of `most` at most."""
    known = log[parts < part]
    user_ids = pd.Index(np.sort(log["user_id"].unique()))
    products = pd.Index(np.sort(known["product_id"].unique()))
    judged = new_products(log, parts, part)
    users = user_ids.get_indexer(judged["user_id"])
    order = np.argsort(users)
    if len(order) > most:
        order = np.sort(np.random.default_rng(seed).choice(order, most, replace=False))
        order = order[np.argsort(users[order])]
    targets = products.get_indexer(judged["product_id"])
    return Task(known, user_ids, products, users[order], targets[order])


# --- The models -----------------------------------------------------------------------------------
def popular(task: Task, seed: int) -> Scorer:
    people = np.diff(sparse.csc_array(task.seen).indptr).astype(float)
    return lambda users: np.tile(people, (len(users), 1))


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
    return lambda users: (task.seen[users] @ similarity).toarray()


def _factors(model: Any, task: Task) -> Scorer:
    model.fit(sparse.csr_matrix(task.seen), show_progress=False)
    return lambda users: model.user_factors[users] @ model.item_factors.T


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
    "item-kNN": (item_knn, grid(weighting=["cosine", "bm25"], k=[20, 50, 200])),
    "ALS": (als, grid(factors=[32, 64, 128], alpha=[1.0, 5.0, 20.0])),
    "BPR": (bpr, grid(factors=[32, 128], rate=[0.01, 0.05])),
}


def histories(task: Task) -> dict[int, pd.DataFrame]:
    """The history of each judged person, by the user's code."""
    codes = task.user_ids.get_indexer(task.log["user_id"])
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.r_[task.users, task.users + 1]).reshape(2, -1)
    ordered = task.log.iloc[order]
    return {
        int(user): ordered.iloc[first:end]
        for user, first, end in zip(task.users, *starts, strict=True)
    }


def unseen_signals(
    model: CollaborativeModel, history: pd.DataFrame
) -> tuple[np.ndarray, pd.DataFrame]:
    """The products that a person has not met, as positions, and their signals.

    The time is that of the person's last event.
    """
    signals = model.signals(history, history["timestamp"].iloc[-1])
    unseen = np.ones(len(signals), bool)
    unseen[model.index.get_indexer(history["product_id"])] = False
    return np.flatnonzero(unseen), pd.DataFrame(signals.to_numpy()[unseen], columns=signals.columns)


def learn_ranker(task: Task, seed: int) -> Ranker:
    """Fit the ranker on what the people of `task` took, among the best by its prior weights."""
    model, prior = CollaborativeModel.fit(task.log), Ranker.prior()
    past = histories(task)
    tables, taken = [], []
    for user, target in zip(task.users, task.targets, strict=True):
        products, table = unseen_signals(model, past[user])
        size = min(CANDIDATES, len(table))
        best = np.sort(np.argpartition(-prior.predict(table), size - 1)[:size])
        tables.append(table.iloc[best])
        taken.append(products[best] == target)
    if not tables:
        return prior
    groups = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    return Ranker.fit(pd.concat(tables), np.concatenate(taken).astype(int), groups, seed=seed)


def ours(task: Task, ranker: Ranker) -> Scorer:
    model, past = CollaborativeModel.fit(task.log), histories(task)

    def score(users: np.ndarray) -> np.ndarray:
        scores = np.full((len(users), len(task.products)), -np.inf)
        for row, user in enumerate(users):
            products, table = unseen_signals(model, past[user])
            scores[row, products] = ranker.predict(table, SHORTLIST)
        return scores

    return score


# --- Judging --------------------------------------------------------------------------------------
def judge(scorer: Scorer, task: Task) -> tuple[pd.DataFrame, np.ndarray]:
    """Return METRICS of each judged person, and their ten best products (k, 10), -1 where none.

    Of products with the same score the target has the place in their middle.
    """
    places = np.full(len(task.users), np.inf)
    best = np.full((len(task.users), 10), -1)
    step = max(1, min(256, 8_000_000 // len(task.products)))  # scores of 64 MB
    for first in range(0, len(task.users), step):
        users = task.users[first : first + step]
        scores = np.asarray(scorer(users), dtype=float)
        seen = task.seen[users]
        scores[np.repeat(np.arange(len(users)), np.diff(seen.indptr)), seen.indices] = -np.inf
        size = min(10, scores.shape[1])
        top = np.argpartition(-scores, size - 1, axis=1)[:, :size]
        found = np.take_along_axis(scores, top, 1) > -np.inf
        best[first : first + len(users), :size] = np.where(found, top, -1)
        targets = task.targets[first : first + len(users)]
        there = np.flatnonzero(targets >= 0)
        own = scores[there, targets[there]][:, None]
        above = (scores[there] > own).sum(1) + ((scores[there] == own).sum(1) - 1) / 2
        places[first + there] = 1 + above
    return pd.DataFrame(
        {
            "ndcg@10": np.where(places <= 10, 1 / np.log2(places + 1), 0.0),
            "recall@10": (places <= 10).astype(float),
            "mrr": 1 / places,
        }
    ), best


def choose(name: str, task: Task, seed: int) -> dict[str, Any]:
    """The settings of a baseline with the best NDCG@10 on `task`."""
    fit, settings = BASELINES[name]
    if len(settings) == 1 or not len(task.users):
        return settings[0]
    scores = [judge(fit(task, seed, **of), task)[0]["ndcg@10"].mean() for of in settings]
    return settings[int(np.argmax(scores))]


def interval(values: np.ndarray, draws: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(draws @ values / len(values), [0.025, 0.975])
    return float(low), float(high)


def compare(log: pd.DataFrame, *, seed: int, most: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the table, a row for each model, ours last, and what to know about the split."""
    parts = leave_last_out(log)
    task = make_task(log, parts, 2, most, seed)
    if not len(task.users):
        raise click.ClickException("nobody in the log met two products: no one can be judged")
    found: dict[str, pd.DataFrame] = {}
    rows = {}
    tuning = make_task(log, parts, 1, TUNERS, seed)
    for name in [*BASELINES, OURS]:
        started = time.perf_counter()
        if name == OURS:
            ranker = learn_ranker(make_task(log, parts, 1, TEACHERS, seed), seed)
            scorer = ours(task, ranker)
            about = f"{0 if ranker.trees is None else ranker.trees.num_trees()} trees"
        else:
            settings = choose(name, tuning, seed)
            scorer = BASELINES[name][0](task, seed, **settings)
            about = " ".join(f"{key}={value}" for key, value in settings.items())
        seconds = time.perf_counter() - started
        found[name], best = judge(scorer, task)
        rows[name] = {
            "model": name,
            "settings": about,
            "coverage": len(np.unique(best[best >= 0])) / len(task.products),
            "fit_seconds": round(seconds, 1),
        }
    rng = np.random.default_rng(seed)
    n = len(task.users)
    draws = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float32)
    for name, row in rows.items():
        for metric in METRICS:
            values = found[name][metric].to_numpy()
            row[metric] = values.mean()
            row[f"{metric}_low"], row[f"{metric}_high"] = interval(values, draws)
        gain = (found[OURS]["ndcg@10"] - found[name]["ndcg@10"]).to_numpy()
        row["ours_minus"] = gain.mean()
        row["ours_minus_low"], row["ours_minus_high"] = interval(gain, draws)
        row |= {"n": n, "seed": seed}
    columns = [
        "model",
        *(f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")),
        "coverage", "ours_minus", "ours_minus_low", "ours_minus_high",
        "n", "seed", "fit_seconds", "settings",
    ]  # fmt: skip
    facts = {
        "events": len(log),
        "people": log["user_id"].nunique(),
        "products": len(task.products),
        "judged": n,
        "of_one_product": int(log.groupby("user_id")["product_id"].nunique().eq(1).sum()),
        "unknown_products": int((task.targets < 0).sum()),
    }
    return pd.DataFrame(rows.values())[columns], facts


def readable(table: pd.DataFrame) -> pd.DataFrame:
    def cell(row: pd.Series, name: str) -> str:
        return f"{row[name]:.4f} ({row[f'{name}_low']:.4f} to {row[f'{name}_high']:.4f})"

    shown = table[["model"]].copy()
    for name in [*METRICS, "ours_minus"]:
        shown[name.replace("_", " ")] = [cell(row, name) for _, row in table.iterrows()]
    shown["coverage"] = table["coverage"].map("{:.1%}".format)
    return shown.join(table[["n", "seed", "fit_seconds", "settings"]])


@click.command(help=__doc__)
@click.option("--log", "path", type=click.Path(path_type=Path), required=True, help="A csv.")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write the table, as csv.")
@click.option("--seed", default=0, show_default=True)
@click.option("--max-users", default=20_000, show_default=True, help="Judged, drawn at random.")
def main(path: Path, out: Path | None, seed: int, max_users: int) -> None:
    log, rejects = check_interactions(read_table(path), path)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    if len(rejects):
        reasons = rejects["reason"].value_counts()
        said = "; ".join(f"{reason} ({count:,})" for reason, count in reasons.items())
        click.echo(f"{len(rejects):,} rows of {path} left out: {said}", err=True)
        if out is not None:
            rejects.to_csv(out.with_name(f"{out.name}.rejects.csv"), index=False)
    with threadpool_limits(1, "blas"):  # implicit has threads of its own
        table, facts = compare(log, seed=seed, most=max_users)
    click.echo(
        "{events:,} events of {people:,} people with {products:,} products; {judged:,} judged, "
        "{of_one_product:,} cannot be (one product), {unknown_products:,} by a product that nobody "
        "had met".format(**facts)
    )
    click.echo(readable(table).to_markdown(index=False, disable_numparse=True))
    if out is not None:
        table.to_csv(out, index=False)


if __name__ == "__main__":
    main()
