"""Training of the photo classifier: its outputs, and resuming after an interruption."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from market.models import tensorboard
from market.models.backbones import PhotoNetwork
from market.models.photo_classifier import PhotoClassifier

OUTS = [
    "metrics/train_cnn.json",
    "models/cnn/model.json",
    "models/cnn/model.safetensors",
    "plots/train_cnn.csv",
    "plots/train_cnn_confusion.csv",
]


# --- Outputs ----------------------------------------------------------------------
def board(project: Path, names: str = "sample/workspace") -> EventAccumulator:
    """Return the events of the only run in TensorBoard, of a dataset and an experiment."""
    (folder,) = (project / "runs" / names / "train_cnn").iterdir()
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def scalars(project: Path, names: str = "sample/workspace") -> dict[str, list[tuple[int, float]]]:
    events = board(project, names)
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_metrics_hold_loss_accuracy_and_a_baseline(ran: Path) -> None:
    metrics = json.loads((ran / "metrics/train_cnn.json").read_text(encoding="utf-8"))
    listings = pd.read_parquet(
        ran / "data/merged/listings.parquet", columns=["photo_index", "split", "category"]
    ).dropna(subset="photo_index")
    for split in ("train", "val", "test"):
        assert {"accuracy", "macro_f1", "loss", "n"} <= set(metrics[split])
        assert metrics[split]["n"] == (listings["split"] == split).sum()
    assert (metrics["epochs"], metrics["finetune_epochs"]) == (3, 1)
    assert isinstance(metrics["seed"], int)
    assert metrics["backbone"] == "efficientnet_lite0"
    categories = {split: rows["category"] for split, rows in listings.groupby("split")}
    counts = categories["train"].value_counts()
    majority = sorted(counts.index[counts == counts.max()])[0]
    assert metrics["majority_accuracy"] == pytest.approx((categories["test"] == majority).mean())


def test_every_epoch_has_a_row_in_the_plot_and_in_tensorboard(ran: Path) -> None:
    plot = pd.read_csv(ran / "plots/train_cnn.csv")
    assert plot["epoch"].tolist() == [1, 2, 3, 4]
    assert plot["phase"].tolist() == ["head"] * 3 + ["finetune"]
    curves = scalars(ran)
    assert set(curves) == {
        f"{measure}/{split}" for measure in ("loss", "accuracy") for split in ("train", "val")
    }
    for tag, values in curves.items():
        measure, split = tag.split("/")
        assert [step for step, _ in values] == [1, 2, 3, 4]
        assert [value for _, value in values] == pytest.approx(plot[f"{split}_{measure}"], abs=1e-5)


def test_tensorboard_has_the_graph_the_photos_and_the_mistakes(ran: Path) -> None:
    events = board(ran)
    assert len(events.Graph().node) > 100
    photos = pd.read_parquet(ran / "data/cnn/probabilities.parquet")
    photos = photos[photos["split"] == "val"]
    products = pd.read_parquet(ran / "data/clean/products.parquet").set_index("product_id")
    seller = products["category"].loc[photos["product_id"]].to_numpy()
    probabilities = photos.drop(columns=["product_id", "photo_index", "split"])
    wrong = (
        probabilities[seller != probabilities.idxmax(axis=1).to_numpy()]
        .max(axis=1)
        .sort_values()[::-1]
    )
    titles = sorted(events.Tags()["images"])
    assert len(titles) == min(len(wrong), tensorboard.MISTAKES) > 0
    for title, confidence in zip(titles, wrong, strict=False):
        assert title.startswith("mistakes/") and title.endswith(f"{confidence:.0%}")
    (folder,) = (ran / "runs/sample/workspace/train_cnn").iterdir()
    config = (folder / "projector_config.pbtxt").read_text(encoding="utf-8")
    projector = folder / re.findall(r'tensor_path: "(.+)/tensors.tsv"', config)[0]
    vectors = np.loadtxt(projector / "tensors.tsv")
    assert vectors.shape == (len(photos), 1280)
    table = pd.read_csv(projector / "metadata.tsv", sep="\t")
    features = np.load(ran / "data/embeddings/photo.npy")[photos["photo_index"]]
    # A vector and its labels belong together, whatever their order.
    for vector, labels in zip(vectors, table.itertuples(index=False), strict=True):
        place = np.abs(features - vector).max(axis=1).argmin()
        np.testing.assert_allclose(vector, features[place], atol=1e-3)
        predicted = probabilities.columns[probabilities.to_numpy()[place].argmax()]
        assert tuple(labels) == (seller[place], predicted)
    with Image.open(projector / "sprite.png") as sprite:
        across = sprite.width // tensorboard.THUMBNAIL
    assert across**2 >= len(photos) > (across - 1) ** 2


def test_the_confusion_plot_agrees_with_the_metrics(ran: Path) -> None:
    metrics = json.loads((ran / "metrics/train_cnn.json").read_text(encoding="utf-8"))
    plot = pd.read_csv(ran / "plots/train_cnn_confusion.csv")
    assert len(plot) == metrics["test"]["n"]
    assert (plot["actual"] == plot["predicted"]).mean() == pytest.approx(
        metrics["test"]["accuracy"]
    )


def test_the_saved_classifier_is_complete(ran: Path) -> None:
    classifier = PhotoClassifier.load(ran / "models/cnn")
    assert len(classifier.categories) == 13
    assert classifier.categories == sorted(classifier.categories)
    assert [name.split(" / ")[0] for name in classifier.labels] == [
        classifier.categories[parent] for parent in classifier.parents
    ]
    assert classifier.network.head.out_features == len(classifier.labels)
    assert classifier.finetuned and classifier.photo_size == 64


def test_fine_tuning_changes_the_whole_network(ran: Path) -> None:
    weights = load_file(ran / "models/cnn/model.safetensors")
    pretrained = PhotoNetwork("efficientnet_lite0", "pretrained", 13).state_dict()
    for name in ("_conv_stem.weight", "_conv_head.weight"):
        assert not torch.equal(weights[f"backbone.{name}"], pretrained[f"backbone.{name}"])


def test_metrics_hold_the_accuracy_after_a_split_by_photo(ran: Path) -> None:
    metrics = json.loads((ran / "metrics/train_cnn.json").read_text(encoding="utf-8"))
    assert set(metrics["new_layer"]) == {"test_accuracy", "test_accuracy_if_split_by_photo"}
    for scores in metrics["new_layer"].values():
        assert scores["seeds"] == 3 and 0 < scores["mean"] < 1 and scores["std"] >= 0


def test_random_weights_equal_those_of_the_embedding(
    ran: Path, invoke_stage: Callable, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(ran, project, ignore=shutil.ignore_patterns("raw", "models", "plots", "runs"))
    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    changes = {"weights": "none", "seed": 7, "epochs": 1, "finetune_epochs": 0}
    params["train"] |= changes
    params["embed_photos"]["seed"] = 8
    (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    weights = {}
    for stage, folder in (("embed_photos", "embed"), ("train_cnn", "cnn")):
        invoke_stage(project, stage)
        state = load_file(project / f"models/{folder}/model.safetensors")
        weights[folder] = {
            name: weight for name, weight in state.items() if name.startswith("backbone.")
        }
    assert len(weights["embed"]) > 100 and weights["embed"].keys() == weights["cnn"].keys()
    for name, weight in weights["embed"].items():
        assert torch.equal(weight, weights["cnn"][name]), name


def test_a_finished_training_leaves_no_checkpoint(ran: Path) -> None:
    assert not list((ran / "runs").rglob("*.pt"))


@pytest.fixture
def killed(ran: Path, once: Callable[..., Path], tmp_path: Path) -> Path:
    """Return a copy of a project whose training was killed while fine-tuning."""

    def build(project: Path) -> None:
        shutil.copytree(
            ran, project, ignore=shutil.ignore_patterns("raw", "models", "plots", "runs")
        )
        (project / "metrics/train_cnn.json").unlink()
        kill_training(project)
        assert not any((project / out).exists() for out in OUTS)

    return shutil.copytree(once("killed_train_cnn", build), tmp_path / "project")


def kill_training(project: Path) -> None:
    script = subprocess.Popen(
        [sys.executable, "stages/train_cnn.py"],
        cwd=project,
        env={**os.environ, "CHECKPOINT_SECONDS": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(12_000):
            checkpoints = list((project / "runs").rglob("*.pt"))
            # In the first phase the checkpoint holds a layer, in the second a network.
            if checkpoints and checkpoints[0].stat().st_size > 5e6:
                break
            assert script.poll() is None, "ended before it could be killed"
            time.sleep(0.01)
    finally:
        script.send_signal(signal.SIGKILL)
        script.wait()


def test_a_killed_training_resumes_under_other_names_and_ends_with_the_same_bytes(
    ran: Path, killed: Path, invoke_stage: Callable, tmp_path: Path
) -> None:
    """Dataset and experiment name the folder of TensorBoard; they do not determine a training."""
    (checkpoint,) = (killed / "runs").rglob("*.pt")
    progress = torch.load(checkpoint, weights_only=True)["progress"]
    assert (progress["phase"], len(progress["history"])) == ("finetune", 3)
    assert progress["step"] > 0 and progress["labels"]
    params = (killed / "params.yaml").read_text("utf-8")
    (killed / "params.yaml").write_text(
        params.replace("dataset: sample", "dataset: mine"), encoding="utf-8"
    )
    queue = tmp_path / "project-of-the-queue"
    resumed = invoke_stage(killed, "train_cnn", DVC_EXP_NAME="bold-oaks", DVC_ROOT=str(queue))
    assert f"resuming from {checkpoint.relative_to(killed)}: finetune, epoch 1" in resumed.stdout
    for out in OUTS:
        assert (killed / out).read_bytes() == (ran / out).read_bytes(), out
    # Also the epochs before the interruption, under the name "workspace".
    assert scalars(queue, "mine/bold-oaks") == scalars(ran)
    assert not checkpoint.exists()


def test_a_training_with_other_params_does_not_resume(killed: Path, invoke_stage: Callable) -> None:
    params = yaml.safe_load((killed / "params.yaml").read_text(encoding="utf-8"))
    params["train"]["finetune_epochs"] = 0
    (killed / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    assert "resuming from" not in invoke_stage(killed, "train_cnn").stdout
    assert pd.read_csv(killed / "plots/train_cnn.csv")["phase"].tolist() == ["head"] * 3
    metrics = json.loads((killed / "metrics/train_cnn.json").read_text(encoding="utf-8"))
    assert metrics["finetune_epochs"] == 0 and metrics["test"]["n"] > 0
    weights = load_file(killed / "models/cnn/model.safetensors")
    pretrained = PhotoNetwork("efficientnet_lite0", "pretrained", 13).state_dict()
    for name in ("_conv_stem.weight", "_bn1.running_var"):
        assert torch.equal(weights[f"backbone.{name}"], pretrained[f"backbone.{name}"])
    assert len(list((killed / "runs").rglob("*.pt"))) == 1, "that of the killed training"


# --- No photos -----------------------------------------------------------------------------------
@pytest.fixture
def without_photos(ran: Path, tmp_path: Path) -> Path:
    """A project whose listings have lost their validation photos."""
    for name in ("data/clean/photos", "data/embeddings", "data/merged", "params.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ran / name).is_dir() else shutil.copy
        copy(ran / name, tmp_path / name)
    path = tmp_path / "data/merged/listings.parquet"
    table = pq.read_table(path)
    listings = table.drop_columns(["image_array"]).to_pandas()
    lost = listings["split"].ne("train")
    listings.loc[lost, "photo_index"] = pd.NA
    pq.write_table(
        pa.Table.from_pandas(listings, preserve_index=False).append_column(
            table.schema.field("image_array"),
            pa.nulls(len(listings), table.schema.field("image_array").type),
        ),
        path,
    )
    return tmp_path


@pytest.mark.parametrize("name", ["train_cnn", "classify_rf"])
def test_without_validation_and_test_photos_training_is_skipped(
    without_photos: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(without_photos)
    result = CliRunner().invoke(
        importlib.import_module(f"stages.{name}").main, catch_exceptions=False
    )
    assert result.exit_code == 0 and "0 test" in result.output
    metrics = json.loads(Path(f"metrics/{name}.json").read_text(encoding="utf-8"))
    assert metrics["n"] == 0 and "0 test" in metrics["skipped"]
    if name == "train_cnn":
        assert pd.read_parquet("data/cnn/probabilities.parquet").empty
        network = PhotoClassifier.load(Path("models/cnn")).network
        assert not any(weight.any() for weight in network.head.parameters())
