"""Ranking judged: scores by hand, nothing of the held-out events in what is judged."""

from __future__ import annotations

import json
import math
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from market.search.engine import Engine, Filters, Query
from market.search.ranker import PRIOR, QUERY, Ranker
from stages import rank

START = pd.Timestamp("2022-03-01")
SCORES = {
    "ndcg@10",
    "mrr",
    "recall@1",
    "recall@10",
    "recall@50",
    "ndcg@10_low",
    "ndcg@10_high",
    "n",
}


def gain(place: int) -> float:
    return 1 / math.log2(place + 1)


# --- Scores ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("found", "wanted", "scores"),
    [
        ("abc", "a", [1, 1, 1, 1, 1]),
        ("bca", "a", [gain(3), 1 / 3, 0, 1, 1]),
        ("xay", "ab", [gain(2) / (gain(1) + gain(2)), 1 / 2, 0, 0.5, 0.5]),
        ("ab", "ab", [1, 1, 0.5, 1, 1]),
        ("xyz", "a", [0, 0, 0, 0, 0]),
        ("", "a", [0, 0, 0, 0, 0]),
        ("x" * 10 + "a", "a", [0, 1 / 11, 0, 0, 1]),
        ("x" * 49 + "a", "a", [0, 1 / 50, 0, 0, 1]),
        ("x" * 50 + "a", "a", [0, 0, 0, 0, 0]),
    ],
)
def test_scores_by_hand(found: str, wanted: str, scores: list[float]) -> None:
    names = ["ndcg@10", "mrr", "recall@1", "recall@10", "recall@50"]
    answer = rank.score_ranking(list(found), set(wanted))
    assert answer == pytest.approx(dict(zip(names, scores, strict=True)))


def test_more_than_ten_right_ones_are_a_perfect_ten() -> None:
    wanted = {str(number) for number in range(30)}
    scores = rank.score_ranking([str(number) for number in range(30)], wanted)
    assert scores["ndcg@10"] == pytest.approx(1) and scores["recall@10"] == pytest.approx(1 / 3)


def test_averages_have_an_interval_and_their_number() -> None:
    some = [rank.score_ranking("ab", {letter}) for letter in "aabz"]
    found = rank.average(some, 1)
    assert set(found) == SCORES and found["n"] == 4
    assert found["ndcg@10"] == pytest.approx((2 + gain(2)) / 4)
    assert found["ndcg@10_low"] < found["ndcg@10"] < found["ndcg@10_high"]
    same = rank.average(some[:2], 1)
    assert same["ndcg@10_low"] == same["ndcg@10_high"] == 1
    assert rank.average(some, 1) == found != rank.average(some, 2)


def test_a_summary_is_over_all_parts_and_of_nothing_empty() -> None:
    right, wrong = rank.score_ranking("a", {"a"}), rank.score_ranking("b", {"a"})
    found = rank.summarise([{"model": [right]}, {}, {"model": [wrong], "random": [wrong]}], 0)
    assert found["model"]["ndcg@10"] == 0.5 and found["model"]["n"] == 2
    assert found["random"]["n"] == 1
    assert rank.summarise([{}, {}], 0) == {}
    assert "not judged" in rank.said({}, "mrr") and rank.said(found, "mrr") == "0.500 on 2"


# --- Queries and weights --------------------------------------------------------------------------
def toy_queries(right: str, count: int = 12) -> list[np.ndarray]:
    """Queries whose right listing has the most of the signal `right`, and noise in the others."""
    rng = np.random.default_rng(0)
    queries = []
    for _ in range(count):
        signals = pd.DataFrame(rng.random((30, len(QUERY))), columns=list(QUERY))
        ids = [str(number) for number in range(30)]
        wanted = {str(signals[right].idxmax())}
        queries.append(rank.ndcg_by_weights(wanted, ids, signals, np.zeros(len(ids))))
    return queries


