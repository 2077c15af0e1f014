"""Category by text, and by text and photos: honest figures, saved models that give them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from market.models.fusion import fit_weights, margin_probabilities, pool, text_probabilities
from market.models.labels import Labels, subcategory_labels, sum_by_category
from market.models.skops_files import load_model
from market.models.text_encoder import TEXT_WIDTH, with_embedding
from stages import classify


@pytest.fixture(scope="module")
def products(ran: Path) -> pd.DataFrame:
    listings = pd.read_parquet(ran / "data/merged/listings.parquet").drop_duplicates("product_id")
    vectors = pd.read_parquet(ran / "data/embeddings/text.parquet").set_index("product_id")
    return with_embedding(listings, vectors.loc[listings["product_id"]].to_numpy())


def test_metrics_have_the_contracts_keys(ran: Path, products: pd.DataFrame) -> None:
    metrics = json.loads((ran / "metrics/classify.json").read_text(encoding="utf-8"))
    test = products[products["split"] == "test"]
    for name in ("text_svm", "text_encoder", "text", "photo", "fused"):
        assert set(metrics[name]) == {"accuracy", "macro_f1", "loss", "ece", "n"}
        assert metrics[name]["n"] == len(test) == metrics["n"]
    commonest = products.loc[products["split"] == "train", "category"].mode()
    assert metrics["majority_accuracy"] in [(test["category"] == name).mean() for name in commonest]


def test_the_saved_svm_gives_the_metrics(ran: Path, products: pd.DataFrame) -> None:
    model = load_model(ran / "models/category/text.skops")
    fusion = json.loads((ran / "models/category/fusion.json").read_text(encoding="utf-8"))
    metrics = json.loads((ran / "metrics/classify.json").read_text(encoding="utf-8"))
    test = products[products["split"] == "test"]
    parents = np.array(fusion["parents"])
    by_label = margin_probabilities(model, test, len(parents), **fusion["curve"])
    found = sum_by_category(by_label, parents, 13).argmax(1)
    accuracy = (np.array(fusion["classes"])[found] == test["category"]).mean()
    assert accuracy == pytest.approx(metrics["text_svm"]["accuracy"])


def test_the_vocabulary_is_of_train_and_validation_products(
    ran: Path, products: pd.DataFrame
) -> None:
    model = load_model(ran / "models/category/text.skops")
    names = dict(model[0].named_transformers_)["name"]
    known = products.loc[products["split"] != "test", "name"]
    counts = known.map(lambda name: set(names.build_analyzer()(name))).explode().value_counts()
    assert set(names.vocabulary_) == set(counts.index[counts >= 2])


def test_nobody_answers_for_a_product_it_was_fitted_on(
    products: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKERS", "1")
    known = products[products["split"] != "test"].reset_index(drop=True)
    labels = subcategory_labels(
        known["category_levels"], sorted(known["category"].unique()), depth=1, min_rows=1
    )
    fitted_on: list[set[str]] = []
    real_fit, real_answer = classify.fit_text, classify.text_probabilities

    def fit(settings: dict, rows: pd.DataFrame, codes: np.ndarray) -> object:
        fitted_on.append(set(rows["group"]))
        return real_fit(settings, rows, codes)

    def answer(model: object, rows: pd.DataFrame, count: int, **curve: float) -> np.ndarray:
        assert not fitted_on[-1] & set(rows["group"])
        return real_answer(model, rows, count, **curve)

    monkeypatch.setattr(classify, "fit_text", fit)
    monkeypatch.setattr(classify, "text_probabilities", answer)
    settings = {"c": 0.1, "min_df": 2, "embedding_weight": 2.0, "seed": 0}
    found = classify.text_out_of_fold(
        known, labels, settings, {"sharpness": 6.0, "threshold": -0.3}
    )
    assert len(fitted_on) == classify.FOLDS
    np.testing.assert_allclose(found.sum(1), 1)


def some_products(**columns: list[str]) -> pd.DataFrame:
    table = pd.DataFrame({"name": ["red lamp", "blue lamp", "red bike", "blue bike"] * 3})
    table["description"] = "collect in " + table["name"]
    table = table.assign(**columns, group=range(12), split="train")
    return with_embedding(table, np.random.default_rng(0).normal(size=(12, TEXT_WIDTH)))


@pytest.mark.parametrize(
    ("columns", "min_df", "empty"),
    [
        ({"description": [""] * 12}, 2, {"description", "letters"}),
        ({"name": [f"{i}x{i}" for i in range(12)]}, 3, {"name"}),
        ({}, 100, {"name", "description", "name_letters", "letters"}),
    ],
)
def test_columns_without_terms_are_left_out(columns: dict, min_df: int, empty: set[str]) -> None:
    products = some_products(**columns)
    settings: dict[str, Any] = {"c": 0.1, "min_df": min_df, "embedding_weight": 2.0, "seed": 0}
    model = classify.fit_text(settings, products, np.array([0, 0, 1, 1] * 3))
    missing = classify.feature_names(classify.text_model(**settings)) - classify.feature_names(
        model
    )
    assert empty <= missing and "embedding" not in missing
    assert len(model.predict(products)) == 12


def test_few_groups_make_fewer_folds() -> None:
    products = some_products()
    products["group"] = [0, 1, 2] * 4
    labels = Labels(["a", "b"], np.array([0, 1]), np.array([0, 0, 1, 1] * 3))
    settings = {"c": 0.1, "min_df": 1, "embedding_weight": 2.0, "seed": 0}
    curve = {"sharpness": 6.0, "threshold": -0.3}
    assert not np.isnan(classify.text_out_of_fold(products, labels, settings, curve)).any()
    alone = products.assign(group=0)
    assert np.isnan(classify.text_out_of_fold(alone, labels, settings, curve)).all()


def test_the_baseline_is_of_words_alone(ran: Path, products: pd.DataFrame) -> None:
    metrics = json.loads((ran / "metrics/classify.json").read_text(encoding="utf-8"))
    known = products[products["split"] != "test"]
    test = products[products["split"] == "test"]
    settings = yaml.safe_load((ran / "params.yaml").read_text(encoding="utf-8"))["classify"]
    for name in ("label_depth", "calibration_slope", "calibration_midpoint"):
        del settings[name]
    settings["without"] = frozenset({"embedding"})
    model = classify.fit_text(settings, known, known["category"].to_numpy())
    assert metrics["text_baseline"]["accuracy"] == (model.predict(test) == test["category"]).mean()
    assert metrics["text_baseline"]["n"] == len(test)


def test_scores_without_near_copies_are_of_fewer_products(
    ran: Path, products: pd.DataFrame
) -> None:
    metrics = json.loads((ran / "metrics/classify.json").read_text(encoding="utf-8"))
    answers = pd.read_parquet(ran / "data/category/test.parquet").set_index("product_id")
    test = products[products["split"] == "test"].set_index("product_id")
    alone = answers[~test["has_near_copy"]]
    found = metrics["fused_without_near_copies"]
    assert found["n"] == len(alone)
    assert found["accuracy"] == pytest.approx((alone["actual"] == alone["predicted"]).mean())


def test_every_product_has_its_probabilities(ran: Path, products: pd.DataFrame) -> None:
    table = pd.read_parquet(ran / "data/category/probabilities.parquet")
    assert table["product_id"].tolist() == products["product_id"].tolist()
    np.testing.assert_allclose(table.drop(columns="product_id").sum(axis=1), 1)


def test_the_price_models_feature_is_the_same_thing_in_train_and_test_rows(
    ran: Path, products: pd.DataFrame
) -> None:
    """By the SVM alone: the encoder knows the train products by heart."""
    fusion = json.loads((ran / "models/category/fusion.json").read_text(encoding="utf-8"))
    table = pd.read_parquet(ran / "data/category/probabilities.parquet")[fusion["classes"]]
    test = (products["split"] == "test").to_numpy()
    model = load_model(ran / "models/category/text.skops")
    parents = np.array(fusion["parents"])
    by_label = text_probabilities(model, products[test], len(parents), **fusion["curve"])
    svm = {"svm": sum_by_category(by_label, parents, len(fusion["classes"]))}
    expected = pool(svm, fusion["weights"], fusion["class_shares"])
    np.testing.assert_allclose(table[test], expected, rtol=1e-6)


def test_the_pools_with_the_encoder_are_fitted_on_validation_products(
    ran: Path, products: pd.DataFrame
) -> None:
    fusion = json.loads((ran / "models/category/fusion.json").read_text(encoding="utf-8"))
    encoder = pd.read_parquet(ran / "data/text/probabilities.parquet").set_index("product_id")
    val = products[products["split"] == "val"]
    answers = encoder.loc[val["product_id"], fusion["classes"]].to_numpy()
    labels = pd.Categorical(val["category"], fusion["classes"]).codes
    expected = fit_weights({"encoder": answers}, labels)["encoder"]
    assert fusion["weights"]["encoder"] == pytest.approx(expected)


def test_a_wrong_label_is_found() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    probabilities = rng.dirichlet(np.ones(3), 60) * 0.1 + 0.9 * np.eye(3)[labels]
    given = labels.copy()
    given[7] = (labels[7] + 1) % 3
    products = pd.DataFrame({"product_id": [f"p{i}" for i in range(60)], "split": "train"})
    found = classify.label_errors(products, probabilities, given, ["a", "b", "c"])
    assert found["product_id"].tolist() == ["p7"]
    assert found.iloc[0]["suggested"] == "abc"[labels[7]]
    assert found.iloc[0]["category"] == "abc"[given[7]]


def test_the_answers_to_test_products_are_written(ran: Path, products: pd.DataFrame) -> None:
    answers = pd.read_parquet(ran / "data/category/test.parquet").set_index("product_id")
    test = products[products["split"] == "test"].set_index("product_id")
    assert answers.index.tolist() == test.index.tolist()
    assert (answers["actual"] == test["category"]).all()
    assert answers["confidence"].between(1 / 13, 1).all()


def test_the_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.35, 0.65], [0.65, 0.35]])
    # 0.95 is right half of the time, 0.65 always: two each.
    found = classify.calibration_error(probabilities, np.array([0, 1, 1, 0]))
    assert found == pytest.approx((0.45 + 0.35) / 2)


def test_the_plots_are_those_of_the_metrics(ran: Path) -> None:
    metrics = json.loads((ran / "metrics/classify.json").read_text(encoding="utf-8"))
    confusion = pd.read_csv(ran / "plots/classify_confusion.csv")
    right = (confusion["actual"] == confusion["predicted"]).mean()
    assert right == pytest.approx(metrics["fused"]["accuracy"])
    bins = pd.read_csv(ran / "plots/classify_calibration.csv")
    gap = ((bins["confidence"] - bins["accuracy"]).abs() * bins["n"]).sum() / bins["n"].sum()
    assert gap == pytest.approx(metrics["fused"]["ece"], abs=1e-4)
