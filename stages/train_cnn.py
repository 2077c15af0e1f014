"""Predict the category from the photo by transfer learning: a new layer, then the whole network.

In:  data/merged/listings.parquet, data/clean/photos, data/embeddings.
Out: models/cnn/ (model.safetensors, model.json), metrics/train_cnn.json, plots/train_cnn.csv (loss
     and accuracy of every epoch), plots/train_cnn_confusion.csv, data/cnn/probabilities.parquet (of
     each validation and test photo); TensorBoard in runs/.

An interrupted run goes on from runs/checkpoints/ when started again with the same data, code and
params, and ends with the same bytes. CHECKPOINT_SECONDS (60) and LOADER_WORKERS (1) are environment
variables.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from sklearn.metrics import accuracy_score, f1_score
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, TensorDataset
from torch.utils.tensorboard import SummaryWriter
from torchvision.transforms import v2
from tqdm import tqdm

from shared.atomic import replace_when_done, write_json
from shared.backbone import Classifier
from shared.inputs import require
from shared.params import load_params
from shared.photo_dataset import PhotoDataset
from shared.photo_store import PhotoStore, open_photo
from shared.torch_setup import set_up_torch

LISTINGS = Path("data/merged/listings.parquet")
PHOTOS = Path("data/clean/photos")
FEATURES = Path("data/embeddings/photo.npy")
OUT = Path("models/cnn")
PROBABILITIES = Path("data/cnn/probabilities.parquet")
RUNS = Path("runs")

# 128 photos at once take 12 GB, and are no faster on two cores.
PHOTOS_AT_ONCE = 32
WARM_UP = 0.1  # share of a phase's steps in which the learning rate rises


@dataclass
class Progress:
    """Where a training stands: with the weights and the optimizer, all that a checkpoint holds."""

    phase: str = "head"
    epoch: int = 0
    step: int = 0
    loss: float = 0.0  # summed over the photos of this epoch so far
    predicted: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)

    def start_epoch(self, epoch: int) -> None:
        self.epoch, self.step, self.loss, self.predicted, self.labels = epoch, 0, 0.0, [], []


class Checkpoint:
    """Saves a training every so many seconds under a name made of all that determines it."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.path, self.seconds, self.saved_at = path, seconds, time.monotonic()

    def load(self) -> dict[str, Any] | None:
        if not self.path.exists():
            return None
        return torch.load(self.path, map_location="cpu", weights_only=True)

    def save(self, progress: Progress, **state: Any) -> None:
        if time.monotonic() - self.saved_at < self.seconds:
            return
        content = {"progress": asdict(progress), "rng": torch.get_rng_state(), **state}
        with replace_when_done(self.path) as temporary:
            torch.save(content, temporary)
        self.saved_at = time.monotonic()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


@dataclass
class Phase:
    """One of the two parts of a training: what learns, from which dataset, how fast."""

    name: str
    module: nn.Module
    dataset: Callable[[int], Dataset]  # of an epoch: its augmentation is drawn anew
    evaluate: Callable[[], dict[str, float]]  # loss and accuracy on the validation products
    epochs: int
    lr: float
    weight_decay: float
    micro_batch: int  # a batch's gradient is summed up from parts of this many


