"""Evaluation: averages, photos and recommendations, on cases scored by hand."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from logs import make_log

from market.search.cases import Case
from market.search.engine import Engine
from market.search.evaluation import (
    Scores,
    average,
    average_each,
    evaluate_photos,
    evaluate_simulated,
    score_recommendations,
)
from market.search.metrics import score_list
from market.search.popularity import Popularity
from market.search.tuning import EVERYTHING

SCORES = {
    "ndcg@10", "mrr", "recall@1", "recall@10", "recall@50", "ndcg@10_low", "ndcg@10_high", "n",
}  # fmt: skip


def test_averages_have_an_interval_and_n() -> None:
    some = [score_list("ab", {letter}) for letter in "aabz"]
    mean = average(some, seed=1)
    assert set(mean) == SCORES and mean["n"] == 4
    assert mean["ndcg@10"] == pytest.approx((2 + 1 / math.log2(3)) / 4)
    assert mean["ndcg@10_low"] < mean["ndcg@10"] < mean["ndcg@10_high"]
    same = average(some[:2], seed=1)
    assert same["ndcg@10_low"] == same["ndcg@10_high"] == 1
    assert average(some, seed=1) == mean != average(some, seed=2)


def test_methods_without_a_score_are_left_out() -> None:
    right, wrong = score_list("a", {"a"}), score_list("b", {"a"})
    means = average_each({"model": [right, wrong], "random": []}, seed=0)
    assert set(means) == {"model"} and means["model"]["ndcg@10"] == 0.5


def test_simulated_users_are_evaluated_by_length_of_history(shop: Engine) -> None:
    summaries = evaluate_simulated(shop, users=6, seed=1)
    assert list(summaries) == ["after_0", "after_1", "after_3", "after_10"]
    methods = {"model", "unpersonalised", "popular", "random"}
    for length, summary in summaries.items():
        assert set(summary) == methods | ({"gain"} if length != "after_0" else set())
        assert all(means["n"] == 6 for means in summary.values())
    for before, now in pairwise(summaries.values()):
        gained = now["model"]["ndcg@10"] - before["model"]["ndcg@10"]
        assert now["gain"]["ndcg@10"] == pytest.approx(gained)
        assert now["gain"]["ndcg@10_low"] <= gained <= now["gain"]["ndcg@10_high"]
    assert summaries["after_0"]["model"] == summaries["after_0"]["unpersonalised"]
    assert summaries == evaluate_simulated(shop, users=6, seed=1)


def test_recommendations_are_scored_by_the_chosen_listings(shop: Engine) -> None:
    history = make_log({"u": "a"}).iloc[:0]
    order = [hit.product_id for hit in shop.recommend(None, filters=EVERYTHING, limit=9).hits]

    class Backwards(Popularity):
        def __init__(self) -> None:
            """Needs no log."""

        def ranking(self, as_of: Any = None, days: Any = None) -> list[str]:
            return order[::-1]

    def score(history: pd.DataFrame, *chosen: str) -> Scores:
        case = Case(history, list(chosen), None)
        return score_recommendations(shop, [case], Backwards(), recent_days=None, seed=0)

    scores = score(history, order[2])
    means = average_each(scores, seed=0)
    assert means["model"]["mrr"] == pytest.approx(1 / 3)
    assert means["popular"]["mrr"] == pytest.approx(1 / 7)
    seen = make_log({"u": "a"}).assign(product_id=order[8])
    scores = score(seen, order[0])
    assert scores["popular"][0]["mrr"] == pytest.approx(1 / 8), "seen listings are left out"
    both = score(history, order[2], order[5])
    assert both["model"][0]["mrr"] == pytest.approx((1 / 3 + 1 / 6) / 2), "each by itself"


def test_copies_of_a_photo_are_left_out_of_photo_retrieval(shop: Engine) -> None:
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
    summary = evaluate_photos(engine, rows.sample(frac=1, random_state=0), seed=0)
    # The second photo of a is nearer to b's (0.25) than to its first (0.3). c is a train product,
    # and the photos of d are copies.
    assert summary["model"]["n"] == 1 and summary["model"]["mrr"] == 0.5
    assert evaluate_photos(engine, rows[rows["split"].eq("train")], seed=0) == {}
