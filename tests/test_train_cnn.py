"""Training: it learns, it draws the same whatever the workers, and it survives being killed."""

from __future__ import annotations

import json
import math
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
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.data import BatchSampler, Dataset, TensorDataset

import train_cnn
from shared.backbone import Classifier
from shared.photo_dataset import PhotoDataset
from shared.scores import loss_and_accuracy
from train_cnn import Checkpoint, Phase, Progress, deal, load_batches, run_phase

CPU = torch.device("cpu")
OUTS = [
    "metrics/train_cnn.json",
    "models/cnn/model.json",
    "models/cnn/model.safetensors",
    "plots/train_cnn.csv",
    "plots/train_cnn_confusion.csv",
]


# --- One phase ------------------------------------------------------------------------------------
def separable(n: int = 240) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 3
    noise = torch.randn(n, 8, generator=generator)
    signal = 4 * nn.functional.one_hot(labels, 8) + noise
    return TensorDataset(signal[:, :, None, None], labels)  # a photo of one pixel, in 8 colours


def train_linear(
    checkpoint: Checkpoint | None = None,
    epochs: int = 5,
    seed: int = 0,
    micro_batch: int = 16,
    **of_phase: Any,
):
    """Train a layer, from the checkpoint if it holds one; return (layer, history)."""
    torch.manual_seed(0)
    model, data = nn.Sequential(nn.Flatten(), nn.Linear(8, 3)), separable()
    phase = Phase(
        name="head",
        module=model,
        dataset=lambda epoch: data,
        evaluate=lambda module: loss_and_accuracy(
            train_cnn.predict_labels(module, data, 50), data.tensors[1].numpy()
        ),
        epochs=epochs,
        groups=[{"params": list(model.parameters()), "lr": 0.1}],
        weight_decay=1e-4,
        micro_batch=micro_batch,
        **of_phase,
    )
    checkpoint = checkpoint or Checkpoint(Path("none.pt"), math.inf)
    resumed = checkpoint.load()
    progress = Progress(**resumed["progress"]) if resumed else Progress()
    reported = list(progress.history)
    run_phase(
        phase,
        progress,
        resumed,
        checkpoint,
        reported.append,
        parents=np.arange(3),
        batch_size=16,
        momentum=0.9,
        label_smoothing=0.0,
        seed=seed,
    )
    assert reported == progress.history
    return model, progress.history


def accuracy_of(model: nn.Module) -> float:
    inputs, labels = separable().tensors
    return (model(inputs).argmax(1) == labels).float().mean().item()


def test_a_phase_learns_what_is_separable() -> None:
    model, history = train_linear()
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5]
    assert history[-1]["val_accuracy"] > 0.95 and history[-1]["train_accuracy"] > 0.95
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert history[-1]["val_accuracy"] == pytest.approx(accuracy_of(model))


def test_the_moving_average_is_the_result() -> None:
    plain, _ = train_linear()
    averaged, history = train_linear(average=0.9)
    assert averaged[1].weight.norm() < plain[1].weight.norm(), "it lags behind weights that grow"
    assert history[-1]["val_accuracy"] == pytest.approx(accuracy_of(averaged))


def test_mixed_photos_are_harder_to_learn() -> None:
    _, plain = train_linear()
    _, mixed = train_linear(mixup=1.0)
    assert mixed[-1]["train_loss"] > 2 * plain[-1]["train_loss"]
    assert mixed[-1]["val_accuracy"] > 0.9


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