def run_phase(
    phase: Phase,
    progress: Progress,
    resumed: dict[str, Any] | None,
    checkpoint: Checkpoint,
    report: Callable[[dict[str, Any]], None],
    *,
    batch_size: int,
    momentum: float,
    label_smoothing: float,
    seed: int,
) -> None:
    """Train `phase.module` by SGD on cross-entropy from where `progress` stands to its end.

    Appends to `progress.history` a row for each epoch: the train figures are those of the batches
    as they were learned from (augmented, before their step), the val figures those at its end.
    `phase.epochs` is at least 1.
    """
    examples = len(phase.dataset(0))  # type: ignore[arg-type]
    steps = -(-examples // batch_size)
    device = next(phase.module.parameters()).device
    optimizer = torch.optim.SGD(
        phase.module.parameters(),
        phase.lr,
        momentum,
        weight_decay=phase.weight_decay,
        nesterov=True,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, phase.lr, phase.epochs * steps, pct_start=WARM_UP, cycle_momentum=False
    )
    if resumed is not None:
        phase.module.load_state_dict(resumed["module"])
        optimizer.load_state_dict(resumed["optimizer"])
        schedule.load_state_dict(resumed["schedule"])
        torch.set_rng_state(resumed["rng"])
    loss_of = nn.CrossEntropyLoss(label_smoothing=label_smoothing, reduction="sum")
    bar = tqdm(total=phase.epochs * steps, desc=phase.name, unit="step", disable=None)
    bar.update(progress.epoch * steps + progress.step)
    for epoch in range(progress.epoch, phase.epochs):
        if epoch != progress.epoch or resumed is None:
            progress.start_epoch(epoch)
            torch.manual_seed(_seed(seed, phase.name, epoch))
        phase.module.train()
        order = np.random.default_rng(_seed(seed, phase.name, epoch, "order")).permutation(examples)
        rest = order[progress.step * batch_size :].tolist()
        for inputs, labels in load_batches(phase.dataset(epoch), rest, batch_size):
            inputs, labels = inputs.to(device), labels.to(device)
            optimizer.zero_grad(set_to_none=True)
            for some, some_labels in zip(
                inputs.split(phase.micro_batch), labels.split(phase.micro_batch), strict=True
            ):
                logits = phase.module(some)
                loss = loss_of(logits, some_labels)
                (loss / len(labels)).backward()
                progress.loss += loss.item()
                progress.predicted += logits.detach().argmax(1).tolist()
            progress.labels += labels.tolist()
            optimizer.step()
            schedule.step()
            progress.step += 1
            bar.update()
            checkpoint.save(
                progress,
                module=phase.module.state_dict(),
                optimizer=optimizer.state_dict(),
                schedule=schedule.state_dict(),
            )
        resumed = None
        row = {
            "epoch": len(progress.history) + 1,
            "phase": phase.name,
            "train_loss": progress.loss / examples,
            "train_accuracy": accuracy_score(progress.labels, progress.predicted),
            **{f"val_{name}": value for name, value in phase.evaluate().items()},
        }
        progress.history.append(row)
        report(row)
    bar.close()


def _seed(*parts: int | str) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")


def load_batches(dataset: Dataset, order: list[int], batch_size: int) -> Iterator:
    """Batches of a dataset in a given order; whole batches at once where it is all tensors."""
    if isinstance(dataset, TensorDataset):
        # Indexing tensors with a batch of positions: 100 times faster than one item at a time.
        yield from DataLoader(dataset, None, sampler=BatchSampler(order, batch_size, False))
    else:
        workers = int(os.environ.get("LOADER_WORKERS", 1))
        # A generator of its own, or the loader would draw from the one that training uses.
        yield from DataLoader(
            dataset, batch_size, sampler=order, num_workers=workers, generator=torch.Generator()
        )


def augment(side: int) -> v2.Transform:
    """What a photo may become in training: most of it, either way round, at `side` pixels."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(side, scale=(0.5, 1.0), ratio=(0.8, 1.25), antialias=True),
            v2.RandomHorizontalFlip(),
        ]
    )


def predict_logits(module: nn.Module, dataset: Dataset, batch_size: int) -> np.ndarray:
    """Return (n, classes) float32 logits for a whole dataset, in its order."""
    module = module.for_inference() if isinstance(module, Classifier) else module.eval()
    device = next(module.parameters()).device
    order = list(range(len(dataset)))  # type: ignore[arg-type]
    with torch.inference_mode():
        batches = load_batches(dataset, order, batch_size)
        return np.concatenate([module(inputs.to(device)).cpu().numpy() for inputs, _ in batches])


def score_logits(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Cross-entropy (without label smoothing) and accuracy."""
    loss = nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))
    return {"loss": loss.item(), "accuracy": accuracy_score(labels, logits.argmax(1))}


