"""Predict the category from the photo by transfer learning: a new layer, then the whole network.

The new layer has an output for each subcategory (params train.label_depth; 1: for each category),
whose probabilities add up to the category's.

In:  data/merged/listings.parquet, data/clean/photos, data/embeddings.
Out: models/cnn/ (model.safetensors, model.json), metrics/train_cnn.json, plots/train_cnn.csv (loss
     and accuracy of every epoch), plots/train_cnn_confusion.csv, data/cnn/probabilities.parquet (of
     each validation and test photo; without fine-tuning also of each train photo, out of fold);
     TensorBoard in runs/: those curves, the network's graph, a projector of what it sees in the
     validation photos, and its surest mistakes among them, in runs/<dataset>/<experiment>/ (as
     `dvc exp run` names it; "workspace" for `dvc repro`).

The train loss is of the finer labels, smoothed and mixed, the validation loss of the categories:
each is for following its own way down, not for comparing with the other.

An interrupted run goes on from runs/checkpoints/ when started again with the same data, code and
params, and ends with the same bytes. CHECKPOINT_SECONDS (60), LOADER_WORKERS (1) and AMP (1 on a
GPU, else 0) are environment variables.

`torchrun --nproc-per-node 4 stages/train_cnn.py` fine-tunes on several devices: the parts of each
batch are dealt out among them, and what a part draws at random depends on its place alone, so that
a step is the same, up to rounding, whatever their number. The new layer, seconds of work, is
trained by each process for itself.
"""

from __future__ import annotations

import math
import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GroupKFold
from torch import nn
from torch.utils.data import TensorDataset
from torch.utils.tensorboard import SummaryWriter

import market
from market.core.atomic import replace_when_done, write_json
from market.core.errors import MarketError
from market.core.params import dataset_name, load_params
from market.core.paths import require
from market.core.stage import progress as progress_bar
from market.core.stage import stage
from market.core.torch_setup import set_up_torch
from market.data.photo_store import PhotoStore, open_photo
from market.models.backbones import Classifier
from market.models.labels import Labels, finer_labels, sum_by_category
from market.models.metrics import loss_and_accuracy, macro_f1, majority_accuracy, score, spread
from market.models.photo_dataset import PhotoDataset
from market.models.training import (
    Checkpoint,
    Phase,
    Progress,
    augment,
    predict_labels,
    process_group,
    run_key,
    run_phase,
)

LISTINGS = Path("data/merged/listings.parquet")
PHOTOS = Path("data/clean/photos")
FEATURES = Path("data/embeddings/photo.npy")
OUT = Path("models/cnn")
PROBABILITIES = Path("data/cnn/probabilities.parquet")
RUNS = Path("runs")

# 128 photos at once take 12 GB, and are no faster on two cores.
PHOTOS_AT_ONCE = 32
MIN_PHOTOS = 8  # of a subcategory that gets an output of its own
FOLDS = 5  # of the new layer's answers to train photos
SEEDS = 3  # of the comparison with a split by photo
PROJECTED = 400  # validation photos, at most, in TensorBoard's projector, and their side there
THUMBNAIL = 56
MISTAKES = 16  # shown in TensorBoard


# --- Data -----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Data:
    """Every listing's photos: their categories, how they are split, their pixels and features."""

    listings: pd.DataFrame  # a row for each photo
    classes: list[str]  # the categories' names
    categories: np.ndarray  # (rows,) int64, positions in `classes`
    photo_index: np.ndarray  # (rows,) int64, places in `photos` and in `features`
    rows: dict[str, np.ndarray]  # those of "train", "val" and "test"
    photos: PhotoStore
    features: np.ndarray  # float32 (photos, width)

    @classmethod
    def load(cls) -> Data:
        columns = ["photo_index", "product_id", "category", "category_levels", "split", "group"]
        rows = pd.read_parquet(LISTINGS, columns=[*columns, "has_near_copy"])
        classes = sorted(rows["category"].unique())
        listings = rows.dropna(subset="photo_index")
        splits = ("train", "val", "test")
        return cls(
            listings=listings,
            classes=classes,
            categories=pd.Categorical(listings["category"], classes).codes.astype(np.int64),
            photo_index=listings["photo_index"].to_numpy(np.int64),
            rows={split: np.flatnonzero(listings["split"] == split) for split in splits},
            photos=PhotoStore(PHOTOS),
            features=np.load(FEATURES, mmap_mode="r"),
        )

    def labels_of(self, rows: np.ndarray, depth: int) -> Labels:
        """The labels to train on, of `depth` levels, when these are the train rows."""
        levels = self.listings["category_levels"].iloc[rows]
        return finer_labels(levels, self.classes, depth=depth, min_rows=MIN_PHOTOS)

    def feature_dataset(self, rows: np.ndarray, codes: np.ndarray) -> TensorDataset:
        """(features, code) of each row."""
        features = self.features[self.photo_index[rows]]
        return TensorDataset(torch.from_numpy(features), torch.from_numpy(codes))

    def photo_dataset(
        self, rows: np.ndarray, codes: np.ndarray, decode: Callable, **augmentation: Any
    ) -> PhotoDataset:
        """(photo, code) of each row."""
        return PhotoDataset(self.photos, decode, self.photo_index[rows], codes, **augmentation)


