"""The network of photos: what it leaves behind, alone or in processes, also when it was killed."""

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
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import torch.distributed as dist
import yaml
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import TensorDataset

from market.models.backbones import Classifier
from market.models.metrics import loss_and_accuracy
from market.models.training import Phase, Progress, predict_labels, run_phase
from stages import train_cnn

OUTS = [
    "metrics/train_cnn.json",
    "models/cnn/model.json",
    "models/cnn/model.safetensors",
    "plots/train_cnn.csv",
    "plots/train_cnn_confusion.csv",
]


# --- Phases and scores ----------------------------------------------------------------------------
@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "efficientnet_lite2", "resnet50"])
def test_deeper_blocks_learn_faster_and_the_first_ones_not_at_all(backbone: str) -> None:
    model = Classifier(backbone, "none", 13)
    groups = train_cnn.groups_by_depth(model, 0.1, frozen=0.25)
    rates = [group["lr"] for group in groups]
    assert rates == sorted(rates) and rates[-1] == rates[-2] == pytest.approx(0.1)
    blocks = model.blocks()
    assert sum(map(len, blocks)) == len(list(model.backbone.parameters())), "each weight once"
    still = [weight for weight in model.backbone.parameters() if not weight.requires_grad]
    assert len(groups) == len(blocks) - round(0.25 * len(blocks)) + 1
    learned = {id(weight) for group in groups for weight in group["params"]}
    assert still and not learned & {id(weight) for weight in still}
    assert len(learned) + len(still) == len(list(model.parameters()))


def test_a_product_is_judged_by_the_mean_of_its_photos() -> None:
    # Product b: one photo is barely wrong, the other surely right.
    probabilities = np.array([[0.9, 0.1], [0.45, 0.55], [0.95, 0.05], [0.2, 0.8]])
    labels = np.array([0, 0, 0, 0])
    products = pd.Series(["a", "b", "b", "c"])
    scores = train_cnn.summarise(labels, probabilities, products)
    assert (scores["accuracy"], scores["n"]) == (0.5, 4)
    assert scores["per_product"]["accuracy"] == pytest.approx(2 / 3)
    assert scores["per_product"]["n"] == 3
    assert scores["loss"] == pytest.approx(-np.log(probabilities[:, 0]).mean(), rel=1e-5)
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


# --- The sample, as a script ----------------------------------------------------------------------
def board(project: Path) -> EventAccumulator:
    """What TensorBoard reads of the only run."""
    (folder,) = (project / "runs/sample/workspace/train_cnn").iterdir()
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def scalars(project: Path) -> dict[str, list[tuple[int, float]]]:
    events = board(project)
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_metrics_hold_loss_and_accuracy_beside_a_baseline(ran: Path) -> None:
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
    of = {split: rows["category"] for split, rows in listings.groupby("split")}
    counts = of["train"].value_counts()
    commonest = sorted(counts.index[counts == counts.max()])[0]
    assert metrics["majority_accuracy"] == pytest.approx((of["test"] == commonest).mean())


def test_every_epoch_has_a_row_in_the_plot_and_in_tensorboard(ran: Path) -> None:
    plot = pd.read_csv(ran / "plots/train_cnn.csv")
    assert plot["epoch"].tolist() == [1, 2, 3, 4]
    assert plot["phase"].tolist() == ["head"] * 3 + ["finetune"]
    shown = scalars(ran)
    assert set(shown) == {
        f"{what}/{of}" for what in ("loss", "accuracy") for of in ("train", "val")
    }
    for tag, values in shown.items():
        what, of = tag.split("/")
        assert [step for step, _ in values] == [1, 2, 3, 4]
        assert [value for _, value in values] == pytest.approx(plot[f"{of}_{what}"], abs=1e-5)


