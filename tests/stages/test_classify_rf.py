"""The forest on raw pixels: its form, its scores, and the same bytes whatever the workers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from market.models.skops_files import load_model
from stages import classify_rf


def test_the_model_flattens_and_grows_a_forest() -> None:
    model = classify_rf.forest((3, 56, 56), n_estimators=7, min_samples_leaf=2, seed=5)
    assert isinstance(model, Pipeline)
    flatten, forest = (step for _, step in model.steps)
    assert isinstance(flatten, FunctionTransformer) and isinstance(forest, RandomForestClassifier)
    assert (forest.n_estimators, forest.min_samples_leaf, forest.random_state) == (7, 2, 5)
    arrays = np.arange(2 * 3 * 56 * 56).reshape(2, 3, 56, 56)
    np.testing.assert_array_equal(flatten.transform(arrays), arrays.reshape(2, 9408))


def test_a_forest_tells_dark_from_bright() -> None:
    rng = np.random.default_rng(0)
    level = np.tile([60, 180], 40)
    arrays = (level[:, None, None, None] + rng.integers(-50, 50, (80, 3, 4, 4))).astype(np.uint8)
    labels = np.where(level > 100, "bright", "dark")
    model = classify_rf.forest((3, 4, 4), n_estimators=20, min_samples_leaf=1, seed=0)
    assert model.fit(arrays[:40], labels[:40]).score(arrays[40:], labels[40:]) > 0.95


def test_scores_are_what_they_are_by_hand() -> None:
    labels, predicted = np.array(list("abbb")), np.array(list("abba"))
    train = np.array(list("abbc"))
    assert classify_rf.score_classes(labels, predicted, train) == pytest.approx(
        {"accuracy": 0.75, "macro_f1": (0.8 + 2 / 3) / 2, "majority_accuracy": 0.75, "n": 4}
    )


def test_metrics_are_those_of_the_saved_model_on_the_test_photos(ran: Path) -> None:
    metrics = json.loads((ran / "metrics/classify_rf.json").read_text(encoding="utf-8"))
    table = pq.read_table(ran / "data/merged/listings.parquet")
    table = table.filter(pc.is_valid(table["image_array"])).combine_chunks()
    split = table["split"].to_numpy()
    labels = table["category"].to_numpy().astype(str)
    arrays = table["image_array"].chunk(0).to_numpy_ndarray()
    test = split == "test"
    predicted = load_model(ran / "models/rf/model.skops").predict(arrays[test])
    scores = classify_rf.score_classes(labels[test], predicted, labels[split == "train"])
    assert metrics == {**scores, "seed": metrics["seed"]}
    assert 0 < scores["n"] == test.sum()


def test_workers_do_not_change_a_byte(ran: Path, run_stage: Callable, tmp_path: Path) -> None:
    for path in ("stages", "data/merged"):
        shutil.copytree(ran / path, tmp_path / path)
    shutil.copy(ran / "params.yaml", tmp_path)
    run_stage(tmp_path, "classify_rf", WORKERS="2")
    for path in ("models/rf/model.skops", "metrics/classify_rf.json"):
        assert (tmp_path / path).read_bytes() == (ran / path).read_bytes()