def test_values_of_weights_are_the_scores_of_their_orders() -> None:
    rng = np.random.default_rng(1)
    for count, wanted in (
        (30, set("24")),
        (30, {str(n) for n in range(15)}),
        (4, set("9")),
        (0, {"1"}),
    ):
        signals = pd.DataFrame(rng.random((count, len(QUERY))), columns=list(QUERY))
        ids = [str(number) for number in range(count)]
        rest = rng.random(count)  # what the features that are not the query's add to a score
        values = rank.ndcg_by_weights(wanted, ids, signals, rest)
        assert values.shape == (len(rank.GRID),)
        for weights, value in list(zip(rank.GRID, values, strict=True))[::20]:
            order = rank.best_first(ids, signals.to_numpy() @ weights * rank.QUERY_WEIGHT + rest)
            assert value == pytest.approx(rank.score_ranking(order, wanted)["ndcg@10"])


@pytest.mark.parametrize("right", QUERY)
def test_weights_go_to_the_signal_that_is_right(right: str) -> None:
    weights = rank.tune([toy_queries(right), []])
    assert max(weights, key=lambda name: weights[name]) == right
    assert sum(weights.values()) == pytest.approx(sum(PRIOR[name] for name in QUERY))
    assert min(weights.values()) >= 0


def test_each_set_of_queries_counts_alike() -> None:
    many, few = toy_queries("bm25", 40), toy_queries("image_similarity", 4)
    one, alike, ten = (rank.tune(sets) for sets in ([many], [many, few], [many + few]))
    assert (
        one["image_similarity"] == 0 < alike["image_similarity"]
        and ten["image_similarity"] < alike["image_similarity"]
    )


@pytest.mark.parametrize("sets", [[], [[], []], [[np.ones(len(rank.GRID))]]])
def test_without_anything_to_choose_by_weights_are_even(sets: list) -> None:
    weights = rank.tune(sets)
    assert max(weights.values()) - min(weights.values()) < 0.11 * sum(weights.values())


def test_queries_are_names_of_leaves_and_words_of_names() -> None:
    listings = pd.DataFrame(
        {
            "product_id": [f"p{n}" for n in range(9)],
            "name": ["one two three four five six"] * 8 + ["single"],
            "category_levels": [["A", "B"]] * 5 + [["A", "C"]] * 4,
        }
    )
    assert rank.category_queries(listings) == {"B": {f"p{n}" for n in range(5)}}
    everything = np.ones(len(listings), bool)
    items = rank.known_item_queries(listings, everything, 5, np.random.default_rng(0))
    assert 1 <= len(items) <= 5
    for text, wanted in items.items():
        assert text in listings["name"].iat[0] and 2 <= len(text.split()) <= 4
        assert wanted == {f"p{n}" for n in range(8)}, "all have this name"
    single = np.arange(len(listings)) == 8
    assert rank.known_item_queries(listings, single, 5, np.random.default_rng(0)) == {}


def test_known_items_accept_every_listing_of_that_name() -> None:
    names = ["Oak table", "oak  TABLE!", "The oak table", "oak table with chairs", "pine table"]
    listings = pd.DataFrame({"product_id": list("abcde"), "name": names})
    drawn = np.array([True, False, False, False, False])
    assert rank.known_item_queries(listings, drawn, 9, np.random.default_rng(0)) == {
        "Oak table": {"a", "b", "c"}
    }


# --- Logs -----------------------------------------------------------------------------------------
def make_log(sequences: dict[str, str]) -> pd.DataFrame:
    rows = [
        (user, product, "view", START + pd.Timedelta(minutes=minute, seconds=number))
        for number, (user, sequence) in enumerate(sequences.items())
        for minute, product in enumerate(sequence)
    ]
    log = pd.DataFrame(rows, columns=["user_id", "product_id", "event", "timestamp"])
    return log.sort_values("timestamp", ignore_index=True)


