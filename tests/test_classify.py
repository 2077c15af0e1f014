"""Category by text, and by text and photos: honest figures, saved models that give them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import classify
from shared.model_file import load_model
from shared.pooling import margin_probabilities
from shared.text_encoder import with_embedding


@pytest.fixture(scope="module")
def products(ran: Path) -> pd.DataFrame:
    listings = pd.read_parquet(ran / "data/merged/listings.parquet").drop_duplicates("product_id")
    vectors = pd.read_parquet(ran / "data/embeddings/text.parquet").set_index("product_id")
    return with_embedding(listings, vectors.loc[listings["product_id"]].to_numpy())


def test_metrics_have_the_contracts_keys(ran: Path, products: pd.DataFrame) -> None:
    metrics = json.loads((ran / "metrics/classify.json").read_text(encoding="utf-8"))
    test = products[products["split"] == "test"]
    for name in ("text", "photo", "fused"):
        assert set(metrics[name]) == {"accuracy", "macro_f1", "ece", "n"}
        assert metrics[name]["n"] == len(test) == metrics["n"]
    commonest = products.loc[products["split"] == "train", "category"].mode()
    assert metrics["majority_accuracy"] in [(test["category"] == name).mean() for name in commonest]


def test_the_saved_text_model_gives_the_metrics(ran: Path, products: pd.DataFrame) -> None:
    model = load_model(ran / "models/category/text.skops")
    fusion = json.loads((ran / "models/category/fusion.json").read_text(encoding="utf-8"))
    metrics = json.loads((ran / "metrics/classify.json").read_text(encoding="utf-8"))
    test = products[products["split"] == "test"]
    found = margin_probabilities(model, test, 13).argmax(1)
    accuracy = (np.array(fusion["classes"])[found] == test["category"]).mean()
    assert accuracy == pytest.approx(metrics["text"]["accuracy"])


def test_the_vocabulary_is_of_the_train_products(ran: Path, products: pd.DataFrame) -> None:
    model = load_model(ran / "models/category/text.skops")
    names = dict(model[0].named_transformers_)["name"]
    train = products.loc[products["split"] == "train", "name"]
    counts = train.map(lambda name: set(names.build_analyzer()(name))).explode().value_counts()
    assert set(names.vocabulary_) == set(counts.index[counts >= 2])


def test_scores_by_hand() -> None:
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.35, 0.65], [0.65, 0.35]])
    found = classify.score(probabilities, np.array([0, 1, 1, 0]))
    assert found["accuracy"] == 0.75
    # 0.95 is right half of the time, 0.65 always: two each.
    assert found["ece"] == pytest.approx((0.45 + 0.35) / 2)
    assert found["n"] == 4


def test_the_plots_are_those_of_the_metrics(ran: Path) -> None:
    metrics = json.loads((ran / "metrics/classify.json").read_text(encoding="utf-8"))
    confusion = pd.read_csv(ran / "plots/classify_confusion.csv")
    right = (confusion["actual"] == confusion["predicted"]).mean()
    assert right == pytest.approx(metrics["fused"]["accuracy"])
    bins = pd.read_csv(ran / "plots/classify_calibration.csv")
    gap = ((bins["confidence"] - bins["accuracy"]).abs() * bins["n"]).sum() / bins["n"].sum()
    assert gap == pytest.approx(metrics["fused"]["ece"], abs=1e-4)
