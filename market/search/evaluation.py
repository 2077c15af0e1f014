"""Evaluate search, similar photos and recommendations, each beside simple baselines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from market.core.stage import progress
from market.models.metrics import bootstrap_interval
from market.search.cases import Case, held_out_cases, sample_cases
from market.search.engine import Engine
from market.search.evaluation_queries import Queries
from market.search.feature_names import MATCH_FEATURES
from market.search.metrics import DEPTH, MetricValues, score_list
from market.search.popularity import Popularity
from market.search.query import Query
from market.search.ranking_models import FittedProtocol, SearchTest
from market.search.relevance import KEEP_ALL
from market.search.simulation import simulate_log
from market.search.tuning import EVERYTHING, QueryCandidates

RRF_CONSTANT = 60
HISTORY_LENGTHS = (0, 1, 3, 10)  # events of a simulated user before those to find
N_NEXT = 10  # next listings of a simulated user to find: with fewer, scores are mostly chance

Scores = dict[str, list[MetricValues]]  # of each query or user, by the name of the method
Summary = dict[str, dict[str, Any]]  # means, intervals and n, by the name of the method


# --- Means and intervals --------------------------------------------------------------------------
def average(scores: Sequence[MetricValues], *, seed: int) -> dict[str, float]:
    """Return the mean of each metric, "n", and the interval of NDCG@10.

    Parameters
    ----------
    scores
        One per query or user, at least one; all with the same metrics, "ndcg@10" among them.
    seed
        Of the bootstrap.

    Returns
    -------
    dict
        The metrics, "ndcg@10_low", "ndcg@10_high" and "n".
    """
    table = pd.DataFrame(scores)
    low, high = bootstrap_interval(table["ndcg@10"].to_numpy(), seed=seed)
    interval = {"ndcg@10_low": low, "ndcg@10_high": high}
    return {**table.mean().to_dict(), **interval, "n": len(table)}


def average_each(
    scores: Mapping[str, Sequence[MetricValues]], *, seed: int
) -> dict[str, dict[str, float]]:
    """Return `average` for each method that has a score."""
    return {method: average(values, seed=seed) for method, values in scores.items() if values}


# --- Search ---------------------------------------------------------------------------------------
def score_search(engine: Engine, queries: Queries, *, seed: int) -> Scores:
    """Score the engine's results, and the results of its parts alone.

    Parameters
    ----------
    engine
        Searches all listings.
    queries
        Each with its relevant ids.
    seed
        Of the method "random".

    Returns
    -------
    dict
        A score for each query, in order, by method: "model", "bm25", "embedding" (text similarity
        alone), "reciprocal_rank_fusion" and "random"; empty without a query.
    """
    rng = np.random.default_rng(seed)
    all_ids = engine.listings["product_id"].to_numpy()
    scores: Scores = defaultdict(list)
    for text, relevant in progress(queries.items(), desc="evaluate queries", unit="query"):
        result = engine.search(f"{text} ", filters=EVERYTHING, limit=DEPTH)  # a finished word
        candidates = QueryCandidates.of(engine, text)
        bm25 = candidates.features["bm25"].to_numpy()
        rankings = {
            "model": [hit.product_id for hit in result.hits],
            "bm25": candidates.ranking(bm25),
            "embedding": _rank_by_text_similarity(engine, text),
            "reciprocal_rank_fusion": candidates.ranking(
                fuse_ranks(candidates.features[list(MATCH_FEATURES)])
            ),
            "random": rng.choice(all_ids, min(DEPTH, len(all_ids)), replace=False).tolist(),
        }
        for method, ranking in rankings.items():
            scores[method].append(score_list(ranking, relevant))
    return dict(scores)


def _rank_by_text_similarity(engine: Engine, text: str) -> list[str]:
    query = Query(text_vector=engine.build_query(text).text_vector)
    rows, features = engine.candidates(query, engine.allowed(EVERYTHING))
    if "text_similarity" in features:
        rows = rows[np.argsort(-features["text_similarity"].to_numpy(), kind="stable")[:DEPTH]]
    return engine.listings["product_id"].iloc[rows].tolist()


def fuse_ranks(features: pd.DataFrame) -> np.ndarray:
    """Return the reciprocal rank fusion (n,) of the columns of some features (n, k).

    References
    ----------
    Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank
    learning methods", 2009.
    """
    ranks = features.rank(ascending=False, method="first")
    return (1 / (RRF_CONSTANT + ranks)).sum(axis=1).to_numpy()


def evaluate_searches(
    engine: Engine, tests: Sequence[SearchTest], *, seed: int
) -> dict[str, Summary]:
    """Evaluate search on queries with known answers.

    Parameters
    ----------
    engine
        The engine that is served. The weights of each test replace its ranker's. The order of all
        matches is evaluated, wherever the results end.
    tests
        Tests of one kind are averaged together.

    Returns
    -------
    dict
        By kind: "category_names", "without_other" (without the category names that begin with
        "Other", because no listing's text resembles "Other Goods") and "known_items".
    """
    parts: dict[str, list[Scores]] = {"category_names": [], "without_other": [], "known_items": []}
    for test in tests:
        weighted = engine.with_ranker(test.ranker(engine.ranker))
        scores = score_search(weighted.with_relevance(KEEP_ALL), test.queries, seed=seed)
        parts[test.kind].append(scores)
        if test.kind == "category_names":
            specific = [not name.startswith("Other") for name in test.queries]
            parts["without_other"].append(
                {
                    method: [value for value, kept in zip(values, specific, strict=True) if kept]
                    for method, values in scores.items()
                }
            )
    return {kind: average_each(_join(scores), seed=seed) for kind, scores in parts.items()}


def _join(parts: Iterable[Scores]) -> Scores:
    """Return the scores of all parts, method by method."""
    joined: Scores = defaultdict(list)
    for scores in parts:
        for method, values in scores.items():
            joined[method] += values
    return dict(joined)


# --- Similar photos -------------------------------------------------------------------------------
def evaluate_photos(engine: Engine, photos: pd.DataFrame, *, seed: int) -> Summary:
    """Evaluate same-product photo retrieval: find a test product's first photo by its second.

    All photos are searched, except copies of the query (the same pixels). No model was fitted on
    which photos belong to one product.

    Parameters
    ----------
    engine
        Gives the vectors of the photos.
    photos
        product_id, image_id, photo_index (NaN without a photo), pixel_hash and split; a row per
        photo.
    seed
        Of the method "random", and of the intervals.

    Returns
    -------
    dict
        For "model" and "random"; empty if no test product has two different photos.
    """
    photos = photos.dropna(subset="photo_index").sort_values(["product_id", "image_id"])
    vectors = engine.photo_vectors(photos["photo_index"].to_numpy(np.int64))
    hashes = photos["pixel_hash"].to_numpy()
    number = photos.groupby("product_id").cumcount().to_numpy()
    ids = photos["image_id"].to_numpy()
    rng = np.random.default_rng(seed)
    scores: Scores = defaultdict(list)
    for query in np.flatnonzero((number == 1) & (photos["split"] == "test").to_numpy()):
        first = query - 1  # the product's first photo is one row above
        if hashes[first] == hashes[query]:
            continue
        others = np.flatnonzero(hashes != hashes[query])
        similarity = (vectors @ vectors[query])[others]
        nearest = np.argpartition(-similarity, min(DEPTH, len(others) - 1))[:DEPTH]
        nearest = others[nearest[np.argsort(-similarity[nearest], kind="stable")]]
        scores["model"].append(score_list(ids[nearest], {ids[first]}))
        drawn = rng.choice(others, min(DEPTH, len(others)), replace=False)
        scores["random"].append(score_list(ids[drawn], {ids[first]}))
    return average_each(scores, seed=seed)


# --- Recommendations ------------------------------------------------------------------------------
def score_recommendations(
    engine: Engine,
    cases: Sequence[Case],
    popularity: Popularity,
    *,
    recent_days: float | None,
    seed: int,
) -> Scores:
    """Score the engine's recommendations, and methods that do not know the user.

    Parameters
    ----------
    engine
        Recommends after each history, as of the time of the case.
    cases
        At least one. A user's score is the mean over the chosen listings, each the only relevant
        one. No method recommends a listing that the user has already seen.
    popularity
        Counts the events that the engine's models were fitted on.
    recent_days
        The window of the method "recent_popular", in days; None leaves the method out.
    seed
        Of the method "random".

    Returns
    -------
    dict
        A score for each case, in order, by method: "model", "unpersonalised" (the same ranker
        without a history), "popular" (most events), "recent_popular" (most events in a window
        before the case) and "random".
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(engine.listings["product_id"].to_numpy()).tolist()
    # Long enough to leave DEPTH listings after those that the user has seen.
    depth = DEPTH + max(case.history["product_id"].nunique() for case in cases)
    popular = popularity.ranking()
    unpersonalised: dict[pd.Timestamp | None, list[str]] = {}  # of the latest time only
    scores: Scores = defaultdict(list)
    for history, chosen, as_of in progress(cases, desc="evaluate users", unit="user"):
        seen = set(history["product_id"])
        if as_of not in unpersonalised:
            unpersonalised = {as_of: _recommended(engine, None, depth, as_of)}
        for_everybody = {
            "unpersonalised": unpersonalised[as_of],
            "popular": popular,
            "random": shuffled,
        }
        if recent_days is not None:
            for_everybody["recent_popular"] = popularity.ranking(as_of, recent_days)
        rankings = {
            method: [product_id for product_id in ranking[:depth] if product_id not in seen]
            for method, ranking in for_everybody.items()
        }
        rankings["model"] = rankings["unpersonalised"]
        if seen:
            rankings["model"] = _recommended(engine, history, DEPTH, as_of)
        for method, ranking in rankings.items():
            scores[method].append(_score_choices(ranking, chosen))
    return dict(scores)


def _recommended(
    engine: Engine, history: pd.DataFrame | None, limit: int, as_of: pd.Timestamp | None
) -> list[str]:
    """Return the ids that the engine recommends, best first."""
    result = engine.recommend(history, filters=EVERYTHING, limit=limit, as_of=as_of)
    return [hit.product_id for hit in result.hits]


def _score_choices(ranking: list[str], chosen: list[str]) -> MetricValues:
    """Return the mean score of a ranking, with each chosen listing as the only relevant one."""
    scores = [score_list(ranking, {product_id}) for product_id in chosen]
    return {metric: float(np.mean([score[metric] for score in scores])) for metric in scores[0]}


def evaluate_log(
    engine: Engine,
    log: pd.DataFrame,
    protocols: Mapping[str, FittedProtocol],
    *,
    max_users: int,
    seed: int,
) -> dict[str, Summary]:
    """Evaluate recommendations to the users of a log.

    Parameters
    ----------
    engine
        The models of each protocol replace its own.
    log
        The log that the protocols were fitted on.
    protocols
        By name.
    max_users
        The largest number of users that are evaluated in each group, drawn with `seed`.

    Returns
    -------
    dict
        Users with a history, by the protocol's name; and "new_users", who have none and exist only
        in a split by time.
    """
    summaries: dict[str, Summary] = {}
    for name, protocol in protocols.items():
        holdout = protocol.holdout(log)
        cases = held_out_cases(log, holdout)
        fitted = engine.with_ranker(protocol.models.ranker).with_collaborative(
            protocol.models.collaborative
        )
        popularity = Popularity(log[holdout.train])
        groups = {
            name: [case for case in cases if len(case.history)],
            "new_users": [case for case in cases if case.history.empty],
        }
        for group, members in groups.items():
            if members:
                drawn = sample_cases(members, max_users, seed)
                scores = score_recommendations(
                    fitted, drawn, popularity, recent_days=protocol.recent_days, seed=seed
                )
                summaries[group] = average_each(scores, seed=seed)
        summaries[name]["recent_popular"]["days"] = protocol.recent_days
    return summaries


def evaluate_simulated(engine: Engine, *, users: int, seed: int) -> dict[str, Summary]:
    """Evaluate recommendations to simulated users by the length of their history.

    A sanity check and not a result: see `simulate_log`. The users and the listings to find are the
    same at every length.

    Returns
    -------
    dict
        "after_0", "after_1", "after_3" and "after_10", each a summary by method. Its "gain" is the
        rise of NDCG@10 from the previous length, paired by user.
    """
    longest = max(HISTORY_LENGTHS)
    events = longest + N_NEXT
    log = simulate_log(engine.listings, users=users, events=events, seed=seed)
    others = simulate_log(engine.listings, users=users, events=events, seed=seed + 1)
    popularity = Popularity(others.sort_values("timestamp", kind="stable"))
    user_events = [rows for _, rows in log.groupby("user_id", sort=False)]
    summaries: dict[str, Summary] = {}
    previous: list[MetricValues] = []
    for length in HISTORY_LENGTHS:
        cases = [
            Case(
                rows.iloc[longest - length : longest], rows["product_id"].iloc[longest:].tolist(),
                None,
            )
            for rows in user_events
        ]  # fmt: skip
        scores = score_recommendations(engine, cases, popularity, recent_days=None, seed=seed)
        summary: Summary = dict(average_each(scores, seed=seed))
        if previous:
            gain = [
                {"ndcg@10": now["ndcg@10"] - before["ndcg@10"]}
                for now, before in zip(scores["model"], previous, strict=True)
            ]
            summary["gain"] = average(gain, seed=seed)
        summaries[f"after_{length}"] = summary
        previous = scores["model"]
    return summaries
