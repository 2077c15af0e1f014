"""Stage classify_rf: its metrics describe the saved forest; workers do not change it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from market.models.metrics import majority_accuracy, score_labels
from market.models.random_forest import RandomForest


def test_metrics_describe_the_saved_forest_on_the_test_photos(ran: Path) -> None:
    metrics = json.loads((ran / "metrics/classify_rf.json").read_text(encoding="utf-8"))
    table = pq.read_table(ran / "data/merged/listings.parquet")
    table = table.filter(pc.is_valid(table["image_array"])).combine_chunks()
    split = table["split"].to_numpy()
    categories = table["category"].to_numpy().astype(str)
    pixels = table["image_array"].chunk(0).to_numpy_ndarray()
    test = split == "test"
    predicted = RandomForest.load(ran / "models/rf").predict(pixels[test])
    assert metrics == {
        **score_labels(categories[test], predicted),
        "majority_accuracy": majority_accuracy(categories[split == "train"], categories[test]),
        "seed": metrics["seed"],
    }
    assert 0 < metrics["n"] == test.sum()


def test_workers_do_not_change_a_byte(ran: Path, run_stage: Callable, tmp_path: Path) -> None:
    for path in ("stages", "data/merged"):
        shutil.copytree(ran / path, tmp_path / path)
    shutil.copy(ran / "params.yaml", tmp_path)
    run_stage(tmp_path, "classify_rf", WORKERS="2")
    for path in ("models/rf/model.skops", "metrics/classify_rf.json"):
        assert (tmp_path / path).read_bytes() == (ran / path).read_bytes()
