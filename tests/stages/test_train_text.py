"""Training of the text classifier: its outputs agree with each other, and it can resume."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from market.data.clean_listings import listing_text
from market.models.text_classifier import TextClassifier


@pytest.fixture(scope="module")
def products(ran: Path) -> pd.DataFrame:
    columns = ["product_id", "name", "description", "category", "category_levels", "split"]
    listings = pd.read_parquet(ran / "data/merged/listings.parquet", columns=columns)
    return listings.drop_duplicates("product_id").set_index("product_id", drop=False)


@pytest.fixture(scope="module")
def predictions(ran: Path) -> pd.DataFrame:
    return pd.read_parquet(ran / "data/text/probabilities.parquet").set_index("product_id")


def test_validation_and_test_products_have_predictions(
    products: pd.DataFrame, predictions: pd.DataFrame
) -> None:
    held_out = products[products["split"] != "train"]
    assert predictions.index.tolist() == held_out.index.tolist()
    assert predictions["split"].tolist() == held_out["split"].tolist()
    readable = listing_text(held_out) != ""
    sums = predictions.drop(columns="split").sum(axis=1, skipna=False)
    np.testing.assert_allclose(sums[readable], 1, rtol=1e-5)
    assert sums[~readable].isna().all()


def test_the_saved_classifier_gives_the_predictions(
    ran: Path, products: pd.DataFrame, predictions: pd.DataFrame
) -> None:
    classifier = TextClassifier.load(ran / "models/text")
    backwards = products.loc[predictions.index[::-1]]  # the order does not matter
    expected = predictions.loc[backwards.index, classifier.categories]
    np.testing.assert_allclose(classifier.probabilities(backwards), expected, atol=1e-5)


def test_labels_are_of_train_products(ran: Path, products: pd.DataFrame) -> None:
    saved = TextClassifier.load(ran / "models/text")
    parents = np.array(saved.categories)[saved.parents]
    for name, parent in zip(saved.labels, parents, strict=True):
        assert name == parent or name.startswith(f"{parent} / ")
    train = products[products["split"] == "train"]
    paths = {" / ".join(levels[:2]) for levels in train["category_levels"]}
    assert set(saved.labels) <= paths | set(saved.categories)


def test_metrics_agree_with_the_predictions(
    ran: Path, products: pd.DataFrame, predictions: pd.DataFrame
) -> None:
    metrics = json.loads((ran / "metrics/train_text.json").read_text(encoding="utf-8"))
    for split in ("val", "test"):
        predicted = predictions[predictions["split"] == split].drop(columns="split").dropna()
        actual = products.loc[predicted.index, "category"]
        assert metrics[split]["n"] == len(predicted)
        accuracy = (predicted.idxmax(axis=1) == actual).mean()
        assert metrics[split]["accuracy"] == pytest.approx(accuracy)
    commonest = products.loc[products["split"] == "train", "category"].mode()
    assert metrics["majority_accuracy"] in [(actual == name).mean() for name in commonest]
    assert metrics["epochs"] == 1 and metrics["seed"] == 42
    plot = pd.read_csv(ran / "plots/train_text.csv")
    assert plot.columns.tolist() == [
        "epoch", "phase", "train_loss", "train_accuracy", "val_loss", "val_accuracy"
    ]  # fmt: skip
    assert plot["epoch"].tolist() == [1]
    assert plot["val_loss"].iloc[-1] == pytest.approx(metrics["val"]["loss"], abs=1e-5)
    assert plot["val_accuracy"].iloc[-1] == pytest.approx(metrics["val"]["accuracy"], abs=1e-5)


def test_validation_and_test_products_do_not_affect_the_weights(
    ran: Path, invoke_stage: Callable, tmp_path: Path, products: pd.DataFrame
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(ran / "params.yaml", project)
    changed = products.copy()
    others = changed["split"] != "train"
    changed.loc[others, "description"] = "Nothing of the sort"
    changed.loc[others, "category"] = changed.loc[others, "category"].to_numpy()[::-1]
    (project / "data/merged").mkdir(parents=True)
    changed.to_parquet(project / "data/merged/listings.parquet", index=False)
    invoke_stage(project, "train_text")
    for name in ("model.safetensors", "model.json"):
        path = Path("models/text") / name
        assert (project / path).read_bytes() == (ran / path).read_bytes(), name


def test_a_killed_training_resumes_and_ends_with_the_same_bytes(
    ran: Path, invoke_stage: Callable, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    for name in ("params.yaml", "data/merged/listings.parquet", "stages/train_text.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ran / name, project / name)
    script = subprocess.Popen(
        [sys.executable, "stages/train_text.py"],
        cwd=project,
        env={**os.environ, "CHECKPOINT_SECONDS": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(12_000):
            if list((project / "runs").rglob("*.pt")):
                break
            assert script.poll() is None, "ended before it could be killed"
            time.sleep(0.01)
    finally:
        script.send_signal(signal.SIGKILL)
        script.wait()
    assert not (project / "models").exists()
    resumed = invoke_stage(project, "train_text")
    assert "resuming from runs/checkpoints/" in resumed.stdout
    for name in ("models/text/model.safetensors", "plots/train_text.csv"):
        assert (project / name).read_bytes() == (ran / name).read_bytes(), name
    assert not list((project / "runs").rglob("*.pt"))
