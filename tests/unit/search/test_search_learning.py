"""Learning from a log of searches: no ranker has learned from the searches it is evaluated on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from search_logs import NIGHT, NO_LOG, make_searches

from market.search import search_learning as module
from market.search.click_evaluation import evaluate_clicks
from market.search.click_fitting import LearnedRanker
from market.search.engine import Engine
from market.search.impressions import Impressions
from market.search.ranker import Ranker
from market.search.ranking_models import EvaluationModels, SearchesProtocol, SearchTest
from market.search.search_learning import SearchLearning, clicked_first, learn_from_searches

WEIGHTS = {"bm25": 9.0}
OTHER_WEIGHTS = {"bm25": 3.0}
TESTS = [
    SearchTest("category_names", {"Guitars": {"p00"}}, WEIGHTS),
    SearchTest("category_names", {"red sofas": {"p40"}}, OTHER_WEIGHTS),
    SearchTest("known_items", {"old tent": {"p32"}}, WEIGHTS),
]
QUERIES = ["guitar", "sofa red", "lamp", "lovely bicycle", "old tents", "lamps", "blue bicycle"]
CLICKED = len(QUERIES) - 1  # the last search has no click


def make_log() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a search an hour for each of QUERIES, and a log with their clicks."""
    searches = make_searches(
        *({"query": query, "product_ids": ["p00", "p20", "p40"]} for query in QUERIES)
    )
    clicked = searches.iloc[:CLICKED]
    clicks = pd.DataFrame(
        {
            "user_id": "ann",
            "product_id": "p20",
            "event": "view",
            "timestamp": clicked["timestamp"] + pd.Timedelta(seconds=9),
            "search_id": clicked["search_id"],
        }
    )
    return searches, clicks


def learn(engine: Engine, searches: pd.DataFrame, log: pd.DataFrame) -> SearchLearning:
    return learn_from_searches(
        engine,
        searches,
        log,
        TESTS,
        weights=WEIGHTS,
        protocol=None,
        test_share=0.4,
        max_searches=99,
        seed=0,
    )


@pytest.fixture
def lessons(monkeypatch: pytest.MonkeyPatch) -> list[tuple[set[str], Ranker]]:
    """What the rankers learn from: the ids of the searches, and the prior."""
    calls: list[tuple[set[str], Ranker]] = []

    def record(impressions: Impressions, prior: Ranker, **_: object) -> LearnedRanker:
        calls.append((set(impressions.search_ids), prior))
        ranker = prior.with_weights({"recency": float(len(calls))})
        clicked = int(impressions.clicked.sum())
        return LearnedRanker(ranker, True, 0.1, 0.01, clicked, np.array([1.0, 0.5]))

    monkeypatch.setattr(module, "learn_from_clicks", record)
    return calls


def test_without_clicks_the_chosen_weights_are_served(shop: Engine) -> None:
    searches, _ = make_log()
    for each in (searches, searches.iloc[:0]):
        learning = learn(shop, each, NO_LOG)
        assert learning.ranker.weights == shop.ranker.weights | WEIGHTS
        assert learning.tests == TESTS and learning.later is None
        assert learning.summary(seed=7) == {"learned": False, "n": 0, "seed": 7}
        assert learning.outcome() == ""


def test_the_served_ranker_learns_from_all_searches(
    shop: Engine, lessons: list[tuple[set[str], Ranker]]
) -> None:
    learning = learn(shop, *make_log())
    assert lessons[0][0] == {f"s{number}" for number in range(len(QUERIES))}
    assert lessons[0][1].weights["bm25"] == 9
    assert learning.ranker.weights["recency"] == 1
    summary = learning.summary(seed=7)
    assert summary["learned"] and summary["n"] == CLICKED
    assert summary["examination"] == [1.0, 0.5]
    assert learning.outcome() == ", and from 6 searches"


def test_the_ranker_of_later_searches_learned_from_earlier_ones(
    shop: Engine, lessons: list[tuple[set[str], Ranker]]
) -> None:
    later = learn(shop, *make_log()).later
    assert later is not None and later.cutoff == NIGHT + pd.Timedelta(hours=4)
    assert lessons[1][0] == {"s0", "s1", "s2", "s3"}
    assert later.ranker.weights["recency"] == 2
    assert later.prior.weights == shop.ranker.weights | WEIGHTS


