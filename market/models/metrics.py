"""Scores of category and price predictions, their calibration, and their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    mean_absolute_error,
    median_absolute_error,
    root_mean_squared_error,
    root_mean_squared_log_error,
)

CALIBRATION_BINS = 10
RESAMPLES = 1000  # bootstrap samples for one interval


# --- Categories -----------------------------------------------------------------------------------
def loss_and_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the cross-entropy (`loss`, without label smoothing) and the accuracy.

    Parameters
    ----------
    probabilities
        (n, classes).
    labels
        (n,) codes of the true classes.

    Examples
    --------
    >>> probabilities = np.array([[0.5, 0.5], [0.25, 0.75]])
    >>> scores = loss_and_accuracy(probabilities, labels=np.array([0, 0]))
    >>> round(scores["loss"], 3), scores["accuracy"]
    (1.04, 0.5)
    """
    true_class = probabilities[np.arange(len(labels)), labels].astype(float)
    return {
        # Clipped, so that one certain but wrong prediction does not make the loss infinite.
        "loss": float(-np.log(true_class.clip(min=1e-12)).mean()),
        "accuracy": float(accuracy_score(labels, probabilities.argmax(1))),
    }


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return `loss`, `accuracy`, `macro_f1` and `n`; parameters as `loss_and_accuracy`."""
    return {
        **loss_and_accuracy(probabilities, labels),
        "macro_f1": macro_f1(labels, probabilities.argmax(1)),
        "n": len(labels),
    }


def score_labels(labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return `accuracy`, `macro_f1` and `n` of predicted labels (n,), given the true ones (n,).

    Examples
    --------
    >>> score_labels(np.array(["bike", "lamp"]), np.array(["bike", "bike"]))
    {'accuracy': 0.5, 'macro_f1': 0.3333333333333333, 'n': 2}
    """
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "macro_f1": macro_f1(labels, predicted),
        "n": len(labels),
    }


def macro_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean F1 over the classes; a class that is never predicted has an F1 of 0."""
    return float(f1_score(labels, predicted, average="macro", zero_division=0))


def majority_accuracy(train_labels: np.ndarray, labels: np.ndarray) -> float:
    """Return the accuracy on `labels` of always predicting the most frequent of `train_labels`.

    Of equally frequent labels, the first in sorting order is predicted.

    Examples
    --------
    >>> majority_accuracy(np.array(["bike", "lamp", "lamp"]), np.array(["lamp", "bike"]))
    0.5
    """
    classes, counts = np.unique(train_labels, return_counts=True)
    return float(np.mean(labels == classes[counts.argmax()]))


def calibration_table(probabilities: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Return mean confidence and accuracy in equally wide bins of confidence.

    Parameters
    ----------
    probabilities
        (n, classes). The highest of a row is the confidence of its prediction.
    labels
        (n,) codes of the true classes.

    Returns
    -------
    pd.DataFrame
        A row for each non-empty bin of CALIBRATION_BINS, with `confidence`, `accuracy` and `n`,
        indexed by the bin's number, `bin`.

    Examples
    --------
    >>> probabilities = np.array([[0.95, 0.05], [0.9, 0.1], [0.4, 0.6]])
    >>> calibration_table(probabilities, labels=np.array([0, 1, 1]))
         confidence  accuracy  n
    bin
    6         0.600       1.0  1
    9         0.925       0.5  2
    """
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == labels
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    table = pd.DataFrame({"bin": bins, "confidence": confidence, "accuracy": correct})
    return table.groupby("bin").agg(
        confidence=("confidence", "mean"), accuracy=("accuracy", "mean"), n=("accuracy", "size")
    )


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the expected calibration error (Naeini et al. 2015).

    It is the mean distance between confidence and accuracy over the bins of `calibration_table`,
    weighted by their sizes. Parameters as `calibration_table`.

    Examples
    --------
    Half of these predictions are right, at a confidence of 90 %:

    >>> calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), labels=np.array([0, 1]))
    0.4
    """
    bins = calibration_table(probabilities, labels)
    gap = (bins["confidence"] - bins["accuracy"]).abs()
    return float((gap * bins["n"]).sum() / len(labels))


# --- Prices ---------------------------------------------------------------------------------------
def score_prices(price: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return the errors of predicted prices.

    Parameters
    ----------
    price, predicted
        (n,) pounds. A linear model can predict a negative price, which has no logarithm: `rmsle`
        counts it as £0.

    Returns
    -------
    dict
        `rmse`, `mae` and `median_ae` in pounds, `rmsle` of log(1 + price), `within_25pct` (the
        share of predictions within 25 % of the price) and `n`; without any price `n` alone.

    Examples
    --------
    >>> scores = score_prices(np.array([10.0, 100.0]), predicted=np.array([12.0, 60.0]))
    >>> scores["mae"], scores["within_25pct"], round(scores["rmsle"], 3)
    (21.0, 0.5, 0.376)
    """
    if not len(price):
        return {"n": 0}
    return {
        "rmse": float(root_mean_squared_error(price, predicted)),
        "mae": float(mean_absolute_error(price, predicted)),
        "median_ae": float(median_absolute_error(price, predicted)),
        "rmsle": float(root_mean_squared_log_error(price, predicted.clip(min=0))),
        "within_25pct": float(np.mean(np.abs(predicted - price) <= 0.25 * price)),
        "n": len(price),
    }


def score_intervals(price: np.ndarray, low: np.ndarray, high: np.ndarray) -> dict[str, float]:
    """Return the coverage and the width of price intervals.

    Parameters
    ----------
    price, low, high
        (n,) pounds.

    Returns
    -------
    dict
        `coverage` (the share of prices within their interval), `median_high_over_low` (the median
        ratio of (1 + high) to (1 + low)) and `n`; without any price `n` alone.

    Examples
    --------
    >>> price, low, high = np.array([10.0, 50.0]), np.array([9.0, 9.0]), np.array([19.0, 19.0])
    >>> score_intervals(price, low, high)
    {'coverage': 0.5, 'median_high_over_low': 2.0, 'n': 2}
    """
    if not len(price):
        return {"n": 0}
    return {
        "coverage": float(np.mean((low <= price) & (price <= high))),
        "median_high_over_low": float(np.median((1 + high) / (1 + low))),
        "n": len(price),
    }


# --- Uncertainty ----------------------------------------------------------------------------------
def spread(values: Sequence[float]) -> dict[str, float]:
    """Return `mean`, sample standard deviation (`std`, n - 1) and number (`seeds`) of the values.

    The values are one score under several seeds; the deviation of a single value is 0.

    Examples
    --------
    >>> spread([1.0, 2.0, 3.0])
    {'mean': 2.0, 'std': 1.0, 'seeds': 3}
    """
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {"mean": float(np.mean(values)), "std": deviation, "seeds": len(values)}


def bootstrap_interval(values: np.ndarray, *, seed: int) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean: its 2.5 and 97.5 % percentiles.

    Parameters
    ----------
    values
        (n,) one score for each independent case, such as a query; n >= 1.
    seed
        Of the RESAMPLES samples, each of n cases drawn with replacement.

    Examples
    --------
    >>> successes = np.repeat([1.0, 0.0], 50)
    >>> [round(bound, 2) for bound in bootstrap_interval(successes, seed=0)]
    [0.4, 0.6]

    References
    ----------
    Efron, "Bootstrap methods: another look at the jackknife", 1979.
    """
    drawn = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(np.asarray(values)[drawn].mean(1), [0.025, 0.975])
    return float(low), float(high)