def test_tensorboard_has_the_graph_the_photos_and_the_mistakes(ran: Path) -> None:
    events = board(ran)
    assert len(events.Graph().node) > 100
    found = pd.read_parquet(ran / "data/cnn/probabilities.parquet")
    found = found[found["split"] == "val"]
    products = pd.read_parquet(ran / "data/clean/products.parquet").set_index("product_id")
    seller = products["category"].loc[found["product_id"]].to_numpy()
    answers = found.drop(columns=["product_id", "photo_index", "split"])
    wrong = answers[seller != answers.idxmax(axis=1).to_numpy()].max(axis=1).sort_values()[::-1]
    titles = sorted(events.Tags()["images"])
    assert len(titles) == min(len(wrong), train_cnn.MISTAKES) > 0
    for title, confidence in zip(titles, wrong, strict=False):
        assert title.startswith("mistakes/") and title.endswith(f"{confidence:.0%}")
    (folder,) = (ran / "runs/sample/workspace/train_cnn").iterdir()
    config = (folder / "projector_config.pbtxt").read_text(encoding="utf-8")
    shown = folder / re.findall(r'tensor_path: "(.+)/tensors.tsv"', config)[0]
    vectors = np.loadtxt(shown / "tensors.tsv")
    assert vectors.shape == (len(found), 1280)
    table = pd.read_csv(shown / "metadata.tsv", sep="\t")
    features = np.load(ran / "data/embeddings/photo.npy")[found["photo_index"]]
    # Whose photo each is: a vector and its labels belong together, whatever their order.
    for vector, of in zip(vectors, table.itertuples(index=False), strict=True):
        place = np.abs(features - vector).max(axis=1).argmin()
        np.testing.assert_allclose(vector, features[place], atol=1e-3)
        assert tuple(of) == (seller[place], answers.columns[answers.to_numpy()[place].argmax()])
    with Image.open(shown / "sprite.png") as sprite:
        across = sprite.width // train_cnn.THUMBNAIL
    assert across**2 >= len(found) > (across - 1) ** 2


def test_the_confusion_plot_is_that_of_the_metrics(ran: Path) -> None:
    metrics = json.loads((ran / "metrics/train_cnn.json").read_text(encoding="utf-8"))
    plot = pd.read_csv(ran / "plots/train_cnn_confusion.csv")
    assert len(plot) == metrics["test"]["n"]
    assert (plot["actual"] == plot["predicted"]).mean() == pytest.approx(
        metrics["test"]["accuracy"]
    )


def test_the_saved_network_is_complete(ran: Path) -> None:
    about = json.loads((ran / "models/cnn/model.json").read_text(encoding="utf-8"))
    assert len(about["classes"]) == 13 and about["classes"] == sorted(about["classes"])
    assert [name.split(" / ")[0] for name in about["labels"]] == [
        about["classes"][parent] for parent in about["parents"]
    ]
    outputs = len(about["labels"])
    model = Classifier.load(ran / "models/cnn/model.safetensors", about["backbone"])
    assert model.head.out_features == outputs
    pretrained = Classifier(about["backbone"], "pretrained", outputs).state_dict()
    for name, tuned in (("_conv_stem.weight", False), ("_conv_head.weight", True)):
        name = f"backbone.{name}"
        assert torch.equal(model.state_dict()[name], pretrained[name]) != tuned


def test_a_split_by_photo_stands_beside_the_honest_one(ran: Path) -> None:
    metrics = json.loads((ran / "metrics/train_cnn.json").read_text(encoding="utf-8"))
    assert set(metrics["new_layer"]) == {"test_accuracy", "test_accuracy_if_split_by_photo"}
    for scores in metrics["new_layer"].values():
        assert scores["seeds"] == 3 and 0 < scores["mean"] < 1 and scores["std"] >= 0


def test_photos_are_dealt_out_whosever_they_are() -> None:
    train, test = np.arange(0, 20), np.arange(20, 30)
    new_train, new_test = train_cnn.split_by_photo(train, test, seed=0)
    assert (len(new_train), len(new_test)) == (20, 10)
    assert sorted([*new_train, *new_test]) == list(range(30))
    assert set(new_test) != set(test)


