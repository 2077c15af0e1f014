"""Fitting of the category classifier."""

from __future__ import annotations

import numpy as np
from simulated_texts import CODES, lamps_and_bikes
from simulated_texts import SETTINGS as TEXT_SETTINGS

from market.models.category_classifier import ENCODER, PHOTO, SVM
from market.models.category_evaluation import evaluate_classifier, predict_pools, prediction_table
from market.models.category_training import fit_classifier
from market.models.labelled_products import LabelledProducts

CLASSES = ["lamps", "bikes"]


def simulated_data() -> LabelledProducts:
    """Return twelve products, the last four for test; the networks know half of each category."""
    products = lamps_and_bikes()
    products["category"] = np.array(CLASSES)[CODES]
    products["category_levels"] = products["category"].map(lambda name: [name])
    products = products.assign(product_id=products.index.astype(str), has_near_duplicate=False)
    by_network = np.where(np.eye(2)[CODES], 0.8, 0.2)
    by_photo = by_network.copy()
    by_photo[::2] = np.nan
    is_test = np.arange(12) >= 8
    return LabelledProducts(
        products, CLASSES, CODES, is_test, {ENCODER: by_network, PHOTO: by_photo}
    )


def test_every_set_of_models_has_weights_and_every_product_a_probability() -> None:
    data = simulated_data()
    classifier, by_model = fit_classifier(data, TEXT_SETTINGS)
    assert len(classifier.weights) == 7
    assert not np.isnan(by_model[SVM]).any() and by_model[PHOTO] is data.networks[PHOTO]


def test_test_products_do_not_change_the_fit() -> None:
    data = simulated_data()
    before, _ = fit_classifier(data, TEXT_SETTINGS)
    data.networks[ENCODER][data.is_test] = [[0.5, 0.5]]
    data.products.loc[data.is_test, "name"] = "unknown words"
    after, _ = fit_classifier(data, TEXT_SETTINGS)
    assert before.weights == after.weights


def test_the_classifier_is_evaluated_beside_its_baselines() -> None:
    data = simulated_data()
    classifier, by_model = fit_classifier(data, TEXT_SETTINGS)
    test = {name: probabilities[data.is_test] for name, probabilities in by_model.items()}
    predicted = predict_pools(classifier, test)
    metrics = evaluate_classifier(data, predicted, classifier, TEXT_SETTINGS)
    assert metrics["n"] == metrics["text_baseline"]["n"] == metrics["fused"]["n"] == 4
    assert metrics["without_photo"] == 2 and metrics["majority_accuracy"] == 0.5
    assert metrics["features_without_terms"] == []
    table = prediction_table(data, predicted["fused"])
    assert table["product_id"].tolist() == ["8", "9", "10", "11"]
    assert (table["actual"] == table["predicted"]).mean() == metrics["fused"]["accuracy"]
    assert table["confidence"].tolist() == predicted["fused"].max(1).tolist()
