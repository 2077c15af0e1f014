"""Scores, calibration and uncertainty, checked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from market.models.metrics import (
    bootstrap_interval,
    calibration_error,
    calibration_table,
    majority_accuracy,
    score,
    score_intervals,
    score_labels,
    score_prices,
    spread,
)


# --- Categories -----------------------------------------------------------------------------------
def test_scores_of_probabilities() -> None:
    scores = score(np.array([[0.75, 0.25], [0.5, 0.5]]), np.array([0, 1]))
    loss = -(np.log(0.75) + np.log(0.5)) / 2
    assert scores == pytest.approx({"loss": loss, "accuracy": 0.5, "macro_f1": 1 / 3, "n": 2})


def test_scores_of_labels() -> None:
    scores = score_labels(np.array(list("abbb")), np.array(list("abba")))
    assert scores == pytest.approx({"accuracy": 0.75, "macro_f1": (0.8 + 2 / 3) / 2, "n": 4})


def test_a_certain_wrong_prediction_has_a_finite_loss() -> None:
    assert np.isfinite(score(np.array([[1.0, 0.0]]), np.array([1]))["loss"])


@pytest.mark.parametrize("names", [["a", "b", "c"], [0, 1, 2]])
def test_of_equally_frequent_labels_the_first_is_the_majority(names: list) -> None:
    a, b, c = names
    assert majority_accuracy(np.array([c, b, b, c]), np.array([b, b, a, c])) == 0.5


def test_calibration() -> None:
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.35, 0.65], [0.65, 0.35]])
    labels = np.array([0, 1, 1, 0])
    # A confidence of 0.95 is right in one of two cases, one of 0.65 in both.
    table = calibration_table(probabilities, labels)
    assert table.index.tolist() == [6, 9]
    assert table["confidence"].tolist() == pytest.approx([0.65, 0.95])
    assert table["accuracy"].tolist() == [1, 0.5] and table["n"].tolist() == [2, 2]
    assert calibration_error(probabilities, labels) == pytest.approx((0.45 + 0.35) / 2)


def test_full_confidence_falls_into_the_last_bin() -> None:
    table = calibration_table(np.array([[1.0, 0.0]]), np.array([0]))
    assert table.index.tolist() == [9]


# --- Prices ---------------------------------------------------------------------------------------
def test_scores_of_prices() -> None:
    price, predicted = np.array([100.0, 200.0, 0.0]), np.array([110.0, 150.0, -5.0])
    logs = [math.log(111 / 101), math.log(151 / 201), 0]  # -5 counts as 0
    assert score_prices(price, predicted) == pytest.approx(
        {
            "rmse": math.sqrt((10**2 + 50**2 + 5**2) / 3),
            "mae": 65 / 3,
            "median_ae": 10,
            "rmsle": math.sqrt(sum(log**2 for log in logs) / 3),
            "within_25pct": 2 / 3,
            "n": 3,
        }
    )


def test_scores_of_intervals() -> None:
    price, low, high = np.array([3.0, 20, 0]), np.array([1.0, 9, 0]), np.array([3.0, 19, 0])
    scores = score_intervals(price, low, high)
    assert scores == {"coverage": pytest.approx(2 / 3), "median_high_over_low": 2.0, "n": 3}


def test_without_a_price_only_the_count_is_reported() -> None:
    nothing = np.array([])
    assert score_prices(nothing, nothing) == {"n": 0}
    assert score_intervals(nothing, nothing, nothing) == {"n": 0}


# --- Uncertainty ----------------------------------------------------------------------------------
def test_mean_and_deviation_over_seeds() -> None:
    assert spread([1.0, 2.0, 6.0]) == {
        "mean": 3.0,
        "std": pytest.approx((14 / 2) ** 0.5),
        "seeds": 3,
    }
    assert spread([0.5]) == {"mean": 0.5, "std": 0.0, "seeds": 1}


def test_the_bootstrap_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(0).normal(10, 2, 400)
    low, high = bootstrap_interval(values, seed=1)
    standard_error = 2 / math.sqrt(400)
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.02)
    assert high - low == pytest.approx(2 * 1.96 * standard_error, rel=0.1)
    assert bootstrap_interval(values, seed=1) == (low, high)
    assert bootstrap_interval(values, seed=2) != (low, high)


def test_equal_values_have_an_interval_of_width_zero() -> None:
    assert bootstrap_interval(np.full(5, 0.25), seed=0) == (0.25, 0.25)
