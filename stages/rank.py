"""Learn what ranking can learn, and judge search, similar photos and recommendations.

In:  models/index, models/embed, data/merged/listings.parquet, data/clean/interactions.parquet.
Out: models/rank/: the ranker, and what the crowd's interactions say (collaborative/), if there are
     any; metrics/rank.json.

How it is judged; intervals are bootstrap ones over the judged queries or shoppers:

search. Category names as queries ("Mirrors, Clocks & Ornaments"): right are the listings of that
leaf, among all. No category is indexed. Known items: 2 to 4 words of a listing's name; that listing
is right, and so is every other of the same name. The weights of words, meaning and looks are chosen
on category names and on names of train products, with the features and the other weights that are
served; each half of the category names is judged with weights chosen on the other half, known items
by names of test products with weights chosen on the first half. `without_other` is a look at the
category names that do not begin with "Other", as no listing is like "Other Goods" in words.

photo_to_photo. The second photo of a test product must find its first among all photos, byte-wise
copies of the second left out. Nothing is fitted on who owns a photo.

personalised. `log` is a split by time: everything is fitted on the events before a cut-off, and a
user is judged by the first listing after it that is new to them, as of the time of that event:
features and candidates are those of that moment. `new_users` have no event before the cut-off; they
are judged apart. The ranker is learned in the same way, within the events before the cut-off.
`leave_last_out` holds out each user's last new listing instead. There, events that other users made
later teach the model, so it stands beside the headline only. Beside the model: random; popular, the
listings of most events; recent_popular, those of most events in a window before the judged one,
whose length is chosen before the cut-off; unpersonalised, the same ranker without a history.

Without a log, users are simulated: one to three favourite leaves, a price level, a home town, and a
softmax over them; called simulated. They draw from what the ranker's own features measure, so this
is a sanity check and no result. Each of the TAKEN listings next to come is to be found by itself,
from the last 0, 1, 3 or 10 before them, and `gain` is what a longer history gained over the one
before it, paired by user.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from market.core.atomic import replace_when_done, write_json
from market.core.params import load_params
from market.core.paths import require
from market.core.stage import progress, stage
from market.core.torch_setup import set_up_torch
from market.data.interactions import (
    Holdout,
    after,
    cutoff_time,
    earlier_holdouts,
    histories,
    last_out,
)
from market.search.collaborative import CollaborativeModel
from market.search.encoders import CachedTextEncoder
from market.search.engine import Engine, Filters, Query
from market.search.lexical import split_words
from market.search.ranker import PRIOR, QUERY, Ranker

LISTINGS = Path("data/merged/listings.parquet")
LOG = Path("data/clean/interactions.parquet")
INDEX = Path("models/index")
EXPECTED = Path("data/price/expected.parquet")
EMBED = Path("models/embed")
OUT = Path("models/rank")

DEPTH = 50  # places of an answer that are looked at
LEAST_CASES = 30  # of a shopper's next step that a ranker can be learned from
LEAST_LISTINGS = 5  # of a leaf whose name is a query
BATCH = 64  # queries that are read at once
RESAMPLED = 1000  # times, for a bootstrap interval
HISTORIES = (0, 1, 3, 10)  # events of a simulated shopper before the judged ones
TAKEN = 10  # next listings that a simulated shopper is judged by: fewer are mostly luck
TENTHS = 10
WINDOWS = 4  # earlier splits by time, at most, that the ranker is learned from
RECENT_DAYS = (1, 3, 7, 14, 30, 90)  # windows tried for what is popular recently
GRID = np.array(  # of the weights tried: all tenths of QUERY that add up to 1
    [of for of in product(range(TENTHS + 1), repeat=len(QUERY)) if sum(of) == TENTHS]
) / TENTHS  # fmt: skip
ANYTHING = Filters(flagged=True)
QUERY_WEIGHT = sum(PRIOR[name] for name in QUERY)  # of all of QUERY together, however shared out
GAINS = 1 / np.log2(np.arange(2, 12))  # of right answers among the first ten, in NDCG@10


# --- Scores ---------------------------------------------------------------------------------------
def score_ranking(found: Iterable[str], wanted: set[str]) -> dict[str, float]:
    """Score an answer, best first, of at most DEPTH listings by the set of right ones."""
    hits = np.array([id_ in wanted for id_ in found][:DEPTH], bool)
    hits = np.pad(hits, (0, DEPTH - len(hits)))
    ideal = GAINS[: len(wanted)].sum()
    return {
        "ndcg@10": float(hits[:10] @ GAINS / ideal),
        "mrr": float(1 / (hits.argmax() + 1)) if hits.any() else 0.0,
        **{f"recall@{k}": float(hits[:k].sum() / len(wanted)) for k in (1, 10, 50)},
    }


def average(scores: list[dict[str, float]], seed: int) -> dict[str, float]:
    """Means of the scores, n, and the 95 % bootstrap interval of NDCG@10."""
    table = pd.DataFrame(scores)
    drawn = np.random.default_rng(seed).integers(len(table), size=(RESAMPLED, len(table)))
    low, high = np.quantile(table["ndcg@10"].to_numpy()[drawn].mean(1), [0.025, 0.975])
    spread = {"ndcg@10_low": float(low), "ndcg@10_high": float(high)}
    return {**table.mean().to_dict(), **spread, "n": len(table)}


# --- Search ---------------------------------------------------------------------------------------
def category_queries(listings: pd.DataFrame) -> dict[str, set[str]]:
    """The names of leaves with LEAST_LISTINGS or more, and the ids that are right for each."""
    leaves = listings["category_levels"].map(lambda path: path[-1])
    groups = listings["product_id"].groupby(leaves)
    return {name: set(ids) for name, ids in groups if len(ids) >= LEAST_LISTINGS}


def known_item_queries(
    listings: pd.DataFrame, drawn: np.ndarray, count: int, rng: np.random.Generator
) -> dict[str, set[str]]:
    """2 to 4 words in a row of each of `count` names, and the ids of all listings of that name.

    The names are of `drawn` (n,), bool. Names that differ in case, punctuation or words that say
    nothing are one.
    """
    names = listings["name"].map(lambda name: " ".join(split_words(name)))
    ids_of = listings["product_id"].groupby(names).agg(set)
    queries: dict[str, set[str]] = {}
    for row in rng.permutation(np.flatnonzero(drawn)):
        words = listings["name"].iat[row].split()
        if len(queries) == count:
            break
        if len(words) < 2:
            continue
        length = int(rng.integers(2, min(4, len(words)) + 1))
        start = int(rng.integers(len(words) - length + 1))
        text = " ".join(words[start : start + length])
        queries.setdefault(text, ids_of[names.iat[row]])
    return queries


def query_signals(engine: Engine, text: str) -> tuple[list[str], pd.DataFrame, np.ndarray]:
    """The candidates for a text among all listings, their words, meaning and looks, and what all
    other features add to the score of each."""
    everything = engine.allowed(ANYTHING)
    candidates, features = engine.candidates(engine.build_query(text), everything)
    ids = engine.listings["product_id"].iloc[candidates].tolist()
    rest = engine.ranker.predict(features.drop(columns=list(QUERY), errors="ignore"))
    return ids, features.reindex(columns=list(QUERY)).fillna(0.0), rest


def best_first(ids: list[str], scores: np.ndarray) -> list[str]:
    return [ids[place] for place in np.argsort(-scores, kind="stable")[:DEPTH]]


def reciprocal_ranks(features: pd.DataFrame) -> np.ndarray:
    """Reciprocal rank fusion of the signals (Cormack et al. 2009), to compare with."""
    return (1 / (60 + features.rank(ascending=False, method="first"))).sum(axis=1).to_numpy()


def ndcg_by_weights(
    wanted: set[str], ids: list[str], features: pd.DataFrame, rest: np.ndarray
) -> np.ndarray:
    """NDCG@10 (len(GRID),) of a query's candidates in the order that each row of GRID gives.

    The last three arguments are what `query_signals` returns.
    """
    right = np.array([id_ in wanted for id_ in ids], bool)
    if not len(ids):
        return np.zeros(len(GRID))
    scores = QUERY_WEIGHT * GRID @ features[list(QUERY)].to_numpy().T + rest
    count = min(10, len(ids))
    best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    ideal = GAINS[: len(wanted)].sum()
    return right[np.take_along_axis(best, order, axis=1)] @ GAINS[:count] / ideal


def tune(sets: list[list[np.ndarray]]) -> dict[str, float]:
    """Weights of the query's signals, as heavy in all as by PRIOR, with the best NDCG@10.

    A query is what ndcg_by_weights says of it. The mean over the sets of queries, each set counting
    alike, is what is best; of equally good weights the most even.
    """
    means = [np.mean(queries, axis=0) for queries in sets if queries]
    value = np.round(np.mean(means, axis=0), 6) if means else np.zeros(len(GRID))
    best = GRID[np.lexsort((np.ptp(GRID, axis=1), -value))[0]]
    return {name: float(QUERY_WEIGHT * share) for name, share in zip(QUERY, best, strict=True)}


Scores = dict[str, list[dict[str, float]]]  # of each way to answer, for each query


def summarise(parts: list[Scores], seed: int) -> dict[str, dict[str, float]]:
    """The average of each way to answer over all queries; nothing where there was no query."""
    names = dict.fromkeys(name for scores in parts for name in scores)
    return {
        name: average([score for scores in parts for score in scores.get(name, [])], seed)
        for name in names
    }


def judge_search(engine: Engine, queries: dict[str, set[str]], seed: int) -> Scores:
    """Score the engine's own answers, and those of each of its parts."""
    rng = np.random.default_rng(seed)
    ids_of_all = engine.listings["product_id"].to_numpy()
    scores: Scores = {}

    def note(name: str, found: list[str], wanted: set[str]) -> None:
        scores.setdefault(name, []).append(score_ranking(found, wanted))

    for text, wanted in progress(queries.items(), desc="judge queries", unit="query"):
        answer = engine.search(text, filters=ANYTHING, limit=DEPTH)
        note("model", [hit.product_id for hit in answer.hits], wanted)
        ids, signals, _ = query_signals(engine, text)
        note("bm25", best_first(ids, signals["bm25"].to_numpy()), wanted)
        alone = engine.candidates(
            Query(text_vector=engine.build_query(text).text_vector), engine.allowed(ANYTHING)
        )
        found = ids_of_all[alone[0]].tolist()
        if "text_similarity" in alone[1]:
            found = best_first(found, alone[1]["text_similarity"].to_numpy())
        note("embedding", found, wanted)
        note("reciprocal_rank_fusion", best_first(ids, reciprocal_ranks(signals)), wanted)
        drawn = rng.choice(ids_of_all, min(DEPTH, len(ids_of_all)), replace=False)
        note("random", drawn.tolist(), wanted)
    return scores