class Evaluator:
    """What a network, or a layer on its features, says of the validation and the test photos.

    `parents` (labels,) are the categories of its outputs.
    """

    def __init__(self, data: Data, parents: np.ndarray, photo_size: int, batch_size: int) -> None:
        self.data, self.parents, self.batch_size = data, parents, batch_size
        whole = partial(open_photo, side=photo_size)
        self.features, self.photos = {}, {}
        for split in ("val", "test"):
            rows = data.rows[split]
            codes = data.categories[rows]
            self.features[split] = data.feature_dataset(rows, codes)
            self.photos[split] = data.photo_dataset(rows, codes, whole)

    def probabilities(self, module: nn.Module, split: str) -> np.ndarray:
        """Return (n, classes) for the photos of a split.

        A network's are computed by all of torchrun's processes together.
        """
        if isinstance(module, Classifier):
            network, photos = module.for_inference(), self.photos[split]
            found = predict_labels(network, photos, self.batch_size, shared=dist.is_initialized())
        else:
            found = predict_labels(module, self.features[split], self.batch_size)
        return sum_by_category(found, self.parents, len(self.data.classes))

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Loss and accuracy on the validation photos."""
        labels = self.data.categories[self.data.rows["val"]]
        return loss_and_accuracy(self.probabilities(module, "val"), labels)


# --- Phases ---------------------------------------------------------------------------------------
def head_phase(
    data: Data,
    params: dict[str, Any],
    head: nn.Module,
    rows: np.ndarray,
    labels: Labels,
    evaluate: Callable[[nn.Module], dict[str, float]],
    seed: int,
) -> Phase:
    """The new layer alone, on the features of these rows."""
    dataset = data.feature_dataset(rows, labels.codes)
    return Phase(
        name="head",
        module=head,
        dataset=lambda epoch: dataset,
        parents=labels.parents,
        evaluate=evaluate,
        epochs=params["epochs"],
        batch_size=params["batch_size"],
        micro_batch=params["batch_size"],
        groups=[{"params": list(head.parameters()), "lr": params["learning_rate"]}],
        momentum=params["momentum"],
        weight_decay=params["weight_decay"],
        label_smoothing=params["label_smoothing"],
        seed=seed,
    )


def finetune_phase(
    data: Data,
    params: dict[str, Any],
    model: Classifier,
    labels: Labels,
    evaluate: Callable[[nn.Module], dict[str, float]],
) -> Phase:
    """The whole network, on the train photos."""
    device = next(model.parameters()).device
    # Random weights have no edges and colours yet that could stay as they are.
    frozen = params["finetune_frozen_share"] if params["weights"] == "pretrained" else 0.0
    return Phase(
        name="finetune",
        module=model,
        dataset=lambda epoch: data.photo_dataset(
            data.rows["train"],
            labels.codes,
            open_photo,
            transform=augment(params["finetune_photo_size"]),
            seed=params["seed"],
            epoch=epoch,
        ),
        parents=labels.parents,
        evaluate=evaluate,
        epochs=params["finetune_epochs"],
        batch_size=params["batch_size"],
        micro_batch=PHOTOS_AT_ONCE,
        groups=groups_by_depth(model, params["finetune_learning_rate"], frozen),
        momentum=params["momentum"],
        weight_decay=params["finetune_weight_decay"],
        label_smoothing=params["label_smoothing"],
        mixup=params["finetune_mixup"],
        average=params["finetune_ema_decay"],
        shared=dist.is_initialized(),
        amp=bool(int(os.environ.get("AMP", device.type == "cuda"))),
        seed=params["seed"],
    )


def groups_by_depth(model: Classifier, lr: float, frozen: float) -> list[dict[str, Any]]:
    """Discriminative learning rates: `lr` for the new layer and the deepest block, less below.

    The rate falls evenly with depth, to none for the first `frozen` share of the blocks: what they
    see (edges, colours) is the same in every photo, and not training them saves their gradients.
    """
    blocks = model.blocks()
    still = round(frozen * len(blocks))
    for weight in (weight for block in blocks[:still] for weight in block):
        weight.requires_grad_(False)
    rates = [lr * (depth + 1) / (len(blocks) - still) for depth in range(len(blocks) - still)]
    groups = [
        {"params": block, "lr": rate} for block, rate in zip(blocks[still:], rates, strict=True)
    ]
    return [*groups, {"params": list(model.head.parameters()), "lr": lr}]


def training_key(
    params: dict[str, Any], photo_size: int, device: torch.device, finetune: Phase
) -> str:
    """Names a training after all that determines it: inputs, code, params and machine."""
    code = [Path(__file__), Path(market.__file__).parent]
    return run_key(
        *(LISTINGS, PHOTOS, FEATURES, *code),
        *(params, photo_size, torch.__version__, torch.get_num_threads(), device.type),
        *(finetune.amp, dist.get_world_size() if finetune.shared else 1),
    )


def board_folder(training: str) -> Path:
    """Return the folder of a training's TensorBoard: dataset, experiment, stage, training.

    A queued experiment runs in a temporary copy of the project; its curves go to the project.
    """
    experiment = os.environ.get("DVC_EXP_NAME", "workspace").replace("/", "-")
    root = Path(os.environ.get("DVC_ROOT", "."))
    return root / RUNS / dataset_name() / experiment / "train_cnn" / training


def run_phases(
    phases: list[Phase], checkpoint: Checkpoint, log: Path, rank: int
) -> tuple[Progress, SummaryWriter | None]:
    """Train from where `checkpoint` stands, or from the start, to the end.

    The first process alone has a TensorBoard, in the folder `log`, and returns it, still open.
    """
    resumed = checkpoint.load()
    progress = Progress(**resumed["progress"]) if resumed else Progress(phases[0].name)
    if resumed and rank == 0:
        click.echo(f"going on from {checkpoint.path}: {progress.phase}, epoch {progress.epoch + 1}")
    if dist.is_initialized():
        dist.barrier()  # nobody saves before everybody has loaded
    board = SummaryWriter(str(log), purge_step=1) if rank == 0 else None
    for row in progress.history:  # the interrupted run may have had another experiment's name
        show_epoch(board, row)
    names = [phase.name for phase in phases]
    for phase in phases[names.index(progress.phase) :]:
        if phase.epochs == 0:
            continue
        if progress.phase != phase.name:
            progress.phase, resumed = phase.name, None
            progress.start_epoch(0)
        run_with_bar(
            phase,
            progress,
            resumed=resumed,
            checkpoint=checkpoint,
            report=partial(report_epoch, board),
        )
    return progress, board


def run_with_bar(phase: Phase, progress: Progress, **going_on: Any) -> None:
    bar = progress_bar(total=phase.steps, desc=phase.name, unit="step")
    run_phase(phase, progress, advance=bar.update, **going_on)
    bar.close()


def show_epoch(board: SummaryWriter | None, row: dict[str, Any]) -> None:
    """Add an epoch's figures to TensorBoard."""
    if board is None:
        return
    for name in ("loss", "accuracy"):
        for split in ("train", "val"):
            board.add_scalar(f"{name}/{split}", row[f"{split}_{name}"], row["epoch"])


