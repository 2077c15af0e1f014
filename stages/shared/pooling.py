"""Several models' probabilities into one, whichever of them there are for a product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize

FLOOR = 1e-6  # of a probability: a model's certainty must not outvote everything
LEAST = 0.1  # exponent of a modality alone
PRIOR = 5.0  # strength of the belief that models mean what they say, in log likelihood


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.clip(probabilities, FLOOR, 1))


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def margin_probabilities(
    model: Any, table: pd.DataFrame, labels: int, sharpness: float
) -> np.ndarray:
    """Return (n, labels) probabilities: the softmax of a classifier's margins times `sharpness`.

    `model` was fitted on labels 0 … labels - 1; a label that it never saw gets 0.
    """
    margins = model.decision_function(table)
    if margins.ndim == 1:  # two classes have one margin between them
        margins = np.column_stack([-margins, margins])
    probabilities = np.zeros((len(table), labels))
    probabilities[:, model.classes_] = _softmax(sharpness * margins)
    return probabilities


def text_probabilities(
    model: Any, products: pd.DataFrame, labels: int, sharpness: float
) -> np.ndarray:
    """`margin_probabilities` by the text; NaN where a product has no name and no description."""
    probabilities = margin_probabilities(model, products, labels, sharpness)
    # Nothing to read is not a text that says nothing.
    probabilities[(products["name"] + products["description"]).eq("")] = np.nan
    return probabilities


def average_photos(values: np.ndarray, owner: pd.Series, product_ids: pd.Series) -> np.ndarray:
    """Each product's mean over its photos of (width,) probabilities or features; NaN without one.

    `owner` names the product of each row of `values`.
    """
    means = pd.DataFrame(values).groupby(owner.to_numpy()).mean()
    return means.reindex(product_ids).to_numpy(dtype=float)


def fit_weights(text: np.ndarray, photo: np.ndarray, labels: np.ndarray) -> dict[str, list[float]]:
    """Fit a logarithmic pool with label noise, by maximum a posteriori likelihood.

    p = (1 - noise) · softmax(a log text + b log photo) + noise / classes: without the last part a
    few listings in an odd category would make all answers timid. `text` and `photo` are (n,
    classes) probabilities of products that neither model was fitted on, rows of NaN where a product
    has no text or no photo. Returns {"both": [a, b, noise], "text": [a, noise], "photo": [b,
    noise]}: seven numbers in all, so that some hundred products are enough.
    """
    read, seen = ~np.isnan(text).any(1), ~np.isnan(photo).any(1)
    both = read & seen
    return {
        "both": _fit([_log(text[both]), _log(photo[both])], labels[both]),
        "text": _fit([_log(text[read])], labels[read]),
        "photo": _fit([_log(photo[seen])], labels[seen]),
    }


def _fit(logs: list[np.ndarray], labels: np.ndarray) -> list[float]:
    if len(labels) == 0:  # no product has both: nothing to fit
        return [1.0] * len(logs) + [0.0]

    def loss(weights: np.ndarray) -> float:
        pooled = _pooled(logs, weights)
        likelihood = np.log(pooled[np.arange(len(labels)), labels] + 1e-12).sum()
        *exponents, noise = weights
        # A prior worth a few products: a dozen are not enough to silence a model.
        prior = PRIOR * (np.square(np.subtract(exponents, 1)).sum() + noise)
        return float(prior - likelihood) / len(labels)

    # A modality alone may be unsure, but not say nothing.
    least = LEAST if len(logs) == 1 else 0.0
    found = minimize(
        loss,
        [*np.ones(len(logs)), 0.05],
        method="Nelder-Mead",
        bounds=[*[(least, 10.0)] * len(logs), (0.0, 0.5)],
        options={"xatol": 1e-4, "fatol": 1e-7, "maxiter": 2000},
    )
    return [float(weight) for weight in found.x]


def _pooled(logs: list[np.ndarray], weights: Sequence[float] | np.ndarray) -> np.ndarray:
    *exponents, noise = weights
    answer = _softmax(np.tensordot(exponents, logs, 1))
    return (1 - noise) * answer + noise / answer.shape[1]


def pool(
    text: np.ndarray, photo: np.ndarray, weights: dict[str, list[float]], shares: np.ndarray
) -> np.ndarray:
    """Return (n, classes) probabilities from those of the text and of the photo.

    `weights` as fitted by `fit_weights`. A row of NaN says that there is no text or no photo;
    without either the answer is `shares`, the classes' shares of the products fitted on.
    """
    has_text, has_photo = ~np.isnan(text).any(1), ~np.isnan(photo).any(1)
    pooled = np.tile(np.asarray(shares, float), (len(text), 1))
    both, text_only, photo_only = has_text & has_photo, has_text & ~has_photo, has_photo & ~has_text
    pooled[both] = _pooled([_log(text[both]), _log(photo[both])], weights["both"])
    pooled[text_only] = _pooled([_log(text[text_only])], weights["text"])
    pooled[photo_only] = _pooled([_log(photo[photo_only])], weights["photo"])
    return pooled