def summarise(labels: np.ndarray, logits: np.ndarray, product_ids: pd.Series) -> dict[str, Any]:
    """Scores per photo, and per product: its photos' probabilities averaged."""
    probabilities = pd.DataFrame(torch.from_numpy(logits).softmax(1).numpy())
    by_product = probabilities.groupby(product_ids.to_numpy()).mean()
    product_labels = pd.Series(labels).groupby(product_ids.to_numpy()).first()
    product_predicted = by_product.to_numpy().argmax(1)
    return {
        **score_logits(logits, labels),
        "macro_f1": f1_score(labels, logits.argmax(1), average="macro", zero_division=0),
        "n": len(labels),
        "per_product": {
            "accuracy": accuracy_score(product_labels, product_predicted),
            "macro_f1": f1_score(
                product_labels, product_predicted, average="macro", zero_division=0
            ),
            "n": len(product_labels),
        },
    }


def run_key(*contents: Any) -> str:
    """A hash of files (as Path), folders and values: of all that determines a training."""
    digest = hashlib.sha256()
    for content in contents:
        if not isinstance(content, Path):
            digest.update(repr(content).encode())
            continue
        for path in sorted(content.rglob("*")) if content.is_dir() else [content]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path).encode())
                digest.update(hashlib.file_digest(path.open("rb"), "sha256").digest())
    return digest.hexdigest()[:16]


