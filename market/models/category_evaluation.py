"""Evaluate the category classifier, and parts of it, on the test products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from market.models.category_classifier import ENCODER, PHOTO, SVM, CategoryClassifier
from market.models.metrics import calibration_error, score

POOLS = {  # the models that are pooled for each score
    "text_svm": (SVM,),
    "text_encoder": (ENCODER,),
    "text": (SVM, ENCODER),
    "photo": (PHOTO,),
    "fused": (SVM, ENCODER, PHOTO),
}
HEADLINES = ("text", "photo", "fused")


def predict_pools(
    classifier: CategoryClassifier, by_model: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the (n, classes) probabilities of each of POOLS, given those of its models."""
    return {
        name: classifier.fuse({model: by_model[model] for model in models})
        for name, models in POOLS.items()
    }


def evaluate(
    predicted: Mapping[str, np.ndarray], codes: np.ndarray, has_near_duplicate: np.ndarray
) -> dict[str, Any]:
    """Score the test products.

    Parameters
    ----------
    predicted
        As `predict_pools` returns it.
    codes
        (n,) codes of the true categories.
    has_near_duplicate
        (n,) whether the product has a near-duplicate in train or validation.

    Returns
    -------
    dict
        `market.models.metrics.score` and the calibration error (`ece`) by key of POOLS, and for
        HEADLINES the score without the near-duplicates, if a product is left.
    """
    metrics: dict[str, Any] = {
        name: score(probabilities, codes) | {"ece": calibration_error(probabilities, codes)}
        for name, probabilities in predicted.items()
    }
    rows = ~has_near_duplicate
    if rows.any():
        metrics |= {
            f"{name}_without_near_duplicates": score(predicted[name][rows], codes[rows])
            for name in HEADLINES
        }
    return metrics