def test_a_case_is_what_came_before_the_judged_event_of_a_user() -> None:
    log = make_log({"u": "abca", "v": "aab", "w": "a", "x": "abab"})
    for part, wanted in ((2, {"ab": "c", "aa": "b", "a": "b"}), (1, {"a": "b"})):
        cases = rank.next_steps(log, rank.last_out(log, part), most=99, seed=0)
        assert {"".join(past["product_id"]): taken[0] for past, taken, _ in cases} == wanted
        for past, _, as_of in cases:
            assert past["user_id"].nunique() == 1 and (past["timestamp"] < as_of).all()
    assert rank.next_steps(log[:0], rank.last_out(log[:0], 2), most=99, seed=0) == []
    assert len(rank.next_steps(log, rank.last_out(log, 2), most=1, seed=0)) == 1


@pytest.fixture(scope="module")
def log(engine: Engine) -> pd.DataFrame:
    """What enough shoppers did for a ranker to be learned."""
    log = rank.simulate_log(engine.listings, 40, 5, 0)
    return log.sort_values("timestamp", kind="stable", ignore_index=True)


@pytest.fixture
def fresh(engine: Engine) -> Engine:
    """The engine of the sample, to be changed."""
    return engine.with_collaborative(None).with_ranker(Ranker.prior())