def report_epoch(board: SummaryWriter | None, row: dict[str, Any]) -> None:
    """Show an epoch's figures; print those of fine-tuning, whose epochs take minutes."""
    show_epoch(board, row)
    if board is not None and row["phase"] == "finetune":
        click.echo(
            f"epoch {row['epoch']}: loss {row['train_loss']:.3f}, "
            f"validation accuracy {row['val_accuracy']:.3f}"
        )


# --- The new layer alone --------------------------------------------------------------------------
def head_probabilities(
    data: Data,
    params: dict[str, Any],
    device: torch.device,
    train: np.ndarray,
    others: np.ndarray,
    seed: int,
) -> np.ndarray:
    """What the first phase alone, fitted on the rows `train`, says of others: (n, classes)."""
    labels = data.labels_of(train, params["label_depth"])
    torch.manual_seed(seed)
    head = nn.Linear(data.features.shape[1], len(labels.names)).to(device)
    phase = head_phase(data, params, head, train, labels, lambda module: {}, seed)
    run_with_bar(phase, Progress(phase.name))
    dataset = data.feature_dataset(others, data.categories[others])
    found = predict_labels(head, dataset, params["batch_size"])
    return sum_by_category(found, labels.parents, len(data.classes))


def out_of_fold(data: Data, params: dict[str, Any], device: torch.device) -> np.ndarray:
    """What the new layer says of each train photo, fitted on those of other groups: (n, classes).

    Seconds, where fine-tuning a network for each fold would take hours: `classify` learns from
    these how far to trust a photo.
    """
    rows = data.rows["train"]
    groups = data.listings["group"].iloc[rows]
    found = np.full((len(rows), len(data.classes)), np.nan, np.float32)
    folds = min(FOLDS, groups.nunique())
    if folds < 2:
        return found
    for fitted, left_out in GroupKFold(folds).split(groups, groups=groups):
        found[left_out] = head_probabilities(
            data, params, device, rows[fitted], rows[left_out], params["seed"]
        )
    return found


