"""Everything that stage classify writes: the classifier, its predictions and its scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from market.core.settings import Classify
from market.models.category_classifier import SVM, CategoryClassifier
from market.models.category_evaluation import (
    HEADLINES,
    evaluate_classifier,
    predict_pools,
    prediction_table,
)
from market.models.category_training import fit_classifier
from market.models.label_errors import find_label_errors
from market.models.labelled_products import LabelledProducts
from market.models.labels import NO_CATEGORIES
from market.models.metrics import calibration_table


@dataclass(frozen=True)
class CategoryResults:
    """A fitted classifier, and what it says about the products.

    Attributes
    ----------
    classifier
        The classifier.
    probabilities
        product_id and a column for each category, a row for each product: by the text SVM alone,
        out-of-fold for train and validation products.
    predictions
        A row for each test product, as `prediction_table` returns it.
    label_errors
        Likely mislabelled products, as `find_label_errors` returns them.
    calibration
        As `calibration_table` returns it for the test products.
    metrics
        The scores, as `evaluate_classifier` returns them, with `label_errors` and `seed`; or why
        nothing was fitted, as `skipped`.
    """

    classifier: CategoryClassifier
    probabilities: pd.DataFrame
    predictions: pd.DataFrame
    label_errors: pd.DataFrame
    calibration: pd.DataFrame
    metrics: dict[str, Any]

    @classmethod
    def fit(cls, data: LabelledProducts, settings: Classify) -> CategoryResults:
        """Fit the classifier, and evaluate it on the test products.

        Parameters
        ----------
        data
            All products. If they have no categories, the classifier predicts none.
        settings
            Section `classify` of params.yaml.
        """
        if not data.classes:
            return cls._without_categories(data, settings)
        classifier, by_model = fit_classifier(data, settings)
        by_svm = classifier.fuse({SVM: by_model[SVM]})
        # Without the SVM's prediction, the pool returns shares of categories: no evidence of an
        # error.
        evidence = np.where(np.isnan(by_model[SVM]), np.nan, by_svm)
        errors = find_label_errors(data.products, evidence, data.codes, data.classes)
        test = data.is_test
        predicted = predict_pools(classifier, {name: by_model[name][test] for name in by_model})
        metrics = evaluate_classifier(data, predicted, classifier, settings)
        return cls(
            classifier,
            _with_ids(data, by_svm),
            prediction_table(data, predicted["fused"]),
            errors,
            calibration_table(predicted["fused"], data.codes[test]),
            metrics | {"label_errors": len(errors), "seed": settings.seed},
        )

    @classmethod
    def _without_categories(cls, data: LabelledProducts, settings: Classify) -> CategoryResults:
        no_rows, no_probabilities = data.without_rows(), np.empty((0, 1))
        return cls(
            CategoryClassifier.without_categories(),
            _with_ids(data, np.empty((len(data.products), 0))),
            prediction_table(no_rows, no_probabilities),
            find_label_errors(no_rows.products, no_probabilities, no_rows.codes, no_rows.classes),
            calibration_table(no_probabilities, no_rows.codes),
            {"n": 0, "seed": settings.seed, "skipped": NO_CATEGORIES},
        )

    def summary(self) -> str:
        """Return one line for the user."""
        if reason := self.metrics.get("skipped"):
            return f"no category classifier was fitted: {reason}"
        accuracies = [f"{name} {self.metrics[name]['accuracy']:.3f}" for name in HEADLINES]
        return f"{', '.join(accuracies)}: accuracy per product, n={self.metrics['n']}"


def _with_ids(data: LabelledProducts, probabilities: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame(probabilities, data.products["product_id"], data.classes)
    return table.reset_index()
