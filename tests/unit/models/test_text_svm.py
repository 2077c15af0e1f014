"""The text SVM: its features, its calibrated probabilities, and its cross-validation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from simulated_texts import CODES, SETTINGS, changed, lamps_and_bikes

from market.models import text_svm
from market.models.labels import Labels
from market.models.text_svm import (
    TextSvm,
    build_pipeline,
    feature_names,
    fit_and_predict,
    fit_pipeline,
    margin_probabilities,
    out_of_fold_probabilities,
)

TWO_LABELS = Labels(["a", "b"], np.array([0, 1]), CODES)


# --- Features -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("columns", "min_df", "without_terms"),
    [
        ({"description": [""] * 12}, 2, {"description", "letters"}),
        ({"name": [f"{i}x{i}" for i in range(12)]}, 3, {"name"}),
        ({}, 100, {"name", "description", "name_letters", "letters"}),
    ],
)
def test_features_without_terms_are_left_out(
    columns: dict, min_df: int, without_terms: set[str]
) -> None:
    products, settings = lamps_and_bikes(**columns), changed(min_df=min_df)
    pipeline = fit_pipeline(products, CODES, settings)
    missing = feature_names(build_pipeline(settings)) - feature_names(pipeline)
    assert without_terms <= missing and "embedding" not in missing
    assert len(pipeline.predict(products)) == 12


def test_excluded_features_are_left_out() -> None:
    pipeline = fit_pipeline(lamps_and_bikes(), CODES, SETTINGS, exclude=frozenset({"embedding"}))
    assert "embedding" not in feature_names(pipeline) and "name" in feature_names(pipeline)


# --- Probabilities --------------------------------------------------------------------------------
@pytest.mark.parametrize("classes", [[0, 1], [0, 2], [0, 1, 2]])
def test_two_and_more_labels_have_probabilities(classes: list[int]) -> None:
    products = lamps_and_bikes(name=["lamp", "bike", "sofa"] * 4, description=[""] * 12)
    codes = np.array([classes[i % len(classes)] for i in range(12)])
    products["name"] = [["lamp", "bike", "sofa"][code] for code in codes]
    probabilities = TextSvm.fit(products, codes, 3, SETTINGS).probabilities(products)
    assert (probabilities.argmax(1) == codes).all()
    np.testing.assert_allclose(probabilities.sum(1), 1)
    unseen = [code for code in range(3) if code not in classes]
    assert (probabilities[:, unseen] == 0).all()


def test_a_product_without_text_has_no_probabilities() -> None:
    svm = TextSvm.fit(lamps_and_bikes(), CODES, 2, SETTINGS)
    products = lamps_and_bikes(name=["", "lamp"] * 6, description=[""] * 12)
    assert np.isnan(svm.probabilities(products)).any(1).tolist() == [True, False] * 6


def test_a_steeper_slope_gives_more_certain_probabilities_of_the_same_classes() -> None:
    margins = 2 * np.eye(3)[[0, 1, 2] * 4] - 1
    flat, steep = (margin_probabilities(margins, slope=slope, midpoint=0.0) for slope in (1, 4))
    assert (flat.argmax(1) == steep.argmax(1)).all() and (steep.max(1) > flat.max(1)).all()


def test_a_margin_at_the_midpoint_counts_as_one_half() -> None:
    margins = np.array([[-0.3, 9.0], [-0.3, -0.3], [-9.0, -0.3]])
    probabilities = margin_probabilities(margins, slope=6.0, midpoint=-0.3)
    np.testing.assert_allclose(probabilities[:, 0], [1 / 3, 1 / 2, 0], atol=1e-9)


# --- Cross-validation -----------------------------------------------------------------------------
def test_no_product_is_predicted_by_a_model_fitted_on_its_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORKERS", "1")
    products = lamps_and_bikes()
    products["group"] = np.arange(12) // 2
    fitted_on: list[set[int]] = []
    real_fit, real_probabilities = text_svm.fit_pipeline, TextSvm.probabilities

    def fit(rows: pd.DataFrame, *args: object) -> object:
        fitted_on.append(set(rows["group"]))
        return real_fit(rows, *args)  # type: ignore[arg-type]

    def probabilities(self: TextSvm, rows: pd.DataFrame) -> np.ndarray:
        assert not fitted_on[-1] & set(rows["group"])
        return real_probabilities(self, rows)

    monkeypatch.setattr(text_svm, "fit_pipeline", fit)
    monkeypatch.setattr(TextSvm, "probabilities", probabilities)
    predicted = out_of_fold_probabilities(products, TWO_LABELS, SETTINGS)
    assert len(fitted_on) == text_svm.FOLDS
    np.testing.assert_allclose(predicted.sum(1), 1)


def test_few_groups_make_fewer_folds() -> None:
    products, settings = lamps_and_bikes(), changed(min_df=1)
    products["group"] = [0, 1, 2] * 4
    assert not np.isnan(out_of_fold_probabilities(products, TWO_LABELS, settings)).any()


def test_without_a_second_group_there_are_no_predictions() -> None:
    products = lamps_and_bikes().assign(group=0)
    assert np.isnan(out_of_fold_probabilities(products, TWO_LABELS, SETTINGS)).all()


def test_known_products_are_predicted_out_of_fold_and_others_by_the_svm() -> None:
    products = lamps_and_bikes()
    products["category_levels"] = [[["lamp"], ["bike"]][code] for code in CODES]
    is_known = np.arange(12) < 8
    svm, labels, probabilities = fit_and_predict(products, is_known, ["lamp", "bike"], SETTINGS)
    known = products[is_known]
    np.testing.assert_array_equal(
        probabilities[is_known], out_of_fold_probabilities(known, labels, SETTINGS)
    )
    others = products[~is_known]
    np.testing.assert_array_equal(probabilities[~is_known], svm.probabilities(others))
    assert len(labels.codes) == 8