def test_the_seed_fixes_every_weight() -> None:
    weights = [train_linear(epochs=2, seed=seed)[0].state_dict()["1.weight"] for seed in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("micro_batch", [5, 1, 100])
def test_the_parts_of_a_batch_add_up(micro_batch: int) -> None:
    whole, expected = train_linear()
    parts, history = train_linear(micro_batch=micro_batch)
    torch.testing.assert_close(parts.state_dict(), whole.state_dict(), rtol=1e-4, atol=1e-5)
    for figure in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
        assert [row[figure] for row in history] == pytest.approx([row[figure] for row in expected])


class Mortal(Checkpoint):
    """Saves after every step and dies after `steps` of them."""

    def __init__(self, path: Path, steps: float) -> None:
        super().__init__(path, 0)
        self.steps = steps

    def save(self, progress: Progress, **state: object) -> None:
        super().save(progress, **state)
        self.steps -= 1
        if self.steps == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("steps", [1, 14, 15, 16, 44, 75])
def test_a_phase_cut_short_anywhere_ends_the_same(tmp_path: Path, steps: int) -> None:
    how: dict[str, Any] = {"mixup": 0.2, "average": 0.9}
    with pytest.raises(KeyboardInterrupt):
        train_linear(Mortal(tmp_path / "checkpoint.pt", steps), **how)
    model, history = train_linear(Mortal(tmp_path / "checkpoint.pt", math.inf), **how)
    whole, expected = train_linear(**how)
    assert history == expected
    assert torch.equal(model.state_dict()["1.weight"], whole.state_dict()["1.weight"])


# --- Batches --------------------------------------------------------------------------------------
class Items(Dataset):
    """A dataset read item by item."""

    def __init__(self, data: TensorDataset) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        return self.data[index]


def test_batches_are_the_same_for_tensors_and_items() -> None:
    data = separable(50)
    order = np.random.default_rng(0).permutation(50)[:43].tolist()
    whole = list(load_batches(data, list(BatchSampler(order, 8, False)), CPU))
    single = list(load_batches(Items(data), list(BatchSampler(order, 8, False)), CPU))
    assert [len(labels) for _, labels in whole] == [8, 8, 8, 8, 8, 3]
    assert torch.equal(torch.cat([inputs for inputs, _ in whole]), data.tensors[0][order])
    for (inputs, labels), (other_inputs, other_labels) in zip(whole, single, strict=True):
        assert torch.equal(inputs, other_inputs) and torch.equal(labels, other_labels)


def test_loading_draws_nothing_from_the_trainings_generator() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(load_batches(Items(separable(8)), list(BatchSampler(list(range(8)), 4, False)), CPU))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("size", [1, 5, 6, 8, 9, 17])
def test_every_process_gets_parts_of_each_batch(size: int) -> None:
    batch = list(range(size))
    dealt = [deal(batch, 2, rank, 4) for rank in range(4)]
    assert all(dealt)
    working = min(4, -(-size // 2))
    counted = [position for part in dealt[:working] for position in part]
    assert sorted(counted) == batch, "none twice among those that count"
    whole = [tuple(batch[start : start + 2]) for start in range(0, size, 2)]
    for rank, mine in enumerate(dealt[:working]):
        parts = [tuple(part.tolist()) for part in torch.tensor(mine).split(2)]
        assert parts == whole[rank::4], "the same parts, whoever has them"


def decode(encoded: bytes) -> np.ndarray:
    return np.frombuffer(encoded, np.uint8).reshape(24, 24, 3)


def photo_dataset(seed: int = 0, epoch: int = 0) -> PhotoDataset:
    rng = np.random.default_rng(0)
    encoded = [rng.bytes(24 * 24 * 3) for _ in range(4)] * 3  # position 0, 4 and 8 are copies
    labels = np.arange(12) % 4
    return PhotoDataset(encoded, decode, np.arange(12), labels, train_cnn.augment(16), seed, epoch)


def augmented(order: list[int], seed: int = 0, epoch: int = 0) -> dict[int, torch.Tensor]:
    batches = list(
        load_batches(photo_dataset(seed, epoch), list(BatchSampler(order, 5, False)), CPU)
    )
    photos = torch.cat([photos for photos, _ in batches])
    assert torch.equal(torch.cat([labels for _, labels in batches]), torch.tensor(order) % 4)
    return dict(zip(order, photos, strict=True))


def test_what_a_photo_becomes_depends_on_no_worker_and_no_neighbour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = {position: photo_dataset()[position][0] for position in range(12)}
    for workers, order in (("0", list(range(12))), ("1", [7, 3, 11]), ("2", [11, *range(11)])):
        monkeypatch.setenv("LOADER_WORKERS", workers)
        torch.manual_seed(int(workers))
        for position, photo in augmented(order).items():
            assert torch.equal(photo, alone[position])


def test_each_seed_epoch_and_position_draws_anew() -> None:
    usual = augmented([0, 4])
    drawn = [usual[0], usual[4], augmented([0], epoch=1)[0], augmented([0], seed=1)[0]]
    assert {photo.shape for photo in drawn} == {(3, 16, 16)}
    assert {photo.dtype for photo in drawn} == {torch.uint8}
    different = {photo.numpy().tobytes() for photo in drawn}
    assert len(different) == 4


# --- Scores ---------------------------------------------------------------------------------------
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


def test_a_run_is_named_after_all_that_determines_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_text("one")
    key = train_cnn.run_key(folder, {"lr": 0.1})
    assert train_cnn.run_key(folder, {"lr": 0.1}) == key
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/a.pyc").write_text("compiled")
    assert train_cnn.run_key(folder, {"lr": 0.1}) == key
    assert train_cnn.run_key(folder, {"lr": 0.2}) != key
    (folder / "a").write_text("two")
    assert train_cnn.run_key(folder, {"lr": 0.1}) != key


# --- The sample, as a script ----------------------------------------------------------------------
def board(project: Path) -> EventAccumulator:
    """What TensorBoard reads of the only run."""
    (folder,) = (project / "runs/train_cnn").iterdir()
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
    (folder,) = (ran / "runs/train_cnn").iterdir()
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
    progress = Progress()
    phase = Phase(
        "finetune",
        model,
        lambda epoch: data,
        lambda module: loss_and_accuracy(
            train_cnn.predict_labels(module, data, 50), labels.numpy()
        ),
        epochs=2,
        groups=train_cnn.groups_by_depth(model, 0.01, frozen=0.25),
        weight_decay=1e-4,
        micro_batch=6,
        mixup=0.4,
        average=0.5,
        **of_phase,
    )
    run_phase(
        phase, progress, None, Checkpoint(Path("none.pt"), math.inf), lambda row: None,
        parents=np.arange(3), batch_size=20, momentum=0.9, label_smoothing=0.1, seed=0,
    )  # fmt: skip
    return model.blocks()[9][0].detach(), progress.history


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import json, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_train_cnn import CPU, train_cnn, train_network\n"
        "with train_cnn.process_group(CPU) as rank:\n"
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


def test_bfloat16_learns_the_same_within_its_rounding() -> None:
    _, exact = train_linear()
    _, rounded = train_linear(amp=True)
    assert rounded != exact
    assert rounded[-1]["val_accuracy"] > 0.95
    assert rounded[-1]["train_loss"] == pytest.approx(exact[-1]["train_loss"], rel=0.1)
