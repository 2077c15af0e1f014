"""Late fusion: pool the class probabilities of several models, any of which may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import softmax

MIN_PROBABILITY = 1e-6  # of a class: no model may be so certain that it overrules all others
MIN_EXPONENT = 0.1  # of a model on its own
PRIOR_STRENGTH = 5.0  # of the prior on the exponents, in units of log likelihood
NOISE = "noise"  # the key beside the models' names, so no model may have this name

# (n, classes) by model; a row of NaN: the model has no prediction for that product.
Probabilities = Mapping[str, np.ndarray]
# By set of models ("photo+svm"): the exponent of each model, and the label noise.
Weights = Mapping[str, Mapping[str, float]]


def average_photos(values: np.ndarray, owner: pd.Series, product_ids: pd.Series) -> np.ndarray:
    """Average the photos of each product.

    Parameters
    ----------
    values
        (photos, width) probabilities or features.
    owner
        (photos,) the product that each photo belongs to.
    product_ids
        (n,) the products to return, in order.

    Returns
    -------
    np.ndarray
        (n, width) float64; NaN for a product without photos.

    Examples
    --------
    >>> values = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> average_photos(values, owner=pd.Series(["a", "a"]), product_ids=pd.Series(["a", "b"]))
    array([[0.5, 0.5],
           [nan, nan]])
    """
    means = pd.DataFrame(values).groupby(owner.to_numpy()).mean()
    return means.reindex(product_ids).to_numpy(dtype=float)


def fit_weights(probabilities: Probabilities, labels: np.ndarray) -> Weights:
    """Fit a logarithmic opinion pool with label noise for every set of models.

    p = (1 - noise) · softmax(Σ exponent · log p_model) + noise / classes, fitted by maximum a
    posteriori likelihood (Genest and Zidek 1986 describe the pool). Without the noise term a few
    mislabelled products would flatten all predictions.

    Parameters
    ----------
    probabilities
        (n, classes) by model, for products that the model was not fitted on. The weights of a set
        are fitted on the products that all of its models predict, so a model with few predictions
        takes no product away from the other sets.
    labels
        (n,) codes of the true classes.

    Returns
    -------
    dict
        For each set of models, its names sorted and joined by "+": the exponent of each model, and
        "noise". These are few enough to be fitted on some hundred products.

    Examples
    --------
    A model that is right more often gets the larger exponent:

    >>> labels = np.arange(40) % 2
    >>> right = np.where(np.eye(2)[labels], 0.9, 0.1)
    >>> guess = np.tile([0.6, 0.4], (40, 1))
    >>> weights = fit_weights({"photo": guess, "text": right}, labels)
    >>> sorted(weights)
    ['photo', 'photo+text', 'text']
    >>> weights["photo+text"]["text"] > weights["photo+text"]["photo"]
    True
    """
    weights = {}
    for models in _sets(probabilities):
        rows = np.all([_is_predicted(probabilities[model]) for model in models], axis=0)
        fitted = _fit([_log(probabilities[model][rows]) for model in models], labels[rows])
        weights["+".join(models)] = dict(zip([*models, NOISE], fitted, strict=True))
    return weights


def pool(probabilities: Probabilities, weights: Weights, class_shares: np.ndarray) -> np.ndarray:
    """Pool the probabilities of one or more models.

    Parameters
    ----------
    probabilities
        (n, classes) by model.
    weights
        As `fit_weights` returns them, for these models or for more.
    class_shares
        (classes,) the prediction for a product that no model predicts.

    Returns
    -------
    np.ndarray
        (n, classes) probabilities.

    Examples
    --------
    >>> weights = {"text": {"text": 1.0, "noise": 0.0}}
    >>> by_text = np.array([[0.75, 0.25], [np.nan, np.nan]])
    >>> pool({"text": by_text}, weights, class_shares=np.array([0.5, 0.5]))
    array([[0.75, 0.25],
           [0.5 , 0.5 ]])
    """
    predicted = {model: _is_predicted(values) for model, values in probabilities.items()}
    count = len(next(iter(probabilities.values())))
    pooled = np.tile(np.asarray(class_shares, float), (count, 1))
    for models in _sets(probabilities):
        # The products that these models predict, and no other does.
        rows = np.all([predicted[model] == (model in models) for model in probabilities], axis=0)
        if rows.any():
            logs = [_log(probabilities[model][rows]) for model in models]
            fitted = weights["+".join(models)]
            pooled[rows] = _pool(logs, [fitted[name] for name in (*models, NOISE)])
    return pooled


def _sets(probabilities: Probabilities) -> list[tuple[str, ...]]:
    names = sorted(probabilities)
    return [models for size in range(1, len(names) + 1) for models in combinations(names, size)]


def _is_predicted(probabilities: np.ndarray) -> np.ndarray:
    return ~np.isnan(probabilities).any(1)


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.clip(probabilities, MIN_PROBABILITY, 1))


def _fit(logs: list[np.ndarray], labels: np.ndarray) -> list[float]:
    """Return the exponent of each model and the noise, given (n, classes) log probabilities."""
    # The prior is worth a few products, because a dozen are not enough to silence a model. It
    # assumes calibrated models that largely agree, so that their pool is a geometric mean; assuming
    # that they are independent (exponents of 1) would make a fit on few products overconfident.
    prior_exponent = 1 / len(logs)
    if len(labels) == 0:  # no product is predicted by all of these models
        return [prior_exponent] * len(logs) + [0.0]

    def loss(weights: np.ndarray) -> float:
        pooled = _pool(logs, weights)
        likelihood = np.log(pooled[np.arange(len(labels)), labels] + 1e-12).sum()
        *exponents, noise = weights
        distance = np.square(np.subtract(exponents, prior_exponent)).sum()
        return float(PRIOR_STRENGTH * (distance + noise) - likelihood) / len(labels)

    # A model on its own may become less certain, but must still rank the classes.
    min_exponent = MIN_EXPONENT if len(logs) == 1 else 0.0
    optimum = minimize(
        loss,
        [*np.full(len(logs), prior_exponent), 0.05],
        method="Nelder-Mead",
        bounds=[*[(min_exponent, 10.0)] * len(logs), (0.0, 0.5)],
        options={"xatol": 1e-4, "fatol": 1e-7, "maxiter": 2000},
    )
    return [float(weight) for weight in optimum.x]


def _pool(logs: list[np.ndarray], weights: Sequence[float] | np.ndarray) -> np.ndarray:
    *exponents, noise = weights
    pooled = softmax(np.tensordot(exponents, logs, 1), axis=1)
    return (1 - noise) * pooled + noise / pooled.shape[1]