def test_random_weights_are_those_that_embed_computed_with(
    ran: Path, run_stage: Callable, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(ran, project, ignore=shutil.ignore_patterns("raw", "models", "plots", "runs"))
    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    changes = {"weights": "none", "seed": 7, "epochs": 1, "finetune_epochs": 0}
    params["train"] |= changes
    params["embed"]["seed"] = 8
    (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    weights = {}
    for stage, folder in (("embed", "embed"), ("train_cnn", "cnn")):
        run_stage(project, stage)
        state = load_file(project / f"models/{folder}/model.safetensors")
        weights[stage] = {name: of for name, of in state.items() if name.startswith("backbone.")}
    assert len(weights["embed"]) > 100 and weights["embed"].keys() == weights["train_cnn"].keys()
    for name, of in weights["embed"].items():
        assert torch.equal(of, weights["train_cnn"][name]), name


def test_nothing_is_left_to_go_on_from(ran: Path) -> None:
    assert not list((ran / "runs").rglob("*.pt"))


@pytest.fixture
def killed(ran: Path, tmp_path: Path) -> Path:
    """A project whose training was killed in its second phase."""
    project = tmp_path / "project"
    shutil.copytree(ran, project, ignore=shutil.ignore_patterns("raw", "models", "plots", "runs"))
    (project / "metrics/train_cnn.json").unlink()
    script = subprocess.Popen(
        [sys.executable, "stages/train_cnn.py"],
        cwd=project,
        env={**os.environ, "CHECKPOINT_SECONDS": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(12_000):
            found = list((project / "runs").rglob("*.pt"))
            # Of the first phase it holds a layer, of the second a network.
            if found and found[0].stat().st_size > 5e6:
                break
            assert script.poll() is None, "ended before it could be killed"
            time.sleep(0.01)
    finally:
        script.send_signal(signal.SIGKILL)
        script.wait()
    assert not any((project / out).exists() for out in OUTS)
    return project


def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(
    ran: Path, killed: Path, run_stage: Callable
) -> None:
    (checkpoint,) = (killed / "runs").rglob("*.pt")
    progress = torch.load(checkpoint, weights_only=True)["progress"]
    assert (progress["phase"], len(progress["history"])) == ("finetune", 3)
    assert progress["step"] > 0 and progress["labels"]
    resumed = run_stage(killed, "train_cnn")
    assert f"going on from {checkpoint.relative_to(killed)}: finetune, epoch 1" in resumed.stdout
    for out in OUTS:
        assert (killed / out).read_bytes() == (ran / out).read_bytes(), out
    assert scalars(killed) == scalars(ran)
    assert not checkpoint.exists()


def test_a_run_is_named_after_dataset_and_experiment(
    ran: Path, killed: Path, run_stage: Callable, tmp_path: Path
) -> None:
    (killed / "params.yaml").write_text(
        (killed / "params.yaml").read_text("utf-8").replace("dataset: sample", "dataset: mine"),
        encoding="utf-8",
    )
    project = tmp_path / "project-of-the-queue"
    environment = {"DVC_EXP_NAME": "bold-oaks", "DVC_ROOT": str(project)}
    resumed = run_stage(killed, "train_cnn", **environment)
    assert "going on from" in resumed.stdout, "neither name is among what determines a training"
    (folder,) = (project / "runs/mine/bold-oaks/train_cnn").iterdir()
    events = EventAccumulator(str(folder))
    events.Reload()
    # The epochs before the interruption too, which had the name "workspace".
    assert [event.step for event in events.Scalars("loss/val")] == [1, 2, 3, 4]
    for out in OUTS:
        assert (killed / out).read_bytes() == (ran / out).read_bytes(), out


def test_a_training_with_other_params_starts_afresh(killed: Path, run_stage: Callable) -> None:
    params = yaml.safe_load((killed / "params.yaml").read_text(encoding="utf-8"))
    params["train"]["finetune_epochs"] = 0
    (killed / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    assert "going on from" not in run_stage(killed, "train_cnn").stdout
    assert pd.read_csv(killed / "plots/train_cnn.csv")["phase"].tolist() == ["head"] * 3
    metrics = json.loads((killed / "metrics/train_cnn.json").read_text(encoding="utf-8"))
    assert metrics["finetune_epochs"] == 0 and metrics["test"]["n"] > 0
    weights = load_file(killed / "models/cnn/model.safetensors")
    pretrained = Classifier("efficientnet_lite0", "pretrained", 13).state_dict()
    for name in ("_conv_stem.weight", "_bn1.running_var"):
        assert torch.equal(weights[f"backbone.{name}"], pretrained[f"backbone.{name}"])
    assert len(list((killed / "runs").rglob("*.pt"))) == 1, "the other one's checkpoint"


# --- Several processes ----------------------------------------------------------------------------
def torchrun(script: Path, folder: Path, processes: int = 2) -> None:
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone",
         "--nproc-per-node", str(processes), str(script)],
        cwd=folder, check=True, capture_output=True, timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


def train_network(**of_phase: Any) -> tuple[torch.Tensor, list[dict[str, Any]]]:
    """Fine-tune a network on small squares of three colours, with all that is drawn at random;
    return weights of its middle and the history."""
    labels = torch.arange(44) % 3
    noise = torch.randint(0, 60, (44, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    data = TensorDataset((noise + 150 * torch.eye(3)[labels][:, :, None, None]).byte(), labels)
    torch.manual_seed(0)
    model = Classifier("efficientnet_lite0", "pretrained", 3)

    def evaluate(module: Any) -> dict[str, float]:
        shared = dist.is_initialized()
        found = predict_labels(module.for_inference(), data, 50, shared=shared)
        return loss_and_accuracy(found, labels.numpy())

    phase = Phase(
        name="finetune",
        module=model,
        dataset=lambda epoch: data,
        parents=np.arange(3),
        evaluate=evaluate,
        epochs=2,
        batch_size=20,
        micro_batch=6,
        groups=train_cnn.groups_by_depth(model, 0.01, frozen=0.25),
        momentum=0.9,
        weight_decay=1e-4,
        label_smoothing=0.1,
        mixup=0.4,
        average=0.5,
        seed=0,
        **of_phase,
    )
    progress = Progress(phase.name)
    run_phase(phase, progress)
    return model.blocks()[9][0].detach(), progress.history


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import json, sys, torch\n"
        "import runpy\n"
        f"train_network = runpy.run_path({__file__!r})['train_network']\n"
        "from market.models.training import process_group\n"
        "with process_group(torch.device('cpu')) as rank:\n"
        "    weights, history = train_network(shared=True)\n"
        "    if rank == 0:\n"
        "        json.dump([weights.tolist(), history], open('result.json', 'w'))\n"
    )
    torchrun(script, tmp_path)
    weights, history = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    expected_weights, expected = train_network()
    np.testing.assert_allclose(weights, expected_weights.numpy(), rtol=1e-5, atol=1e-6)
    pd.testing.assert_frame_equal(pd.DataFrame(history), pd.DataFrame(expected), rtol=1e-4)


@pytest.fixture
def two_parts(ran: Path, tmp_path: Path) -> Path:
    """A project whose batches have work for two processes."""
    project = tmp_path / "project"
    shutil.copytree(ran, project, ignore=shutil.ignore_patterns("raw", "models", "plots", "runs"))
    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    params["train"] |= {"batch_size": 64, "finetune_epochs": 4}
    (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    return project


@pytest.mark.campaign
def test_the_stage_learns_the_same_in_two_processes(two_parts: Path, run_stage: Callable) -> None:
    run_stage(two_parts, "train_cnn")
    one = pd.read_csv(two_parts / "plots/train_cnn.csv")
    expected = json.loads((two_parts / "metrics/train_cnn.json").read_text(encoding="utf-8"))
    shutil.rmtree(two_parts / "runs")
    torchrun(two_parts / "stages/train_cnn.py", two_parts)
    two = pd.read_csv(two_parts / "plots/train_cnn.csv")
    print(two[two["phase"] == "finetune"].compare(one[one["phase"] == "finetune"]))
    pd.testing.assert_frame_equal(two, one, rtol=1e-4)
    metrics = json.loads((two_parts / "metrics/train_cnn.json").read_text(encoding="utf-8"))
    for split in ("train", "val", "test"):
        assert metrics[split]["loss"] == pytest.approx(expected[split]["loss"], rel=1e-4)
        assert metrics[split]["accuracy"] == expected[split]["accuracy"]
    assert len(scalars(two_parts)) == 4 and not list((two_parts / "runs").rglob("*.pt"))


@pytest.mark.campaign
def test_more_processes_than_parts_are_refused(two_parts: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        torchrun(two_parts / "stages/train_cnn.py", two_parts, processes=3)
    assert "train.batch_size, 64, has work for 2 processes" in refused.value.stderr.decode()
    assert not (two_parts / "models").exists()


# --- Few photos -----------------------------------------------------------------------------------
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
def test_without_photos_to_judge_by_it_is_skipped(
    without_photos: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(without_photos)
    answer = CliRunner().invoke(importlib.import_module(name).main, catch_exceptions=False)
    assert answer.exit_code == 0 and "0 test" in answer.output
    metrics = json.loads(Path(f"metrics/{name}.json").read_text(encoding="utf-8"))
    assert metrics["n"] == 0 and "0 test" in metrics["skipped"]
    if name == "train_cnn":
        assert pd.read_parquet("data/cnn/probabilities.parquet").empty
        about = json.loads(Path("models/cnn/model.json").read_text(encoding="utf-8"))
        model = Classifier.load(Path("models/cnn/model.safetensors"), about["backbone"])
        assert not any(weight.any() for weight in model.head.parameters())