# --- Similar photos -------------------------------------------------------------------------------
def judge_photos(engine: Engine, rows: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Score finding a test product's first photo by its second one.

    `rows`: product_id, image_id, photo_index, pixel_hash, split; a row per photo.
    """
    rows = rows.dropna(subset="photo_index").sort_values(["product_id", "image_id"])
    vectors = engine.photo_vectors(rows["photo_index"].to_numpy(np.int64))
    hashes = rows["pixel_hash"].to_numpy()
    order = rows.groupby("product_id").cumcount().to_numpy()
    ids = rows["image_id"].to_numpy()
    rng = np.random.default_rng(seed)
    scores: Scores = {}
    for query in np.flatnonzero((order == 1) & (rows["split"] == "test").to_numpy()):
        if hashes[query - 1] == hashes[query]:
            continue  # its first photo is a copy of it
        others = np.flatnonzero(hashes != hashes[query])
        wanted = {ids[query - 1]}
        likeness = (vectors @ vectors[query])[others]
        nearest = np.argpartition(-likeness, min(DEPTH, len(others) - 1))[:DEPTH]
        nearest = others[nearest[np.argsort(-likeness[nearest], kind="stable")]]
        scores.setdefault("model", []).append(score_ranking(ids[nearest], wanted))
        drawn = rng.choice(others, min(DEPTH, len(others)), replace=False)
        scores.setdefault("random", []).append(score_ranking(ids[drawn], wanted))
    return summarise([scores], seed)


# --- Recommendations ------------------------------------------------------------------------------
def simulate_log(listings: pd.DataFrame, shoppers: int, events: int, seed: int) -> pd.DataFrame:
    """Return what `shoppers` with tastes look at, `events` different listings each.

    user_id, product_id, event, timestamp, as an interaction log; no listing twice by one shopper.
    """
    rng = np.random.default_rng(seed)
    of_leaf, of_group = (
        np.unique([path[level] for path in listings["category_levels"]], return_inverse=True)[1]
        for level in (-1, 0)
    )
    sizes = np.bincount(of_leaf)
    price = np.log1p(listings["price"].to_numpy(float))
    places = listings[["latitude", "longitude"]].to_numpy(float)
    start = pd.Timestamp("2022-03-01")
    rows = []
    for shopper in progress(range(shoppers), desc="simulate shoppers", unit="shopper"):
        # Leaves as often as listings: who likes mirrors is as rare as mirrors are.
        favourites = rng.choice(len(sizes), size=rng.integers(1, 4), p=sizes / sizes.sum())
        liked = np.isin(np.arange(len(sizes)), favourites)[of_leaf]
        level = rng.choice(price[liked])
        home = places[rng.choice(np.flatnonzero(liked))]
        away = np.hypot(*((places - home) * [111, 65]).T)
        taste = (
            4.0 * liked
            + 1.0 * (np.bincount(of_group[liked], minlength=of_group.max() + 1) > 0)[of_group]
            - 1.0 * np.abs(price - level)
            - 0.5 * np.nan_to_num(np.minimum(away / 50, 4), nan=4.0)
        )
        # Gumbel's trick: the largest are draws from the softmax without putting back.
        drawn = np.argsort(-(taste + rng.gumbel(size=len(taste))), kind="stable")[:events]
        rows += [
            (f"simulated-{shopper:04d}", listings["product_id"].iat[row], "view",
             start + pd.Timedelta(minutes=shopper + 10 * step))
            for step, row in enumerate(drawn)
        ]  # fmt: skip
    return pd.DataFrame(rows, columns=["user_id", "product_id", "event", "timestamp"])


class Case(NamedTuple):
    """What a user did, what they took next, and when; None is the newest time known."""

    history: pd.DataFrame
    taken: list[str]
    as_of: pd.Timestamp | None


def next_steps(log: pd.DataFrame, holdout: Holdout, *, most: int, seed: int) -> list[Case]:
    """The judged events of a holdout of `log`; of more than `most`, so many are drawn."""
    rows = holdout.judged
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    judged = log.iloc[rows]
    return [
        Case(history, [product], as_of)
        for history, product, as_of in zip(
            histories(log, rows), judged["product_id"], judged["timestamp"], strict=True
        )
    ]


def fit_crowd(log: pd.DataFrame) -> CollaborativeModel | None:
    return CollaborativeModel.fit(log) if len(log) else None


def learn(
    engine: Engine, log: pd.DataFrame, holdouts: list[Holdout], *, users: int, seed: int
) -> Ranker | None:
    """Learn a ranker from what users took next, among what the engine would have offered then.

    For each holdout the engine's collaborative model is fitted anew on the events to fit on. The
    ranker learns from `users` of each at most. None if there is too little to learn from.
    """
    everything = engine.allowed(ANYTHING)
    tables: list[pd.DataFrame] = []
    relevance, groups = [], []
    for holdout in holdouts:
        engine = engine.with_collaborative(fit_crowd(log[holdout.fit]))
        cases = next_steps(log, holdout, most=users, seed=seed)
        for history, taken, as_of in progress(cases, desc="learn from users", unit="user"):
            candidates, features = engine.candidates(
                Query(), everything & ~engine.already_seen(history), history, as_of=as_of
            )
            right = engine.listings["product_id"].iloc[candidates].isin(taken).to_numpy()
            if right.any():
                groups.append(np.full(len(right), len(tables)))
                tables.append(features)
                relevance.append(right.astype(int))
    if len(tables) < LEAST_CASES:
        return None
    return Ranker.fit(
        pd.concat(tables, ignore_index=True), np.concatenate(relevance), np.concatenate(groups),
        seed=seed,
    )  # fmt: skip


class Popularity:
    """The products of a log by their number of events: baselines that know no user."""

    def __init__(self, log: pd.DataFrame) -> None:
        self._codes, self._products = pd.factorize(log["product_id"], sort=True)
        self._times = log["timestamp"].to_numpy()

    def best(self, as_of: pd.Timestamp | None = None, days: float | None = None) -> list[str]:
        """Product ids, the most events first: of all events, or of the last `days` before `as_of`,
        or before the end of the log where that is earlier."""
        first, last = 0, len(self._codes)
        if days is not None and last:
            end = self._times[-1] + np.timedelta64(1, "us")
            end = end if as_of is None else min(end, as_of.to_datetime64())
            last = int(np.searchsorted(self._times, end))
            window = np.timedelta64(int(days * 86_400), "s")
            first = int(np.searchsorted(self._times, end - window))
        counts = np.bincount(self._codes[first:last], minlength=len(self._products))
        order = np.argsort(-counts, kind="stable")
        return self._products[order[counts[order] > 0]].tolist()


def choose_window(log: pd.DataFrame, holdouts: list[Holdout], *, users: int, seed: int) -> float:
    """The one of RECENT_DAYS whose most popular products are best for the users of holdouts."""
    scores = np.zeros(len(RECENT_DAYS))
    for holdout in holdouts:
        popularity = Popularity(log[holdout.fit])
        for history, taken, as_of in next_steps(log, holdout, most=users, seed=seed):
            met = set(history["product_id"])
            for number, days in enumerate(RECENT_DAYS):
                found = [id_ for id_ in popularity.best(as_of, days) if id_ not in met]
                scores[number] += score_ranking(found, set(taken))["ndcg@10"]
    return RECENT_DAYS[int(scores.argmax())]


def score_recommendations(
    engine: Engine, cases: list[Case], popularity: Popularity, days: float | None, seed: int
) -> Scores:
    """Score what is recommended after each history by the products that were taken next.

    Each of these is to be found by itself: a user's score is the mean over them. `days`: length of
    the window of recent_popular; None leaves it out.
    """
    rng = np.random.default_rng(seed)
    ids = rng.permutation(engine.listings["product_id"].to_numpy()).tolist()
    scores: Scores = {}
    longest = DEPTH + max(history["product_id"].nunique() for history, _, _ in cases)
    ever = popularity.best()
    for_all: dict[pd.Timestamp | None, list[str]] = {}
    for history, taken, as_of in progress(cases, desc="judge users", unit="user"):
        met = set(history["product_id"])
        if as_of not in for_all:
            answer = engine.recommend(None, filters=ANYTHING, limit=longest, as_of=as_of)
            for_all = {as_of: [hit.product_id for hit in answer.hits]}
        impersonal = {"unpersonalised": for_all[as_of], "popular": ever, "random": ids}
        if days is not None:
            impersonal["recent_popular"] = popularity.best(as_of, days)
        found = {
            name: [id_ for id_ in answer[:longest] if id_ not in met]
            for name, answer in impersonal.items()
        }
        found["model"] = found["unpersonalised"]
        if met:
            answer = engine.recommend(history, filters=ANYTHING, limit=DEPTH, as_of=as_of)
            found["model"] = [hit.product_id for hit in answer.hits]
        for name, listed in found.items():
            each = [score_ranking(listed, {one}) for one in taken]
            mean = {measure: float(np.mean([of[measure] for of in each])) for measure in each[0]}
            scores.setdefault(name, []).append(mean)
    return scores


def judge_log(
    engine: Engine, log: pd.DataFrame, *, share: float, users: int, seed: int
) -> tuple[dict[str, Any], Ranker | None]:
    """Score recommendations to the users of a log, by each protocol that it allows.

    Returns the scores, none where nobody can be judged, and the ranker learned before the cut-off.
    A log that cannot be split by time has `leave_last_out` only. `users`: at most so many judge,
    and teach, a protocol.
    """
    found: dict[str, Any] = {}
    rankers: dict[str, Ranker | None] = {}
    protocols: dict[str, tuple[Holdout, list[Holdout]]] = {}
    cutoff = cutoff_time(log["timestamp"], share)
    if cutoff is not None:
        earlier = earlier_holdouts(log, cutoff, share, enough=users, most=WINDOWS)
        protocols["log"] = after(log, cutoff), earlier
    protocols["leave_last_out"] = last_out(log, 2), [last_out(log, 1)]
    for protocol, (holdout, earlier) in protocols.items():
        cases = next_steps(log, holdout, most=len(log), seed=seed)
        returning = [case for case in cases if len(case.history)]
        if not returning:
            continue
        learned = learn(engine, log, earlier, users=users, seed=seed)
        days = choose_window(log, earlier, users=users, seed=seed)
        engine = engine.with_ranker(learned or Ranker.prior())
        engine = engine.with_collaborative(fit_crowd(log[holdout.fit]))
        popularity = Popularity(log[holdout.fit])
        rankers[protocol] = learned
        new = [case for case in cases if case.history.empty]
        for name, judged in {protocol: returning, "new_users": new}.items():
            if judged:
                drawn = _draw(judged, users, seed)
                scores = score_recommendations(engine, drawn, popularity, days, seed)
                found[name] = summarise([scores], seed)
        found[protocol]["recent_popular"]["days"] = days
    return found, rankers.get("log", rankers.get("leave_last_out"))


def _draw(cases: list[Case], most: int, seed: int) -> list[Case]:
    """The cases, or `most` of them drawn at random, in order."""
    if len(cases) <= most:
        return cases
    rows = np.random.default_rng(seed).choice(len(cases), most, replace=False)
    return [cases[row] for row in np.sort(rows)]


def judge_simulated(engine: Engine, shoppers: int, seed: int) -> dict[str, Any]:
    """Score recommendations to simulated shoppers by the number of events behind them.

    A sanity check: what they like is what the ranker measures.

    The same shoppers and the same next listings at every length of history; `gain` is what NDCG@10
    gained since the length before, of each shopper.
    """
    longest = max(HISTORIES)
    log = simulate_log(engine.listings, shoppers, longest + TAKEN, seed)
    others = simulate_log(engine.listings, shoppers, longest + TAKEN, seed + 1)
    popularity = Popularity(others.sort_values("timestamp", kind="stable"))
    events = [of for _, of in log.groupby("user_id", sort=False)]
    found: dict[str, Any] = {}
    before: list[dict[str, float]] = []
    for length in HISTORIES:
        cases = [
            Case(
                of.iloc[longest - length : longest], of["product_id"].iloc[longest:].tolist(), None
            )
            for of in events
        ]
        scores = score_recommendations(engine, cases, popularity, None, seed)
        found[f"after_{length}"] = summarise([scores], seed)
        if before:
            gain = [
                {"ndcg@10": now["ndcg@10"] - then["ndcg@10"]}
                for now, then in zip(scores["model"], before, strict=True)
            ]
            found[f"after_{length}"]["gain"] = average(gain, seed)
        before = scores["model"]
    return found


def said(scores: dict[str, dict[str, float]], name: str) -> str:
    """One of the engine's own scores, in words; a small dataset may have nothing to judge it by."""
    of = scores.get("model")
    return f"{of[name]:.3f} on {of['n']}" if of else "not judged on any"


@stage
def main() -> str:
    params = load_params("rank").model_dump()
    require(LISTINGS, LOG, INDEX, EMBED, EXPECTED)
    seed = params["seed"]
    set_up_torch(seed)
    columns = ["product_id", "image_id", "photo_index", "pixel_hash", "split"]
    rows = pd.read_parquet(LISTINGS, columns=columns)
    split_of = rows.drop_duplicates("product_id").set_index("product_id")["split"]
    reader = CachedTextEncoder.load(INDEX)
    engine = Engine.load(rank=None, encode_text=reader)
    listings = engine.listings
    split = split_of.loc[listings["product_id"]].to_numpy()
    rng = np.random.default_rng(seed)

    names = category_queries(listings)
    halves = np.array_split(rng.permutation(sorted(names)), 2)
    by_half = [{name: names[name] for name in half} for half in halves]
    items = {
        of: known_item_queries(listings, split == of, params["known_items"], rng)
        for of in ("train", "test")
    }
    texts = [*names, *items["train"], *items["test"]]
    for start in progress(range(0, len(texts), BATCH), desc="read queries", unit="batch"):
        reader.encode_ahead(texts[start : start + BATCH])

    log = pd.read_parquet(LOG)
    log = log[log["product_id"].isin(listings["product_id"])].reset_index(drop=True)
    users = params["max_users"]
    personalised, learned = judge_log(
        engine, log, share=params["test_share"], users=users, seed=seed
    )
    # From here on the engine is as it will be served: it has met the held-out events too.
    engine = engine.with_ranker(learned or Ranker.prior())
    engine = engine.with_collaborative(fit_crowd(log))
    if not personalised:
        personalised["simulated"] = judge_simulated(engine, users, seed)

    values = [
        [
            ndcg_by_weights(wanted, *query_signals(engine, text))
            for text, wanted in progress(queries.items(), desc="weigh queries", unit="query")
        ]
        for queries in (*by_half, items["train"])
    ]
    of_half = [tune([half, values[2]]) for half in values[:2]]
    weights = tune([values[0] + values[1], values[2]])
    ranker = engine.ranker.with_weights(weights)
    engine = engine.with_ranker(ranker)
    searches: dict[str, list[Scores]] = {
        "category_names": [], "without_other": [], "known_items": [],
    }  # fmt: skip
    for queries, of_other in zip(by_half, reversed(of_half), strict=True):
        weighted = engine.with_ranker(ranker.with_weights(of_other))
        scores = judge_search(weighted, queries, seed)
        searches["category_names"].append(scores)
        kept = [place for place, name in enumerate(queries) if not name.startswith("Other")]
        if kept:
            searches["without_other"].append(
                {way: [each[place] for place in kept] for way, each in scores.items()}
            )
    weighted = engine.with_ranker(ranker.with_weights(of_half[0]))
    searches["known_items"].append(judge_search(weighted, items["test"], seed))
    metrics = {
        "search": {kind: summarise(parts, seed) for kind, parts in searches.items()},
        "photo_to_photo": judge_photos(engine, rows, seed),
        "personalised": personalised,
        "weights": weights,
        "learned": learned is not None,
        "seed": seed,
    }
    with replace_when_done(OUT) as folder:
        folder.mkdir()
        engine.ranker.save(folder)
        if engine.collaborative is not None:
            (folder / "collaborative").mkdir()
            engine.collaborative.save(folder / "collaborative")
    write_json(Path("metrics/rank.json"), metrics)
    unsplit = "; the log cannot be split by time, so only leave_last_out was judged"
    return (
        f"NDCG@10 {said(metrics['search']['category_names'], 'ndcg@10')} category names, "
        f"R@1 {said(metrics['photo_to_photo'], 'recall@1')} photos, "
        f"{'weights learned from the log' if learned else 'prior weights'}"
        f"{unsplit if 'leave_last_out' in personalised and 'log' not in personalised else ''}"
    )


if __name__ == "__main__":
    main()
