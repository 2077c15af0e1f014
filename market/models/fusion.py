"""Several models' probabilities into one, whichever of them there are for a product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit

FLOOR = 1e-6  # of a probability: a model's certainty must not outvote everything
LEAST = 0.1  # exponent of a model alone
PRIOR = 5.0  # strength of the belief in the exponents to begin with, in log likelihood
NOISE = "noise"  # beside the names of models, so none of them may be called that

Answers = Mapping[str, np.ndarray]  # each model's (n, classes) probabilities; NaN: it has none
Weights = Mapping[str, Mapping[str, float]]  # of each set of models


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.clip(probabilities, FLOOR, 1))


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def margin_probabilities(
    model: Any, table: pd.DataFrame, labels: int, *, sharpness: float, threshold: float
) -> np.ndarray:
    """Return (n, labels) probabilities from a classifier's margins, one against the rest.

    Each margin becomes a probability by a logistic curve (Platt), the same for all labels; together
    they are made to sum to 1. A softmax of the margins was too sure of large ones, where a curve
    has an end, and too timid about small ones. `model` was fitted on labels 0 … labels - 1; a label
    that it never saw gets 0.
    """
    margins = model.decision_function(table)
    if margins.ndim == 1:  # two classes have one margin between them
        margins = np.column_stack([-margins, margins])
    chances = expit(sharpness * (margins - threshold))
    probabilities = np.zeros((len(table), labels))
    probabilities[:, model.classes_] = chances / chances.sum(1, keepdims=True)
    return probabilities


def text_probabilities(
    model: Any, products: pd.DataFrame, labels: int, **curve: float
) -> np.ndarray:
    """`margin_probabilities` by the text; NaN where a product has no name and no description."""
    probabilities = margin_probabilities(model, products, labels, **curve)
    # Nothing to read is not a text that says nothing.
    probabilities[(products["name"] + products["description"]).eq("")] = np.nan
    return probabilities


def average_photos(values: np.ndarray, owner: pd.Series, product_ids: pd.Series) -> np.ndarray:
    """Each product's mean over its photos of (width,) probabilities or features; NaN without one.

    `owner` names the product of each row of `values`.
    """
    means = pd.DataFrame(values).groupby(owner.to_numpy()).mean()
    return means.reindex(product_ids).to_numpy(dtype=float)


def fit_weights(answers: Answers, labels: np.ndarray) -> Weights:
    """Fit a logarithmic pool with label noise for every set of models, by maximum a posteriori
    likelihood.

    p = (1 - noise) · softmax(Σ exponent · log answer) + noise / classes: without the last part a
    few listings in an odd category would make all answers timid. `answers` holds each model's (n,
    classes) probabilities of products that it was not fitted on, and rows of NaN where it has none:
    a set's weights are fitted on the products that all of its models answer, so that one that
    answers few keeps no product from the others. Returns for each set ("photo+svm") the exponent of
    each of its models and "noise": so few numbers that some hundred products are enough.
    """
    weights = {}
    for models in _sets(answers):
        rows = np.all([_answered(answers[model]) for model in models], axis=0)
        fitted = _fit([_log(answers[model][rows]) for model in models], labels[rows])
        weights["+".join(models)] = dict(zip([*models, NOISE], fitted, strict=True))
    return weights


def _sets(answers: Answers) -> list[tuple[str, ...]]:
    names = sorted(answers)
    return [models for size in range(1, len(names) + 1) for models in combinations(names, size)]


def _answered(of: np.ndarray) -> np.ndarray:
    return ~np.isnan(of).any(1)


def _fit(logs: list[np.ndarray], labels: np.ndarray) -> list[float]:
    # A prior worth a few products, as a dozen are not enough to silence a model: that models mean
    # what they say, and say much the same, which makes their pool a geometric mean. That they were
    # independent (exponents of 1) would make a few dozen products' fit far too sure.
    centre = 1 / len(logs)
    if len(labels) == 0:  # no product is answered by all of them: nothing to fit
        return [centre] * len(logs) + [0.0]

    def loss(weights: np.ndarray) -> float:
        pooled = _pooled(logs, weights)
        likelihood = np.log(pooled[np.arange(len(labels)), labels] + 1e-12).sum()
        *exponents, noise = weights
        prior = PRIOR * (np.square(np.subtract(exponents, centre)).sum() + noise)
        return float(prior - likelihood) / len(labels)

    # A model alone may be unsure, but not say nothing.
    least = LEAST if len(logs) == 1 else 0.0
    found = minimize(
        loss,
        [*np.full(len(logs), centre), 0.05],
        method="Nelder-Mead",
        bounds=[*[(least, 10.0)] * len(logs), (0.0, 0.5)],
        options={"xatol": 1e-4, "fatol": 1e-7, "maxiter": 2000},
    )
    return [float(weight) for weight in found.x]


def _pooled(logs: list[np.ndarray], weights: Sequence[float] | np.ndarray) -> np.ndarray:
    *exponents, noise = weights
    answer = _softmax(np.tensordot(exponents, logs, 1))
    return (1 - noise) * answer + noise / answer.shape[1]


def pool(answers: Answers, weights: Weights, shares: np.ndarray) -> np.ndarray:
    """Return (n, classes) probabilities from those of one or several models.

    `weights` as fitted by `fit_weights` on these models, or on these and others. A row of NaN says
    that a model has no answer; where none has, the answer is `shares`, the classes' shares of the
    products fitted on.
    """
    answered = {model: _answered(of) for model, of in answers.items()}
    pooled = np.tile(np.asarray(shares, float), (len(next(iter(answers.values()))), 1))
    for models in _sets(answers):
        rows = np.all([answered[model] == (model in models) for model in answers], axis=0)
        if rows.any():
            logs = [_log(answers[model][rows]) for model in models]
            of_set = weights["+".join(models)]
            pooled[rows] = _pooled(logs, [of_set[name] for name in (*models, NOISE)])
    return pooled
