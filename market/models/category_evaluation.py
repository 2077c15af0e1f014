"""Evaluate the category classifier, and parts of it, on the test products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from market.core.settings import Classify
from market.models.category_classifier import ENCODER, PHOTO, SVM, CategoryClassifier
from market.models.labelled_products import LabelledProducts
from market.models.metrics import calibration_error, majority_accuracy, score, score_labels
from market.models.text_svm import build_pipeline, feature_names, fit_pipeline

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
    """Return the pooled probabilities (n, classes) by key of POOLS, given those of each model."""
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


def evaluate_classifier(
    data: LabelledProducts,
    predicted: Mapping[str, np.ndarray],
    classifier: CategoryClassifier,
    settings: Classify,
) -> dict[str, Any]:
    """Score the classifier and its baselines on the test products.

    Parameters
    ----------
    data
        All products; n of them are test products.
    predicted
        As `predict_pools` returns it for the test products.
    classifier
        Fitted on the other products.
    settings
        Section `classify` of params.yaml.

    Returns
    -------
    dict
        `evaluate`; `text_baseline`, the scores of a linear SVM on TF-IDF alone;
        `majority_accuracy`; `features_without_terms`, the SVM's features that no product has;
        `without_photo`, a number of test products; and `n`.
    """
    known, test = data.products[~data.is_test], data.products[data.is_test]
    known_codes, codes = data.codes[~data.is_test], data.codes[data.is_test]
    assert classifier.text_svm is not None  # there is one wherever there are categories
    baseline = fit_pipeline(known, known_codes, settings, exclude=frozenset({"embedding"}))
    unused = feature_names(build_pipeline(settings)) - feature_names(classifier.text_svm.pipeline)
    return {
        **evaluate(predicted, codes, test["has_near_duplicate"].to_numpy()),
        "text_baseline": score_labels(codes, baseline.predict(test)),
        "majority_accuracy": majority_accuracy(known_codes, codes),
        "features_without_terms": sorted(unused),
        "without_photo": int(np.isnan(data.networks[PHOTO][data.is_test]).any(1).sum()),
        "n": len(test),
    }


def prediction_table(data: LabelledProducts, probabilities: np.ndarray) -> pd.DataFrame:
    """Return a row for each test product, given its (n, classes) probabilities.

    Its columns are `actual` and `predicted` (names of categories), `product_id`, and `confidence`,
    the probability of the predicted category.
    """
    test, names = data.products[data.is_test], np.array(data.classes)
    return pd.DataFrame(
        {
            "actual": test["category"].to_numpy(),
            "predicted": names[probabilities.argmax(1)],
            "product_id": test["product_id"].to_numpy(),
            "confidence": probabilities.max(1),
        }
    )