@click.command(help=__doc__)
def main() -> None:
    params, photo_size = load_params("train", "embed.photo_size")
    if params["epochs"] == params["finetune_epochs"] == 0:
        raise click.ClickException("params.yaml: train.epochs and train.finetune_epochs are both 0")
    require(LISTINGS, PHOTOS, FEATURES)
    device = set_up_torch(params["seed"])
    listings = pd.read_parquet(LISTINGS, columns=["photo_index", "product_id", "category", "split"])
    listings = listings.dropna(subset="photo_index")
    classes = sorted(listings["category"].unique())
    labels = pd.Categorical(listings["category"], classes).codes.astype(np.int64)
    photo_index = listings["photo_index"].to_numpy(np.int64)
    rows = {name: np.flatnonzero(listings["split"] == name) for name in ("train", "val", "test")}

    features = np.load(FEATURES, mmap_mode="r")
    photos = PhotoStore(PHOTOS)
    model = Classifier(params["backbone"], params["weights"], len(classes)).to(device)

    def feature_dataset(split: str) -> TensorDataset:
        chosen = rows[split]
        return TensorDataset(
            torch.from_numpy(features[photo_index[chosen]]), torch.from_numpy(labels[chosen])
        )

    def photo_dataset(split: str, transform: Callable | None, epoch: int = 0) -> PhotoDataset:
        chosen = rows[split]
        return PhotoDataset(
            photos,
            open_photo,
            photo_index[chosen],
            labels[chosen],
            transform,
            params["seed"],
            epoch,
        )

    train_features, val_features = feature_dataset("train"), feature_dataset("val")
    full_size = v2.Resize((photo_size, photo_size), antialias=True)
    batch_size = params["batch_size"]
    phases = [
        Phase(
            "head",
            model.head,
            lambda epoch: train_features,
            lambda: score_logits(
                predict_logits(model.head, val_features, batch_size), labels[rows["val"]]
            ),
            params["epochs"],
            params["lr"],
            params["weight_decay"],
            micro_batch=batch_size,
        ),
        Phase(
            "finetune",
            model,
            lambda epoch: photo_dataset("train", augment(params["finetune_size"]), epoch),
            lambda: score_logits(
                predict_logits(model, photo_dataset("val", full_size), batch_size),
                labels[rows["val"]],
            ),
            params["finetune_epochs"],
            params["finetune_lr"],
            params["finetune_weight_decay"],
            micro_batch=PHOTOS_AT_ONCE,
        ),
    ]

    code = Path(__file__).parent
    key = run_key(
        *(LISTINGS, PHOTOS, FEATURES, code / "train_cnn.py", code / "shared"),
        *(params, photo_size, torch.__version__, torch.get_num_threads(), str(device)),
    )
    checkpoint = Checkpoint(
        RUNS / "checkpoints" / f"{key}.pt", float(os.environ.get("CHECKPOINT_SECONDS", 60))
    )
    resumed = checkpoint.load()
    progress = Progress(**resumed["progress"]) if resumed else Progress()
    if resumed:
        click.echo(f"going on from {checkpoint.path}: {progress.phase}, epoch {progress.epoch + 1}")
    board = SummaryWriter(
        str(RUNS / "train_cnn" / f"{params['backbone']}-{key}"),
        purge_step=len(progress.history) + 1,
    )

    def report(row: dict[str, Any]) -> None:
        for name in ("loss", "accuracy"):
            for split in ("train", "val"):
                board.add_scalar(f"{name}/{split}", row[f"{split}_{name}"], row["epoch"])
        if row["phase"] == "finetune":
            click.echo(
                f"epoch {row['epoch']}: loss {row['train_loss']:.3f}, "
                f"validation accuracy {row['val_accuracy']:.3f}"
            )

    names = [phase.name for phase in phases]
    for phase in phases[names.index(progress.phase) :]:
        if phase.epochs == 0:
            continue
        if progress.phase != phase.name:
            progress.phase, resumed = phase.name, None
            progress.start_epoch(0)
        run_phase(
            phase,
            progress,
            resumed,
            checkpoint,
            report,
            batch_size=batch_size,
            **{key: params[key] for key in ("momentum", "label_smoothing", "seed")},
        )
    board.close()

    def logits_of(split: str) -> np.ndarray:
        if params["finetune_epochs"] == 0:
            return predict_logits(model.head, feature_dataset(split), batch_size)
        return predict_logits(model, photo_dataset(split, full_size), batch_size)

    logits = {split: logits_of(split) for split in ("val", "test")}
    product_ids = listings["product_id"]
    metrics: dict[str, Any] = {
        split: summarise(labels[rows[split]], of, product_ids.iloc[rows[split]])
        for split, of in logits.items()
    }
    # Of the last epoch, as its batches were learned from: a second pass over all of the train
    # photos would take as long as half an epoch.
    metrics["train"] = {
        "loss": progress.history[-1]["train_loss"],
        "accuracy": progress.history[-1]["train_accuracy"],
        "macro_f1": f1_score(progress.labels, progress.predicted, average="macro", zero_division=0),
        "n": len(rows["train"]),
    }
    train_counts = np.bincount(labels[rows["train"]], minlength=len(classes))
    metrics |= {
        "majority_accuracy": float(np.mean(labels[rows["test"]] == train_counts.argmax())),
        "epochs": params["epochs"],
        "finetune_epochs": params["finetune_epochs"],
        "backbone": params["backbone"],
        "seed": params["seed"],
    }

    with replace_when_done(OUT) as folder:
        folder.mkdir()
        state = {name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}
        save_file(state, folder / "model.safetensors")
        write_json(
            folder / "model.json",
            {
                "backbone": params["backbone"],
                "classes": classes,
                "photo_size": photo_size,
            },
        )
    with replace_when_done(PROBABILITIES) as path:
        parts = []
        for split, of in logits.items():
            part = listings.iloc[rows[split]][["product_id", "photo_index", "split"]]
            part[classes] = torch.from_numpy(of).softmax(1).numpy()
            parts.append(part)
        pd.concat(parts, ignore_index=True).to_parquet(path, index=False)
    with replace_when_done(Path("plots/train_cnn.csv")) as path:
        pd.DataFrame(progress.history).to_csv(path, index=False, float_format="%.6f")
    with replace_when_done(Path("plots/train_cnn_confusion.csv")) as path:
        names_of = np.array(classes)
        pd.DataFrame(
            {
                "actual": names_of[labels[rows["test"]]],
                "predicted": names_of[logits["test"].argmax(1)],
            }
        ).to_csv(path, index=False)
    write_json(Path("metrics/train_cnn.json"), metrics)
    checkpoint.remove()
    click.echo(
        f"test accuracy {metrics['test']['accuracy']:.3f} per photo "
        f"({metrics['test']['per_product']['accuracy']:.3f} per product), n={metrics['test']['n']}"
    )


if __name__ == "__main__":
    main()