def test_no_test_ranker_learned_from_its_queries(
    shop: Engine, lessons: list[tuple[set[str], Ranker]]
) -> None:
    tests = learn(shop, *make_log()).tests
    assert len(lessons) == 4, "tests with the same weights share a ranker"
    for ids, _ in lessons[2:]:
        assert ids == {"s2", "s3", "s5", "s6"}
    assert [prior.weights["bm25"] for _, prior in lessons[2:]] == [9, 3]
    served = Ranker.prior()
    assert [test.ranker(served).weights["recency"] for test in tests] == [3, 4, 3]


def test_rejected_clicks_leave_the_tests_as_they_are(
    shop: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reject(impressions: Impressions, prior: Ranker, **_: object) -> LearnedRanker:
        return LearnedRanker(prior, False, 0.0, np.inf, len(impressions), np.ones(1))

    monkeypatch.setattr(module, "learn_from_clicks", reject)
    learning = learn(shop, *make_log())
    assert learning.tests == TESTS
    assert learning.summary(seed=0)["standard_error"] is None
    assert "move nothing" in learning.outcome()
    served = Ranker.prior()
    assert learning.tests[1].ranker(served).weights == served.weights | OTHER_WEIGHTS


def test_later_searches_with_unseen_queries_are_evaluated(shop: Engine) -> None:
    searches, log = make_log()
    later = SearchesProtocol(
        NIGHT + pd.Timedelta(hours=4),
        Ranker.prior(),
        Ranker.prior().with_weights({"bm25": 0.0}),
        np.array([1.0, 0.5]),
    )
    summary = evaluate_clicks(shop, searches, log, later, max_searches=99, seed=0)
    assert (summary["n"], summary["clicked"], summary["queries"]) == (2, 1, 2)
    for method in ("shown", "bm25", "prior", "model"):
        scores = summary[method]
        assert scores["ndcg@10_low"] <= scores["ndcg@10"] <= scores["ndcg@10_high"]
        assert scores["n"] == 2 and 0 < scores["mrr"] <= 1
    assert summary["shown"]["mrr"] == pytest.approx(1 / 2)
    assert evaluate_clicks(shop, searches, log, None, max_searches=9, seed=3) == {
        "n": 0,
        "seed": 3,
    }


def test_without_later_searches_nothing_is_evaluated(shop: Engine) -> None:
    searches, log = make_log()
    for days in (-9, 9):
        time = NIGHT + pd.Timedelta(days=days)
        later = SearchesProtocol(time, Ranker.prior(), Ranker.prior(), np.ones(1))
        summary = evaluate_clicks(shop, searches.iloc[:1], log, later, max_searches=99, seed=0)
        assert summary["n"] == (days < 0)


def test_what_was_learned_is_saved(tmp_path: Path) -> None:
    ranker = Ranker.prior().with_weights({"bm25": 2.5})
    later = SearchesProtocol(NIGHT, Ranker.prior(), ranker, np.array([1.0, 0.25]))
    test = SearchTest("known_items", {"a": {"1"}}, WEIGHTS, learned=ranker)
    EvaluationModels([TESTS[0], test], {}, later).save(tmp_path)
    again = EvaluationModels.load(tmp_path)
    assert again.later_searches is not None
    assert again.later_searches.cutoff == NIGHT
    assert again.later_searches.ranker == ranker
    assert again.later_searches.prior == Ranker.prior()
    assert again.later_searches.examination.tolist() == [1.0, 0.25]
    assert again.searches == [TESTS[0], test]


@pytest.mark.parametrize(("count", "clicked", "others"), [(9, 6, 1), (6, 6, 0), (2, 6, 0)])
def test_searches_without_a_click_take_the_room_that_others_leave(
    count: int, clicked: int, others: int
) -> None:
    searches, log = make_log()
    chosen = clicked_first(searches, log, count, seed=0)
    is_clicked = chosen["search_id"].isin(log["search_id"])
    assert (is_clicked.sum(), (~is_clicked).sum()) == (clicked, others)
    assert chosen["timestamp"].is_monotonic_increasing
