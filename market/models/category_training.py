"""Training of the category classifier: the text SVM, and the weights of the pool."""

from __future__ import annotations

import numpy as np

from market.core.settings import Classify
from market.models.category_classifier import SVM, CategoryClassifier
from market.models.labelled_products import LabelledProducts
from market.models.labels import sum_by_category
from market.models.text_svm import fit_and_predict


def fit_classifier(
    data: LabelledProducts, settings: Classify
) -> tuple[CategoryClassifier, dict[str, np.ndarray]]:
    """Fit the text SVM, then the weights of the pool, on the train and validation products.

    The weights are fitted on predictions by models that were fitted without the product.

    Parameters
    ----------
    data
        All products, n rows; the networks' probabilities are out-of-fold or NaN for products that
        they were fitted on.
    settings
        Section `classify` of params.yaml.

    Returns
    -------
    tuple
        The classifier, and the (n, classes) probabilities by model: SVM (out-of-fold for train and
        validation products), ENCODER and PHOTO. NaN: no prediction.
    """
    known = ~data.is_test
    svm, labels, by_label = fit_and_predict(data.products, known, data.classes, settings)
    by_model = {
        SVM: sum_by_category(by_label, labels.parents, len(data.classes)),
        **data.networks,
    }
    classifier = CategoryClassifier.fit_fusion(
        data.classes,
        svm,
        labels.parents,
        {name: probabilities[known] for name, probabilities in by_model.items()},
        data.codes[known],
    )
    return classifier, by_model
