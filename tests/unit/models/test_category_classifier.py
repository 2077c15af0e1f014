"""The category classifier: it pools its models, and can be saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from simulated_texts import CODES, SETTINGS, lamps_and_bikes

from market.core.errors import MarketError
from market.models.category_classifier import SVM, CategoryClassifier
from market.models.fusion import fit_weights
from market.models.text_svm import TextSvm

PHOTO = np.random.default_rng(1).dirichlet(np.ones(2), 12)


@pytest.fixture(scope="module")
def classifier() -> CategoryClassifier:
    """A classifier of lamps and bikes, whose SVM knows two kinds of each."""
    products = lamps_and_bikes()
    svm = TextSvm.fit(products, np.arange(12) % 4, 4, SETTINGS)
    parents = np.array([0, 0, 1, 1])
    probabilities = {SVM: np.eye(2)[CODES] * 0.8 + 0.1, "photo": PHOTO}
    return CategoryClassifier.fit_fusion(["lamp", "bike"], svm, parents, probabilities, CODES)


def test_labels_are_summed_up_to_categories(classifier: CategoryClassifier) -> None:
    products = lamps_and_bikes()
    assert classifier.text_svm is not None
    by_label = classifier.text_svm.probabilities(products)
    expected = np.column_stack([by_label[:, :2].sum(1), by_label[:, 2:].sum(1)])
    np.testing.assert_allclose(classifier.svm_probabilities(products), expected)


def test_the_weights_are_fitted_on_the_probabilities(classifier: CategoryClassifier) -> None:
    probabilities = {SVM: np.eye(2)[CODES] * 0.8 + 0.1, "photo": PHOTO}
    assert classifier.weights == fit_weights(probabilities, CODES)


def test_a_listing_without_any_prediction_gets_the_class_shares(
    classifier: CategoryClassifier,
) -> None:
    missing = np.full((1, 2), np.nan)
    np.testing.assert_allclose(classifier.fuse({SVM: missing, "photo": missing}), [[0.5, 0.5]])


def test_a_category_without_products_has_a_share() -> None:
    svm = TextSvm.fit(lamps_and_bikes(), CODES, 2, SETTINGS)
    probabilities = {SVM: np.tile([0.5, 0.4, 0.1], (12, 1))}
    classifier = CategoryClassifier.fit_fusion(
        ["lamp", "bike", "sofa"], svm, np.array([0, 1]), probabilities, CODES
    )
    np.testing.assert_allclose(classifier.class_shares, np.array([7, 7, 1]) / 15)


def test_a_loaded_classifier_predicts_as_the_saved_one(
    classifier: CategoryClassifier, tmp_path: Path
) -> None:
    classifier.save(tmp_path / "category")
    loaded = CategoryClassifier.load(tmp_path / "category")
    assert loaded.classes == ["lamp", "bike"]
    products = lamps_and_bikes()
    probabilities = {SVM: classifier.svm_probabilities(products), "photo": PHOTO}
    np.testing.assert_array_equal(loaded.svm_probabilities(products), probabilities[SVM])
    np.testing.assert_array_equal(loaded.fuse(probabilities), classifier.fuse(probabilities))


@pytest.mark.parametrize("name", ["text.skops", "fusion.json"])
def test_an_absent_file_is_named(classifier: CategoryClassifier, tmp_path: Path, name: str) -> None:
    classifier.save(tmp_path / "category")
    (tmp_path / "category" / name).unlink()
    with pytest.raises(MarketError, match=name):
        CategoryClassifier.load(tmp_path / "category")