def compare_splits(data: Data, params: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The new layer's test accuracy over some seeds, beside what the usual split would have shown:
    photos drawn at random, as many as in this one."""

    def accuracy(train: np.ndarray, test: np.ndarray, seed: int) -> float:
        found = head_probabilities(data, params, device, train, test, seed)
        return float(accuracy_score(data.categories[test], found.argmax(1)))

    train, test = data.rows["train"], data.rows["test"]
    seeds = range(params["seed"], params["seed"] + SEEDS)
    return {
        "test_accuracy": spread([accuracy(train, test, seed) for seed in seeds]),
        "test_accuracy_if_split_by_photo": spread(
            [accuracy(*split_by_photo(train, test, seed), seed) for seed in seeds]
        ),
    }


def split_by_photo(train: np.ndarray, test: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Deal the rows of both out anew, as many to each, without regard to whose photos they are."""
    dealt = np.random.default_rng(seed).permutation(np.concatenate([train, test]))
    return np.sort(dealt[: len(train)]), np.sort(dealt[len(train) :])


# --- Scores ---------------------------------------------------------------------------------------
def score_splits(
    data: Data, probabilities: dict[str, np.ndarray], progress: Progress
) -> dict[str, Any]:
    """The scores of the validation and the test photos, and what is known of the train photos."""
    metrics: dict[str, Any] = {}
    for split, found in probabilities.items():
        rows = data.rows[split]
        product_ids = data.listings["product_id"].iloc[rows]
        metrics[split] = summarise(data.categories[rows], found, product_ids)
        alone = ~data.listings["has_near_copy"].iloc[rows].to_numpy()
        if split == "test" and alone.any():
            metrics["test_without_near_copies"] = summarise(
                data.categories[rows][alone], found[alone], product_ids[alone]
            )
    # Of the last epoch, as its batches were learned from: a second pass over all of the train
    # photos would take as long as half an epoch.
    metrics["train"] = {
        "loss": progress.history[-1]["train_loss"],
        "accuracy": progress.history[-1]["train_accuracy"],
        "macro_f1": macro_f1(np.array(progress.labels), np.array(progress.predicted)),
        "n": len(data.rows["train"]),
    }
    train, test = (data.categories[data.rows[split]] for split in ("train", "test"))
    metrics["majority_accuracy"] = majority_accuracy(train, test)
    return metrics


def summarise(
    labels: np.ndarray, probabilities: np.ndarray, product_ids: pd.Series
) -> dict[str, Any]:
    """Scores per photo, and per product: its photos' probabilities averaged."""
    owner = product_ids.to_numpy()
    by_product = pd.DataFrame(probabilities).groupby(owner).mean()
    product_labels = pd.Series(labels).groupby(owner).first()
    of_products = score(by_product.to_numpy(), product_labels.to_numpy())
    del of_products["loss"]
    return {**score(probabilities, labels), "per_product": of_products}


# --- Outputs --------------------------------------------------------------------------------------
def show_network(
    board: SummaryWriter, model: Classifier, data: Data, probabilities: np.ndarray
) -> None:
    """Put into TensorBoard what curves cannot show: the graph, a projector, the surest mistakes.

    `probabilities` (n, classes) are those of the validation photos.
    """
    photos, classes, rows = data.photos, data.classes, data.rows["val"]
    index, labels = data.photo_index[rows], data.categories[rows]
    device = next(model.parameters()).device
    photo = torch.from_numpy(open_photo(photos[index[0]]).copy()).permute(2, 0, 1)
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of torch, to itself
        board.add_graph(model.for_inference(), photo[None].to(device))
    predicted = probabilities.argmax(1)
    chosen = np.random.default_rng(0).permutation(len(index))[:PROJECTED]
    thumbnails = np.array([open_photo(photos[of], side=THUMBNAIL) for of in index[chosen]])
    # Another run's, of the same name, would be warned of.
    shutil.rmtree(Path(board.log_dir) / "00000", ignore_errors=True)
    board.add_embedding(
        data.features[index[chosen]].round(3),  # it is written as text
        metadata=[[classes[labels[row]], classes[predicted[row]]] for row in chosen],
        metadata_header=["seller", "model"],
        label_img=torch.from_numpy(thumbnails).permute(0, 3, 1, 2) / 255,
        tag="photos",
    )
    confidence = np.where(predicted == labels, 0.0, probabilities.max(1))
    for place, row in enumerate(np.argsort(-confidence, kind="stable")[:MISTAKES], start=1):
        if confidence[row]:
            says = f"seller {classes[labels[row]]}, model {classes[predicted[row]]}"
            title = f"mistakes/{place:02d} {says} {confidence[row]:.0%}"
            board.add_image(title, open_photo(photos[index[row]]), dataformats="HWC")


def write_model(
    model: Classifier, classes: list[str], labels: Labels, photo_size: int, finetuned: bool
) -> None:
    """Write models/cnn/."""
    with replace_when_done(OUT) as folder:
        folder.mkdir()
        model.save(folder / "model.safetensors")
        write_json(
            folder / "model.json",
            {
                "backbone": model.name,
                "classes": classes,
                "finetuned": finetuned,
                "labels": labels.names,
                "parents": labels.parents.tolist(),
                "photo_size": photo_size,
            },
        )


def write_probabilities(data: Data, probabilities: dict[str, np.ndarray]) -> None:
    """Write data/cnn/probabilities.parquet: a row for each photo of these splits, in this order."""
    parts = []
    for split, found in probabilities.items():
        part = data.listings.iloc[data.rows[split]][["product_id", "photo_index", "split"]]
        part[data.classes] = found
        parts.append(part)
    with replace_when_done(PROBABILITIES) as path:
        pd.concat(parts, ignore_index=True).to_parquet(path, index=False)


def write_plots(data: Data, history: list[dict[str, Any]] | pd.DataFrame, test: np.ndarray) -> None:
    """Write plots/: the curves, and actual and predicted category of each test photo."""
    with replace_when_done(Path("plots/train_cnn.csv")) as path:
        pd.DataFrame(history).to_csv(path, index=False, float_format="%.6f")
    names = np.array(data.classes)
    actual = names[data.categories[data.rows["test"]]]
    with replace_when_done(Path("plots/train_cnn_confusion.csv")) as path:
        confusion = pd.DataFrame({"actual": actual, "predicted": names[test.argmax(1)]})
        confusion.to_csv(path, index=False)


def skip(data: Data, params: dict[str, Any], photo_size: int, rank: int) -> str:
    """Write outputs of a network that has learned nothing, and return the line that says so.

    Its new layer is all zeros, so it calls every category equally likely, and a pool of models is
    not moved by it.
    """
    counts = ", ".join(f"{len(rows)} {split}" for split, rows in data.rows.items())
    reason = f"{counts} photos, where each split needs one"
    if rank:
        return reason
    labels = data.labels_of(data.rows["train"], params["label_depth"])
    model = Classifier(params["backbone"], params["weights"], len(labels.names))
    for weight in model.head.parameters():
        nn.init.zeros_(weight)
    write_model(model, data.classes, labels, photo_size, finetuned=False)
    none = np.empty((0, len(data.classes)), np.float32)
    empty = Data(**vars(data) | {"rows": {split: np.empty(0, int) for split in data.rows}})
    write_probabilities(empty, {"val": none, "test": none})
    columns = ["epoch", "phase", "train_loss", "train_accuracy", "val_loss", "val_accuracy"]
    write_plots(empty, pd.DataFrame(columns=columns), none)
    write_json(
        Path("metrics/train_cnn.json"),
        {"n": 0, "skipped": reason} | {name: params[name] for name in ("backbone", "seed")},
    )
    return f"no photo network was trained: {reason}"


def train(
    params: dict[str, Any], photo_size: int, backbone_seed: int, device: torch.device, rank: int
) -> str:
    """The stage; of several processes the first (`rank` 0) writes what all have trained.

    Returns what there is to say of it.
    """
    data = Data.load()
    if not all(map(len, data.rows.values())):
        return skip(data, params, photo_size, rank)
    labels = data.labels_of(data.rows["train"], params["label_depth"])
    torch.manual_seed(backbone_seed)  # random weights must be those that `embed` computed with
    model = Classifier(params["backbone"], params["weights"], len(labels.names))
    torch.manual_seed(params["seed"])
    model.head.reset_parameters()
    model.to(device)
    evaluator = Evaluator(data, labels.parents, photo_size, params["batch_size"])
    evaluate, seed = evaluator.validate, params["seed"]
    head = head_phase(data, params, model.head, data.rows["train"], labels, evaluate, seed)
    finetune = finetune_phase(data, params, model, labels, evaluate)

    key = training_key(params, photo_size, device, finetune)
    every = float(os.environ.get("CHECKPOINT_SECONDS", 60)) if rank == 0 else math.inf
    checkpoint = Checkpoint(RUNS / "checkpoints" / f"{key}.pt", every, replace_when_done)
    log = board_folder(f"{params['backbone']}-{key}")
    progress, board = run_phases([head, finetune], checkpoint, log, rank)

    finetuned = params["finetune_epochs"] > 0
    final = model if finetuned else model.head
    found = {split: evaluator.probabilities(final, split) for split in ("val", "test")}
    if board is None:
        return f"process {rank} trained along; process 0 writes"
    show_network(board, model, data, found["val"])
    board.close()
    metrics = score_splits(data, found, progress)
    if not finetuned:
        found["train"] = out_of_fold(data, params, device)
    if params["epochs"]:
        metrics["new_layer"] = compare_splits(data, params, device)
    metrics |= {name: params[name] for name in ("epochs", "finetune_epochs", "backbone", "seed")}

    write_model(model, data.classes, labels, photo_size, finetuned)
    write_probabilities(data, found)
    write_plots(data, progress.history, found["test"])
    write_json(Path("metrics/train_cnn.json"), metrics)
    checkpoint.remove()
    return (
        f"test accuracy {metrics['test']['accuracy']:.3f} per photo "
        f"({metrics['test']['per_product']['accuracy']:.3f} per product), n={metrics['test']['n']}"
    )


@stage
def main() -> str:
    settings, photo_size, backbone_seed = load_params("train", "embed.photo_size", "embed.seed")
    params = settings.model_dump()
    require(LISTINGS, PHOTOS, FEATURES)
    device = set_up_torch(params["seed"])
    with process_group(device) as rank:
        parts = -(-params["batch_size"] // PHOTOS_AT_ONCE)
        if dist.is_initialized() and params["finetune_epochs"] and dist.get_world_size() > parts:
            raise MarketError(
                f"train.batch_size, {params['batch_size']}, has work for {parts} processes, "
                f"{PHOTOS_AT_ONCE} photos each: start no more, or make it larger"
            )
        return train(params, photo_size, backbone_seed, device, rank)


if __name__ == "__main__":
    main()