def saved(engine: Engine, ranker: Ranker, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    ranker.save(folder)
    if engine.collaborative is not None:
        engine.collaborative.save(folder)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def in_time(listings: pd.DataFrame, users: int, seed: int) -> pd.DataFrame:
    """A simulated log whose users come one after another, and come back later."""
    log = rank.simulate_log(listings, users, 6, seed)
    number = log.groupby("user_id").cumcount()
    user = log["user_id"].str[-4:].astype(int)
    hours = user + 24 * 7 * number
    log["timestamp"] = pd.Timestamp("2022-03-01") + pd.to_timedelta(hours, unit="h")
    return log.sort_values("timestamp", kind="stable", ignore_index=True)


def test_nothing_after_the_cutoff_reaches_what_is_judged(fresh: Engine, tmp_path: Path) -> None:
    log = in_time(fresh.listings, 40, 0)
    cutoff = rank.cutoff_time(log["timestamp"], 0.2)
    assert cutoff is not None
    fitted = log["timestamp"] < cutoff
    never = sorted(set(fresh.listings["product_id"]) - set(log["product_id"]))[0]
    poisoned = log.copy()
    poisoned.loc[~fitted, ["product_id", "event"]] = [never, "buy"]
    written = []
    for number, each in enumerate((log, poisoned)):
        earlier = rank.earlier_holdouts(each, cutoff, 0.2, enough=99, most=2)
        ranker = rank.learn(fresh, each, earlier, users=99, seed=0)
        assert ranker is not None, "there is enough to learn from"
        fitted = fresh.with_collaborative(rank.fit_crowd(each[rank.after(each, cutoff).fit]))
        written.append(saved(fitted, ranker, tmp_path / str(number)))
    assert written[0] == written[1]
    judged = rank.judge_log(fresh, poisoned, share=0.2, users=99, seed=0)[0]["log"]
    assert judged["popular"]["recall@50"] == 0 == judged["recent_popular"]["recall@50"]


def test_a_log_is_judged_by_time_and_by_user(fresh: Engine) -> None:
    log = in_time(fresh.listings, 40, 0)
    late = log["user_id"].eq("simulated-0003")
    log.loc[late, "timestamp"] += pd.Timedelta(days=99)  # a new user
    log = log.sort_values("timestamp", kind="stable", ignore_index=True)
    cutoff = rank.cutoff_time(log["timestamp"], 0.2)
    assert cutoff is not None
    returning = len(rank.after(log, cutoff).judged) - 1
    found, ranker = rank.judge_log(fresh, log, share=0.2, users=99, seed=0)
    assert set(found) == {"log", "new_users", "leave_last_out"} and ranker is not None
    ways = {"model", "unpersonalised", "popular", "recent_popular", "random"}
    for protocol, n in {"log": returning, "new_users": 1, "leave_last_out": 40}.items():
        assert set(found[protocol]) == ways
        assert all(scores["n"] == n for scores in found[protocol].values())
    assert found["new_users"]["model"] == found["new_users"]["unpersonalised"]
    assert found["log"]["recent_popular"]["days"] in rank.RECENT_DAYS


def test_recent_popularity_ends_at_the_judged_event() -> None:
    log = make_log({"u": "aab", "v": "abcc"}).assign(event="view")
    popularity = rank.Popularity(log)
    assert popularity.best() == ["a", "b", "c"]
    assert popularity.best(START, 1) == [], "nothing was before"
    second = START + pd.Timedelta(minutes=1)
    assert popularity.best(second, 1) == ["a"]
    minute = 1 / 24 / 60
    assert popularity.best(START + pd.Timedelta(days=9), 2 * minute) == ["c", "b"]


@pytest.mark.parametrize(
    ("sequences", "protocols"),
    [
        ({}, set()),
        ({"u": "a"}, set()),
        ({"u": "ab", "v": "bc"}, {"log", "leave_last_out"}),
        ({"u": "abc"}, {"log", "leave_last_out"}),
    ],
)
def test_a_log_too_small_to_learn_from_is_still_judged(
    fresh: Engine, sequences: dict[str, str], protocols: set[str]
) -> None:
    log = make_log(sequences)
    log["timestamp"] = pd.to_datetime(log["timestamp"])
    names = dict(zip("abc", fresh.listings["product_id"], strict=False))
    log["product_id"] = log["product_id"].map(names).astype(str)
    found, ranker = rank.judge_log(fresh, log, share=0.2, users=99, seed=0)
    assert set(found) == protocols and ranker is None
    assert len(fresh.recommend(None, limit=5).hits) == 5


def test_a_log_of_one_moment_is_judged_by_user_only(fresh: Engine) -> None:
    log = in_time(fresh.listings, 5, 0).assign(timestamp=START)
    found, _ = rank.judge_log(fresh, log, share=0.2, users=99, seed=0)
    assert set(found) == {"leave_last_out"}


# --- Query weights --------------------------------------------------------------------------------
def test_weights_are_chosen_on_the_features_that_are_served(fresh: Engine) -> None:
    """The chosen weights are the best of the grid for the answers that the engine then gives."""
    names = fresh.listings["name"].unique()[:8]
    wanted = {name: set(fresh.listings.loc[fresh.listings["name"] == name, "product_id"])
              for name in names}  # fmt: skip
    words = {" ".join(name.split()[:2]): ids for name, ids in wanted.items()}

    def values() -> list[np.ndarray]:
        return [rank.ndcg_by_weights(ids, *rank.query_signals(fresh, text))
                for text, ids in words.items()]  # fmt: skip

    before = values()
    weights = rank.tune([before])
    fresh = fresh.with_ranker(fresh.ranker.with_weights(weights))
    np.testing.assert_array_equal(values(), before)
    served = [
        rank.score_ranking(
            [hit.product_id for hit in fresh.search(text, filters=rank.ANYTHING, limit=50).hits],
            ids,
        )["ndcg@10"]
        for text, ids in words.items()
    ]
    assert np.mean(served) == pytest.approx(np.mean(before, axis=0).max())


# --- Simulated shoppers ---------------------------------------------------------------------------
def test_simulated_shoppers_are_drawn_by_the_seed(engine: Engine) -> None:
    one, same, other = (rank.simulate_log(engine.listings, 7, 6, seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(one, same)
    assert not one["product_id"].equals(other["product_id"])
    assert one.columns.tolist() == ["user_id", "product_id", "event", "timestamp"]
    assert (one.groupby("user_id").size() == 6).all() and one["user_id"].nunique() == 7
    assert not one.duplicated(["user_id", "product_id"]).any()
    assert one["user_id"].str.startswith("simulated").all()
    times = one.groupby("user_id")["timestamp"]
    assert times.apply(lambda of: of.is_monotonic_increasing).all()


def test_simulated_shoppers_have_tastes(engine: Engine) -> None:
    log = rank.simulate_log(engine.listings, 40, 6, 0)
    group = engine.listings.set_index("product_id")["category_levels"].map(lambda path: path[0])
    groups = group.loc[log["product_id"]].to_numpy()
    drawn = pd.Series(groups).groupby(log["user_id"].to_numpy()).nunique().mean()
    by_chance = pd.Series(np.random.default_rng(0).permutation(groups))
    assert drawn < 0.8 * by_chance.groupby(log["user_id"].to_numpy()).nunique().mean()


def test_simulated_shoppers_of_unplaced_listings_are_no_fault(engine: Engine) -> None:
    listings = engine.listings.assign(latitude=np.nan, longitude=np.nan)
    assert len(rank.simulate_log(listings, 3, 4, 0)) == 12


def test_simulated_recommendations_are_judged_by_length_of_history(fresh: Engine) -> None:
    found = rank.judge_simulated(fresh, 6, 1)
    assert list(found) == ["after_0", "after_1", "after_3", "after_10"]
    ways = {"model", "unpersonalised", "popular", "random"}
    for length, scores in found.items():
        assert set(scores) == ways | ({"gain"} if length != "after_0" else set())
        assert all(of["n"] == 6 for of in scores.values())
    for before, now in pairwise(found.values()):
        gained = now["model"]["ndcg@10"] - before["model"]["ndcg@10"]
        assert now["gain"]["ndcg@10"] == pytest.approx(gained)
        assert now["gain"]["ndcg@10_low"] <= gained <= now["gain"]["ndcg@10_high"]
    assert found["after_0"]["model"] == found["after_0"]["unpersonalised"]
    assert found == rank.judge_simulated(fresh, 6, 1)


def test_recommendations_are_judged_by_what_was_taken(fresh: Engine) -> None:
    history = make_log({"u": "a"}).iloc[:0]
    order = [hit.product_id for hit in fresh.recommend(None, filters=rank.ANYTHING, limit=9).hits]

    class Backwards(rank.Popularity):
        def __init__(self) -> None:
            """No log."""

        def best(self, as_of: Any = None, days: Any = None) -> list[str]:
            return order[::-1]

    def score(history: pd.DataFrame, *taken: str) -> rank.Scores:
        case = rank.Case(history, list(taken), None)
        return rank.score_recommendations(fresh, [case], Backwards(), None, 0)

    scores = score(history, order[2])
    found = rank.summarise([scores], 0)
    assert found["model"]["mrr"] == pytest.approx(1 / 3)
    assert found["popular"]["mrr"] == pytest.approx(1 / 7)
    met = make_log({"u": "a"}).assign(product_id=order[8])
    scores = score(met, order[0])
    assert scores["popular"][0]["mrr"] == pytest.approx(1 / 8), "what was met is not counted"
    both = score(history, order[2], order[5])
    assert both["model"][0]["mrr"] == pytest.approx((1 / 3 + 1 / 6) / 2), "each by itself"


# --- Photos ---------------------------------------------------------------------------------------
def test_photos_are_judged_without_copies(fresh: Engine) -> None:
    class Photos:
        def photo_vectors(self, numbers: np.ndarray) -> np.ndarray:
            angles = np.array([0.0, 0.3, 0.05, 1.0, 1.1, 2.0, 2.0, 2.9])[numbers]
            return np.column_stack([np.cos(angles), np.sin(angles)])

    rows = pd.DataFrame(
        {
            "product_id": list("aabccdde"),
            "image_id": [f"i{n}" for n in range(8)],
            "photo_index": [0, 1, 2, 3, 4, 5, 6, 7.0],
            "pixel_hash": ["h0", "h1", "h2", "h3", "h4", "same", "same", "h7"],
            "split": ["test"] * 3 + ["train"] * 2 + ["test"] * 3,
        }
    )
    rows = pd.concat([rows, rows[-1:].assign(photo_index=np.nan, image_id=None)])
    engine: Any = Photos()
    found = rank.judge_photos(engine, rows.sample(frac=1, random_state=0), 0)
    # a's second photo: b's is nearer (0.25) than its first (0.3). c is of train, d has copies.
    assert found["model"]["n"] == 1 and found["model"]["mrr"] == 0.5
    assert rank.judge_photos(engine, rows[rows["split"].eq("train")], 0) == {}


# --- The stage ------------------------------------------------------------------------------------
def check_metrics(metrics: dict[str, Any], learned: bool, personalised: set[str]) -> None:
    assert set(metrics) == {
        "search", "photo_to_photo", "personalised", "weights", "learned", "seed",
    }  # fmt: skip
    assert metrics["learned"] == learned and set(metrics["personalised"]) == personalised
    assert set(metrics["weights"]) == set(QUERY)
    ways = {"model", "bm25", "embedding", "reciprocal_rank_fusion", "random"}
    for of in metrics["search"].values():
        assert set(of) == ways and all(set(scores) == SCORES for scores in of.values())
        assert len({scores["n"] for scores in of.values()}) == 1
    assert metrics["search"]["known_items"]["model"]["n"] == 10
    known = metrics["search"]["known_items"]
    assert known["model"]["ndcg@10"] > 0.5 > known["random"]["ndcg@10"]
    assert set(metrics["photo_to_photo"]) == {"model", "random"}


def test_metrics_stand_beside_their_baselines(ran: Path) -> None:
    metrics = json.loads((ran / "metrics/rank.json").read_text(encoding="utf-8"))
    protocols = set(metrics["personalised"])
    assert {"log", "leave_last_out"} <= protocols <= {"log", "new_users", "leave_last_out"}
    check_metrics(metrics, learned=False, personalised=protocols)
    for scores in metrics["personalised"].values():
        assert set(scores) == {"model", "unpersonalised", "popular", "recent_popular", "random"}


def test_the_saved_ranker_is_the_judged_one(ran: Path, engine: Engine) -> None:
    metrics = json.loads((ran / "metrics/rank.json").read_text(encoding="utf-8"))
    assert {name: engine.ranker.weights[name] for name in QUERY} == metrics["weights"]
    assert engine.collaborative is not None
    log = pd.read_parquet(ran / "data/clean/interactions.parquet")
    known = engine.collaborative.signals(log[:0]).index
    assert set(known) == set(log["product_id"]), "what is served knows the held-out events too"


def test_the_parts_that_are_judged_are_the_engines(engine: Engine) -> None:
    name = engine.listings["name"].iat[0]
    ids, signals, _ = rank.query_signals(engine, name)
    assert signals.columns.tolist() == list(QUERY) and signals.notna().all(axis=None)
    assert len(ids) == len(signals) == len(set(ids))
    assert rank.best_first(ids, signals["bm25"].to_numpy())[0] == engine.listings["product_id"][0]
    fused = rank.reciprocal_ranks(signals)
    assert fused.max() <= len(QUERY) / 61 and fused.min() > 0
    assert engine.candidates(Query(), engine.allowed(Filters(flagged=True)))[0].size == 60


def test_without_a_log_shoppers_are_simulated(
    ran: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("models/index", "models/embed", "data/price"):
        shutil.copytree(ran / name, tmp_path / name)
    for name in ("params.yaml", "data/merged/listings.parquet", "data/clean/interactions.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ran / name, tmp_path / name)
    path = tmp_path / "data/clean/interactions.parquet"
    pd.read_parquet(path)[:0].to_parquet(path, index=False)
    monkeypatch.chdir(tmp_path)
    rank.main(args=[], standalone_mode=False)
    metrics = json.loads((tmp_path / "metrics/rank.json").read_text(encoding="utf-8"))
    check_metrics(metrics, learned=False, personalised={"simulated"})
    assert set(metrics["personalised"]["simulated"]["after_3"]) == {
        "model", "unpersonalised", "popular", "random", "gain",
    }  # fmt: skip
    assert not (tmp_path / "models/rank/collaborative").exists()
    assert "prior weights" in capsys.readouterr().out
    alone = Engine.load()
    assert alone.collaborative is None and alone.recommend(None).hits
