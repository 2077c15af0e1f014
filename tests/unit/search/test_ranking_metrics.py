"""Ranking metrics: values computed by hand, and one rule for ties."""

from __future__ import annotations

import math

import numpy as np
import pytest

from market.search.metrics import (
    gains,
    ideal_gain,
    ndcg,
    ndcg_by_group,
    places_of,
    places_of_targets,
    score_list,
    score_places,
)


def gain(place: int) -> float:
    return 1 / math.log2(place + 1)


@pytest.mark.parametrize(
    ("results", "relevant", "scores"),
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
def test_scores_equal_those_computed_by_hand(
    results: str, relevant: str, scores: list[float]
) -> None:
    names = ["ndcg@10", "mrr", "recall@1", "recall@10", "recall@50"]
    assert score_list(list(results), set(relevant)) == pytest.approx(
        dict(zip(names, scores, strict=True))
    )


def test_ndcg_is_1_with_more_than_ten_relevant_results() -> None:
    ids = [str(number) for number in range(30)]
    scores = score_list(ids, set(ids))
    assert scores["ndcg@10"] == pytest.approx(1) and scores["recall@10"] == pytest.approx(1 / 3)


def test_tied_scores_share_their_mean_place() -> None:
    scores = np.array([[3.0, 5, 3, 1], [2, 2, 2, 2]])
    np.testing.assert_array_equal(places_of(scores), [[2.5, 1, 2.5, 4], [2.5] * 4])
    for target in range(4):
        places = places_of_targets(scores, np.full(2, target))
        np.testing.assert_array_equal(places, places_of(scores)[:, target])


def test_the_order_of_tied_items_does_not_matter() -> None:
    scores = np.array([1.0, 1, 1, 0])
    values = [float(ndcg(scores, np.arange(4) == item, 1)) for item in range(3)]
    assert values == [pytest.approx(gain(2))] * 3


def test_every_function_gives_the_same_ndcg() -> None:
    rng = np.random.default_rng(0)
    scores, relevant = rng.random((6, 30)), rng.random(30) < 0.2
    ids = [str(number) for number in range(30)]
    relevant_ids = {ids[number] for number in np.flatnonzero(relevant)}
    by_hand = [
        score_list([ids[number] for number in np.argsort(-row)], relevant_ids)["ndcg@10"]
        for row in scores
    ]
    np.testing.assert_allclose(ndcg(scores, relevant, len(relevant_ids)), by_hand)
    groups = np.repeat(np.arange(6), 30)
    np.testing.assert_allclose(ndcg_by_group(scores.ravel(), np.tile(relevant, 6), groups), by_hand)


def test_a_missing_item_scores_0() -> None:
    scores = score_places(np.array([1, 2.5, 11, np.inf]))
    np.testing.assert_allclose(scores["ndcg@10"], [1, 1 / np.log2(3.5), 0, 0])
    np.testing.assert_allclose(scores["mrr"], [1, 1 / 2.5, 1 / 11, 0])
    assert scores["recall@10"].tolist() == [1, 1, 0, 0]
    assert gains(np.array([1, 11])).tolist() == [1, 0] and ideal_gain(1) == 1
