"""Evaluate the price model and its baselines on the test products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from market.models.metrics import score_intervals, score_prices, spread
from market.models.price_baselines import BASELINES, predict_untransformed
from market.models.price_model import BOOSTED
from market.models.price_training import Candidate


def predict_test(
    known: pd.DataFrame,
    test: pd.DataFrame,
    table: pd.DataFrame,
    candidates: Mapping[str, Candidate],
    selected: str,
) -> pd.DataFrame:
    """Predict the test products by every model and baseline.

    Parameters
    ----------
    known
        The products that were fitted on, with TEXT_COLUMNS and price.
    test
        The test products, n rows.
    table
        The `price_table` of the test products.
    candidates
        As `fit_candidates` returns them.
    selected
        The name of the candidate that is called "model".

    Returns
    -------
    pd.DataFrame
        Pounds, n rows, by the index of `test`: "constant_mean" and "baseline" (fitted without the
        logarithm), "constant", "ridge" and "model"; with a stacked model also its first layer's
        "linear" and "network", and "seed_<i>", by each boosted model alone.
    """
    predicted = {name: candidate.model.predict(table) for name, candidate in candidates.items()}
    columns = predict_untransformed(known, test)
    columns |= {name: predicted[name]["price"].to_numpy() for name in BASELINES}
    columns["model"] = predicted[selected]["price"].to_numpy()
    if BOOSTED in predicted:
        layers = predicted[BOOSTED].filter(regex="^(linear|network|seed_.*)$")
        columns |= {name: layers[name].to_numpy() for name in layers}
    return pd.DataFrame(columns, test.index)


def evaluate(
    test: pd.DataFrame, predicted: pd.DataFrame, interval: pd.DataFrame, target_coverage: float
) -> dict[str, Any]:
    """Score the test products that have a price.

    Parameters
    ----------
    test
        With the columns price and price_is_placeholder, n rows.
    predicted
        As `predict_test` returns it.
    interval
        With the columns price_low and price_high, n rows.
    target_coverage
        What the interval is calibrated to cover.

    Returns
    -------
    dict
        `score_prices` by model, the same without placeholders, `interval`, `over_seeds` (with a
        stacked model), and the counts `placeholders` and `n`.
    """
    priced = test["price"].notna()
    sensible = priced & ~test["price_is_placeholder"]
    seeds = [name for name in predicted if name.startswith("seed_")]

    def score_each(rows: pd.Series, names: list[str]) -> dict[str, Any]:
        price = test.loc[rows, "price"].to_numpy()
        return {name: score_prices(price, predicted.loc[rows, name].to_numpy()) for name in names}

    models = [name for name in predicted if name not in seeds]
    bounds = (interval.loc[priced, name].to_numpy() for name in ("price_low", "price_high"))
    metrics = {
        **score_each(priced, models),
        "without_placeholders": score_each(sensible, models),
        "interval": {
            "target_coverage": target_coverage,
            **score_intervals(test.loc[priced, "price"].to_numpy(), *bounds),
        },
        "placeholders": int((priced & ~sensible).sum()),
        "n": int(priced.sum()),
    }
    if seeds and priced.any():
        scores = score_each(priced, seeds).values()
        metrics["over_seeds"] = {
            name: spread([score[name] for score in scores]) for name in ("rmsle", "median_ae")
        }
    return metrics


def summarize(metrics: Mapping[str, Any], currency: str) -> str:
    """Return a one-line summary of the metrics of `evaluate`, or of the reason to skip it."""
    if reason := metrics.get("skipped"):
        return f"no price model was fitted: {reason}"
    if not metrics["n"]:
        return "no test product has a price, so there are no scores"
    model, coverage = metrics["model"], metrics["interval"]["coverage"]
    return (
        f"RMSLE {model['rmsle']:.3f}, median error {model['median_ae']:.0f} {currency}, "
        f"{coverage:.1%} within their interval, n={metrics['n']}"
    )


def residual_table(price: pd.Series, predicted: pd.Series) -> pd.DataFrame:
    """Return the data of the residual plots for the products that have a price.

    In logarithms, because in pounds a single placeholder hides all other prices.

    Parameters
    ----------
    price, predicted
        (n,) pounds; a price may be NaN.

    Returns
    -------
    pd.DataFrame
        log10_price, log10_predicted and log10_residual, of 1 + £, to four decimals.

    Examples
    --------
    >>> residual_table(pd.Series([99.0, np.nan]), predicted=pd.Series([9.0, 5.0]))
       log10_price  log10_predicted  log10_residual
    0          2.0              1.0             1.0
    """
    priced = price.notna().to_numpy()
    log_price = np.log10(1 + price.to_numpy()[priced])
    log_predicted = np.log10(1 + predicted.to_numpy()[priced])
    columns = {
        "log10_price": log_price,
        "log10_predicted": log_predicted,
        "log10_residual": log_price - log_predicted,
    }
    return pd.DataFrame(columns).round(4)
