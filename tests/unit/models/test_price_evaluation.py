"""Evaluation of the price model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from simulated_prices import changed, draw

from market.models.metrics import score_prices
from market.models.price_evaluation import evaluate, predict_test, residual_table, summarize
from market.models.price_training import fit_candidates

TEST = pd.DataFrame(
    {
        "price": [10.0, np.nan, 100.0, 1234567.0],
        "price_is_placeholder": [False, False, False, True],
    },
    index=[3, 5, 7, 9],
)
PREDICTED = pd.DataFrame(
    {
        "baseline": [9.0, 9.0, 9.0, 9.0],
        "model": [12.0, 1.0, 90.0, 50.0],
        "seed_0": [10.0, 1.0, 100.0, 50.0],
        "seed_1": [14.0, 1.0, 80.0, 50.0],
    },
    index=TEST.index,
)
INTERVAL = pd.DataFrame(
    {"price_low": [5.0, 1, 95, 9], "price_high": [20.0, 9, 99, 99]}, index=TEST.index
)


def test_products_without_a_price_are_not_scored() -> None:
    metrics = evaluate(TEST, PREDICTED, INTERVAL, 0.8)
    assert metrics["n"] == metrics["model"]["n"] == 3 and metrics["placeholders"] == 1
    price = np.array([10.0, 100, 1234567])
    assert metrics["model"] == score_prices(price, np.array([12.0, 90, 50]))


def test_scores_without_placeholders_stand_beside_the_others() -> None:
    metrics = evaluate(TEST, PREDICTED, INTERVAL, 0.8)["without_placeholders"]
    assert set(metrics) == {"baseline", "model"}
    assert metrics["model"] == score_prices(np.array([10.0, 100]), np.array([12.0, 90]))


def test_the_interval_has_its_target_and_its_coverage() -> None:
    interval = evaluate(TEST, PREDICTED, INTERVAL, 0.8)["interval"]
    assert interval["target_coverage"] == 0.8
    assert interval["coverage"] == pytest.approx(1 / 3) and interval["n"] == 3


def test_each_boosted_model_is_scored_for_the_spread_over_seeds() -> None:
    metrics = evaluate(TEST, PREDICTED, INTERVAL, 0.8)
    assert metrics["over_seeds"]["median_ae"] == {
        "mean": 10.0,  # 0 and 20
        "std": pytest.approx(20 / 2**0.5),
        "seeds": 2,
    }
    without_seeds = PREDICTED[["baseline", "model"]]
    assert "over_seeds" not in evaluate(TEST, without_seeds, INTERVAL, 0.8)


def test_without_a_price_there_are_only_counts() -> None:
    unpriced = TEST.assign(price=np.nan, price_is_placeholder=False)
    metrics = evaluate(unpriced, PREDICTED, INTERVAL, 0.8)
    assert metrics["n"] == 0 and metrics["model"] == {"n": 0} and "over_seeds" not in metrics


def test_residuals_are_in_logarithms() -> None:
    table = residual_table(TEST["price"], PREDICTED["model"])
    assert len(table) == 3
    assert table.iloc[0].tolist() == pytest.approx(
        [np.log10(11), np.log10(13), np.log10(11 / 13)], abs=1e-4
    )


def test_every_model_and_baseline_predicts_the_test_products() -> None:
    table, price = draw(60, 0)
    products = table[["name", "description", "location"]].assign(price=price)
    known, test = products[:45], products[45:]
    to_learn = products["price"].where(products.index < 45)
    settings = changed(n_estimators=5, epochs=1)
    group = pd.Series(np.arange(60), products.index)
    candidates = fit_candidates(table, to_learn, group, settings)
    predicted = predict_test(known, test, table[45:], candidates, "ridge")
    assert predicted.index.equals(test.index) and np.isfinite(predicted).all(axis=None)
    assert set(predicted) == {
        "constant_mean", "baseline", "constant", "ridge", "model", "linear", "network",
        "seed_0", "seed_1", "seed_2",
    }  # fmt: skip
    assert predicted["model"].equals(predicted["ridge"].rename("model"))
    assert predicted["constant_mean"].iloc[0] == pytest.approx(known["price"].mean())


def test_the_summary_names_scores_or_their_absence() -> None:
    summary = summarize(evaluate(TEST, PREDICTED, INTERVAL, 0.8), "EUR")
    assert "median error 10 EUR" in summary and "33.3% within their interval, n=3" in summary
    unpriced = TEST.assign(price=np.nan, price_is_placeholder=False)
    summary = summarize(evaluate(unpriced, PREDICTED, INTERVAL, 0.8), "EUR")
    assert "no test product has a price" in summary
