"""Stage classify: its metrics describe the saved classifier and the written predictions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from market.core.settings import Classify
from market.models.category_classifier import SVM, CategoryClassifier
from market.models.fusion import fit_weights
from market.models.text_encoder import with_embedding
from market.models.text_svm import fit_pipeline


@pytest.fixture(scope="module")
def products(ran: Path) -> pd.DataFrame:
    listings = pd.read_parquet(ran / "data/merged/listings.parquet").drop_duplicates("product_id")
    vectors = pd.read_parquet(ran / "data/embeddings/text.parquet").set_index("product_id")
    return with_embedding(listings, vectors.loc[listings["product_id"]].to_numpy())


@pytest.fixture(scope="module")
def held_out(products: pd.DataFrame) -> pd.DataFrame:
    return products[products["split"] == "test"]


@pytest.fixture(scope="module")
def classifier(ran: Path) -> CategoryClassifier:
    return CategoryClassifier.load(ran / "models/category")


@pytest.fixture(scope="module")
def metrics(ran: Path) -> dict:
    return json.loads((ran / "metrics/classify.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def predictions(ran: Path) -> pd.DataFrame:
    """The predictions for the test products, by product_id."""
    return pd.read_parquet(ran / "data/category/test.parquet").set_index("product_id")


def test_metrics_have_the_keys_of_the_contract(metrics: dict, held_out: pd.DataFrame) -> None:
    for name in ("text_svm", "text_encoder", "text", "photo", "fused"):
        assert set(metrics[name]) == {"accuracy", "macro_f1", "loss", "ece", "n"}
        assert metrics[name]["n"] == len(held_out) == metrics["n"]


def test_the_majority_is_that_of_the_fitted_products(
    metrics: dict, products: pd.DataFrame, held_out: pd.DataFrame
) -> None:
    categories = products.loc[products["split"] != "test", "category"].mode()
    accuracies = [(held_out["category"] == name).mean() for name in categories]
    assert metrics["majority_accuracy"] in accuracies


def test_the_saved_svm_has_the_accuracy_of_the_metrics(
    metrics: dict, classifier: CategoryClassifier, held_out: pd.DataFrame
) -> None:
    predicted = classifier.svm_probabilities(held_out).argmax(1)
    accuracy = (np.array(classifier.classes)[predicted] == held_out["category"]).mean()
    assert accuracy == pytest.approx(metrics["text_svm"]["accuracy"])


def test_the_vocabulary_is_that_of_train_and_validation_products(
    classifier: CategoryClassifier, products: pd.DataFrame
) -> None:
    assert classifier.text_svm is not None
    vectorizer = dict(classifier.text_svm.pipeline[0].named_transformers_)["name"]
    names = products.loc[products["split"] != "test", "name"]
    counts = names.map(lambda name: set(vectorizer.build_analyzer()(name))).explode()
    counts = counts.value_counts()
    assert set(vectorizer.vocabulary_) == set(counts.index[counts >= 2])


def test_the_baseline_uses_words_alone(
    ran: Path, metrics: dict, products: pd.DataFrame, held_out: pd.DataFrame
) -> None:
    known = products[products["split"] != "test"]
    section = yaml.safe_load((ran / "params.yaml").read_text(encoding="utf-8"))["classify"]
    baseline = fit_pipeline(
        known, known["category"].to_numpy(), Classify(**section), exclude=frozenset({"embedding"})
    )
    accuracy = (baseline.predict(held_out) == held_out["category"]).mean()
    assert metrics["text_baseline"]["accuracy"] == accuracy
    assert metrics["text_baseline"]["n"] == len(held_out)


def test_scores_without_near_duplicates_leave_out_test_products_that_have_one(
    metrics: dict, held_out: pd.DataFrame, predictions: pd.DataFrame
) -> None:
    kept = predictions[~held_out.set_index("product_id")["has_near_duplicate"]]
    scores = metrics["fused_without_near_duplicates"]
    assert scores["n"] == len(kept)
    assert scores["accuracy"] == pytest.approx((kept["actual"] == kept["predicted"]).mean())


def test_every_product_has_probabilities(ran: Path, products: pd.DataFrame) -> None:
    table = pd.read_parquet(ran / "data/category/probabilities.parquet")
    assert table["product_id"].tolist() == products["product_id"].tolist()
    np.testing.assert_allclose(table.drop(columns="product_id").sum(axis=1), 1)


def test_the_price_models_feature_comes_from_the_svm_alone(
    ran: Path, classifier: CategoryClassifier, products: pd.DataFrame
) -> None:
    """The encoder has memorised the train products: in their rows it would mean something else."""
    table = pd.read_parquet(ran / "data/category/probabilities.parquet")[classifier.classes]
    test = (products["split"] == "test").to_numpy()
    expected = classifier.fuse({SVM: classifier.svm_probabilities(products[test])})
    np.testing.assert_allclose(table[test], expected, rtol=1e-6)


def test_the_encoders_weight_is_fitted_on_validation_products(
    ran: Path, classifier: CategoryClassifier, products: pd.DataFrame
) -> None:
    encoder = pd.read_parquet(ran / "data/text/probabilities.parquet").set_index("product_id")
    val = products[products["split"] == "val"]
    probabilities = encoder.loc[val["product_id"], classifier.classes].to_numpy()
    codes = pd.Categorical(val["category"], classifier.classes).codes
    expected = fit_weights({"encoder": probabilities}, codes)["encoder"]
    assert classifier.weights["encoder"] == pytest.approx(expected)


def test_every_test_product_has_a_written_prediction(
    held_out: pd.DataFrame, predictions: pd.DataFrame
) -> None:
    test = held_out.set_index("product_id")
    assert predictions.index.tolist() == test.index.tolist()
    assert (predictions["actual"] == test["category"]).all()
    assert predictions["confidence"].between(1 / 13, 1).all()


def test_the_plots_agree_with_the_metrics(ran: Path, metrics: dict) -> None:
    confusion = pd.read_csv(ran / "plots/classify_confusion.csv")
    accuracy = (confusion["actual"] == confusion["predicted"]).mean()
    assert accuracy == pytest.approx(metrics["fused"]["accuracy"])
    bins = pd.read_csv(ran / "plots/classify_calibration.csv")
    gap = ((bins["confidence"] - bins["accuracy"]).abs() * bins["n"]).sum() / bins["n"].sum()
    assert gap == pytest.approx(metrics["fused"]["ece"], abs=1e-4)
