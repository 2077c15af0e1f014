"""Evaluation of the category classifier."""

from __future__ import annotations

import numpy as np
import pytest

from market.models.category_evaluation import HEADLINES, POOLS, evaluate

CODES = np.array([0, 1, 1])
RIGHT = np.array([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])
PREDICTED = dict.fromkeys(POOLS, RIGHT) | {"photo": RIGHT[:, ::-1]}


def test_every_pool_is_scored() -> None:
    metrics = evaluate(PREDICTED, CODES, np.zeros(3, bool))
    assert metrics["fused"]["accuracy"] == 1 and metrics["photo"]["accuracy"] == 0
    assert metrics["fused"]["ece"] == pytest.approx(0.1)
    assert metrics["photo"]["ece"] == pytest.approx(0.9)
    assert {metrics[name]["n"] for name in POOLS} == {3}


def test_near_duplicates_are_left_out_of_their_own_scores() -> None:
    metrics = evaluate(PREDICTED, CODES, np.array([True, False, False]))
    for name in HEADLINES:
        assert metrics[f"{name}_without_near_duplicates"]["n"] == 2
    assert "text_svm_without_near_duplicates" not in metrics


def test_if_all_are_near_duplicates_there_are_no_scores_without_them() -> None:
    assert set(evaluate(PREDICTED, CODES, np.ones(3, bool))) == set(POOLS)
