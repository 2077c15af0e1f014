"""Predict the category from the photo by transfer learning: a new layer, then the whole network.

The new layer has an output for each subcategory (params train.levels; 1: for each category), whose
probabilities add up to the category's.

In:  data/merged/listings.parquet, data/clean/photos, data/embeddings.
Out: models/cnn/ (model.safetensors, model.json), metrics/train_cnn.json, plots/train_cnn.csv (loss
     and accuracy of every epoch), plots/train_cnn_confusion.csv, data/cnn/probabilities.parquet (of
     each validation and test photo; without fine-tuning also of each train photo, out of fold);
     TensorBoard in runs/: those curves, the network's graph, a projector of what it sees in the
     validation photos, and its surest mistakes among them.

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

import hashlib
import math
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
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
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import BatchSampler, DataLoader, Dataset, TensorDataset
from torch.utils.tensorboard import SummaryWriter

from shared.atomic import replace_when_done, write_json
from shared.backbone import Classifier
from shared.inputs import require
from shared.params import load_params
from shared.photo_dataset import PhotoDataset
from shared.photo_store import PhotoStore, open_photo
from shared.scores import loss_and_accuracy, macro_f1, majority_accuracy, score
from shared.spread import spread
from shared.stage import progress as progress_bar
from shared.stage import stage
from shared.subcategories import Labels, finer_labels, sum_by_category
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
MIN_PHOTOS = 8  # of a subcategory that gets an output of its own
FOLDS = 5  # of the new layer's answers to train photos
SEEDS = 3  # of the comparison with a split by photo
PROJECTED = 400  # validation photos, at most, in TensorBoard's projector, and their side there
THUMBNAIL = 56
MISTAKES = 16  # shown in TensorBoard


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
        content = {"progress": asdict(progress), **state}
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
    evaluate: Callable[[nn.Module], dict[str, float]]  # loss, accuracy on the validation products
    epochs: int
    groups: list[dict[str, Any]]  # of `params`, each with its `lr`
    weight_decay: float
    micro_batch: int  # a batch's gradient is summed up from parts of this many, mixed by themselves
    mixup: float = 0.0  # alpha of the Beta distribution that two photos are mixed by; 0: not
    average: float = 0.0  # decay of the moving average of the weights, which is the result; 0: none
    shared: bool = False  # whether a batch's parts are dealt out among torchrun's processes
    amp: bool = False  # whether to compute in bfloat16 where that is safe


def run_phase(
    phase: Phase,
    progress: Progress,
    resumed: dict[str, Any] | None,
    checkpoint: Checkpoint,
    report: Callable[[dict[str, Any]], None],
    *,
    parents: np.ndarray,
    batch_size: int,
    momentum: float,
    label_smoothing: float,
    seed: int,
) -> None:
    """Train `phase.module` by SGD on cross-entropy from where `progress` stands to its end.

    Appends to `progress.history` a row for each epoch: the train figures are those of the batches
    as they were learned from (augmented, before their step), the val figures those at its end.
    Accuracy is that of the categories, `parents` of the labels. `phase.epochs` is at least 1.
    """
    examples = len(phase.dataset(0))  # type: ignore[arg-type]
    steps = -(-examples // batch_size)
    device = next(phase.module.parameters()).device
    rank, ranks = (dist.get_rank(), dist.get_world_size()) if phase.shared else (0, 1)
    optimizer = torch.optim.SGD(
        phase.groups, momentum=momentum, weight_decay=phase.weight_decay, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        [group["lr"] for group in phase.groups],
        phase.epochs * steps,
        pct_start=WARM_UP,
        cycle_momentum=False,
    )
    averaged = None
    if phase.average:
        average = get_ema_multi_avg_fn(phase.average)
        averaged = AveragedModel(phase.module, multi_avg_fn=average, use_buffers=True)
    if resumed is not None:
        phase.module.load_state_dict(resumed["module"])
        if averaged is not None:
            averaged.load_state_dict(resumed["averaged"])
        optimizer.load_state_dict(resumed["optimizer"])
        schedule.load_state_dict(resumed["schedule"])
    learner: Any = DistributedDataParallel(phase.module) if ranks > 1 else phase.module
    loss_of = nn.CrossEntropyLoss(label_smoothing=label_smoothing, reduction="sum")
    mix = mixup(phase.mixup, len(parents)) if phase.mixup else None
    bar = progress_bar(total=phase.epochs * steps, desc=phase.name, unit="step")
    bar.update(progress.epoch * steps + progress.step)
    for epoch in range(progress.epoch, phase.epochs):
        if epoch != progress.epoch or resumed is None:
            progress.start_epoch(epoch)
        learner.train()
        order = np.random.default_rng(_seed(seed, phase.name, epoch, "order")).permutation(examples)
        batches = list(
            BatchSampler(order[progress.step * batch_size :].tolist(), batch_size, False)
        )
        mine = [deal(batch, phase.micro_batch, rank, ranks) for batch in batches]
        loaded = load_batches(phase.dataset(epoch), mine, device)
        for batch, (inputs, labels) in zip(batches, loaded, strict=True):
            known = parents[labels.numpy()].tolist()
            inputs = inputs.to(device, non_blocking=True).split(phase.micro_batch)
            targets = labels.to(device, non_blocking=True).split(phase.micro_batch)
            working = -(-len(batch) // phase.micro_batch)  # processes with a part, if so many run
            # Of a last batch with fewer parts, some have a stand-in only.
            counted = 1.0 if rank < working else 0.0
            optimizer.zero_grad(set_to_none=True)
            loss_here, predicted = 0.0, []
            for part, (some, of_some) in enumerate(zip(inputs, targets, strict=True)):
                # What is drawn (mixed photos, dropped blocks) depends on the part's place alone:
                # not on who learns from it, nor on where an interrupted run began again.
                place = part * ranks + rank
                torch.manual_seed(_seed(seed, phase.name, epoch, progress.step, place))
                if mix is not None:
                    some, of_some = mix(some.float(), of_some)
                # Processes add up their gradients once for each batch, not for each part of it.
                alone = ranks > 1 and part < len(inputs) - 1
                with learner.no_sync() if alone else nullcontext():
                    with torch.autocast(device.type, torch.bfloat16, enabled=phase.amp):
                        logits = learner(some)
                    loss = loss_of(logits.float(), of_some) * counted
                    # `ranks`: DDP takes the mean over the processes, and this is to be their sum.
                    (loss * ranks / len(batch)).backward()
                loss_here += loss.item()
                predicted += parents[logits.detach().argmax(1).cpu().numpy()].tolist()
            if phase.shared:
                answers: list[Any] = [None] * ranks
                dist.all_gather_object(answers, (loss_here, predicted, known))
                answers = answers[:working]
            else:
                answers = [(loss_here, predicted, known)]
            for of_loss, of_predicted, of_known in answers:
                progress.loss += of_loss
                progress.predicted += of_predicted
                progress.labels += of_known
            optimizer.step()
            schedule.step()
            if averaged is not None:
                averaged.update_parameters(phase.module)
            progress.step += 1
            bar.update()
            checkpoint.save(
                progress,
                module=phase.module.state_dict(),
                optimizer=optimizer.state_dict(),
                schedule=schedule.state_dict(),
                **({} if averaged is None else {"averaged": averaged.state_dict()}),
            )
        resumed = None
        judged = phase.module if averaged is None else averaged.module
        row = {
            "epoch": len(progress.history) + 1,
            "phase": phase.name,
            "train_loss": progress.loss / examples,
            "train_accuracy": accuracy_score(progress.labels, progress.predicted),
            **{f"val_{name}": value for name, value in phase.evaluate(judged).items()},
        }
        progress.history.append(row)
        report(row)
    if averaged is not None:
        phase.module.load_state_dict(averaged.module.state_dict())
    bar.close()


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


def _seed(*parts: int | str) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")


def deal(batch: list[int], size: int, rank: int, ranks: int) -> list[int]:
    """What process `rank` of `ranks` learns from: every so many-th part of `size`; never none."""
    parts = [batch[start : start + size] for start in range(0, len(batch), size)]
    return [position for part in parts[rank::ranks] or parts[:1] for position in part]


def load_batches(dataset: Dataset, batches: list[list[int]], device: torch.device) -> Iterator:
    """These batches of positions in a dataset, for a network on `device`."""
    # Of its own, as the loader is to draw nothing from the generator that training uses.
    options: dict[str, Any] = {
        "generator": torch.Generator(),
        "pin_memory": device.type == "cuda",  # so that copying to the device overlaps computing
    }
    if isinstance(dataset, TensorDataset):
        # Indexing tensors with a batch of positions: 100 times faster than one item at a time.
        yield from DataLoader(dataset, None, sampler=batches, **options)
    else:
        workers = int(os.environ.get("LOADER_WORKERS", 1))
        yield from DataLoader(dataset, batch_sampler=batches, num_workers=workers, **options)


def augment(side: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """What a photo may become in training: most of it, either way round, at `side` pixels."""
    from torchvision.transforms import v2  # seconds, and only a network's training needs it

    return v2.Compose(
        [
            v2.RandomResizedCrop(side, scale=(0.35, 1.0), ratio=(3 / 4, 4 / 3), antialias=True),
            v2.RandomHorizontalFlip(),
        ]
    )


def mixup(alpha: float, labels: int) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    """Two photos of a batch in one, and both their labels."""
    from torchvision.transforms import v2  # as in augment

    return v2.MixUp(alpha=alpha, num_classes=labels)


def predict_labels(module: nn.Module, dataset: Dataset, batch_size: int) -> np.ndarray:
    """Return (n, labels) float32 probabilities for a whole dataset, in its order.

    A network's are computed by all of torchrun's processes together, and each gets all of them.
    """
    shared = dist.is_initialized() and isinstance(module, Classifier)
    rank, ranks = (dist.get_rank(), dist.get_world_size()) if shared else (0, 1)
    module = module.for_inference() if isinstance(module, Classifier) else module.eval()
    device = next(module.parameters()).device
    order = list(range(rank, len(dataset), ranks))  # type: ignore[arg-type]
    with torch.inference_mode():
        batches = load_batches(dataset, list(BatchSampler(order, batch_size, False)), device)
        parts = [module(inputs.to(device)).softmax(1).cpu().numpy() for inputs, _ in batches]
    if not shared:
        return np.concatenate(parts)
    everyones: list[Any] = [None] * ranks
    dist.all_gather_object(everyones, parts)
    found = [np.concatenate(of) for of in everyones if of]
    whole = np.empty((sum(map(len, found)), found[0].shape[1]), np.float32)
    for first, of in enumerate(found):
        whole[first::ranks] = of
    return whole


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


def split_by_photo(train: np.ndarray, test: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Deal the rows of both out anew, as many to each, without regard to whose photos they are."""
    dealt = np.random.default_rng(seed).permutation(np.concatenate([train, test]))
    return np.sort(dealt[: len(train)]), np.sort(dealt[len(train) :])


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


def show_network(
    board: SummaryWriter,
    model: Classifier,
    photos: PhotoStore,
    features: np.ndarray,
    index: np.ndarray,
    probabilities: np.ndarray,
    labels: np.ndarray,
    classes: list[str],
) -> None:
    """Put into TensorBoard what curves cannot show: the graph, a projector, the surest mistakes.

    `index` (n,) are places in `photos` and in `features` (photos, width), with `probabilities` (n,
    classes) and `labels` (n,).
    """
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
        features[index[chosen]].round(3),  # it is written as text
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


@stage
def main() -> str:
    params, photo_size = load_params("train", "embed.photo_size")
    require(LISTINGS, PHOTOS, FEATURES)
    device = set_up_torch(params["seed"])
    with process_group(device) as rank:
        parts = -(-params["batch_size"] // PHOTOS_AT_ONCE)
        if dist.is_initialized() and params["finetune_epochs"] and dist.get_world_size() > parts:
            raise click.ClickException(
                f"train.batch_size, {params['batch_size']}, has work for {parts} processes, "
                f"{PHOTOS_AT_ONCE} photos each: start no more, or make it larger"
            )
        return train(params, photo_size, device, rank)


@contextmanager
def process_group(device: torch.device) -> Iterator[int]:
    """Meet the other processes that torchrun started, if it did; yield which of them this is."""
    if not dist.is_torchelastic_launched():
        yield 0
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield dist.get_rank()
    finally:
        dist.destroy_process_group()


def train(params: dict, photo_size: int, device: torch.device, rank: int) -> str:
    """The stage; of several processes the first (`rank` 0) writes what all have trained.

    Returns what there is to say of it.
    """
    columns = ["photo_index", "product_id", "category", "category_levels", "split", "group"]
    listings = pd.read_parquet(LISTINGS, columns=columns).dropna(subset="photo_index")
    classes = sorted(listings["category"].unique())
    categories = pd.Categorical(listings["category"], classes).codes.astype(np.int64)
    photo_index = listings["photo_index"].to_numpy(np.int64)
    rows = {name: np.flatnonzero(listings["split"] == name) for name in ("train", "val", "test")}

    def labels_of(chosen: np.ndarray) -> Labels:
        levels = listings["category_levels"].iloc[chosen]
        return finer_labels(levels, classes, depth=params["levels"], min_rows=MIN_PHOTOS)

    features = np.load(FEATURES, mmap_mode="r")
    photos = PhotoStore(PHOTOS)
    labels = labels_of(rows["train"])
    model = Classifier(params["backbone"], params["weights"], len(labels.names)).to(device)
    batch_size = params["batch_size"]
    learning = {key: params[key] for key in ("momentum", "label_smoothing", "batch_size")}

    def feature_dataset(chosen: np.ndarray, codes: np.ndarray) -> TensorDataset:
        return TensorDataset(
            torch.from_numpy(features[photo_index[chosen]]), torch.from_numpy(codes)
        )

    def head_phase(head: nn.Module, chosen: np.ndarray, of: Labels, evaluate: Callable) -> Phase:
        dataset = feature_dataset(chosen, of.codes)
        return Phase(
            "head",
            head,
            lambda epoch: dataset,
            evaluate,
            params["epochs"],
            [{"params": list(head.parameters()), "lr": params["lr"]}],
            params["weight_decay"],
            micro_batch=batch_size,
        )

    def photo_dataset(
        chosen: np.ndarray, codes: np.ndarray, decode: Callable, **augmentation: Any
    ) -> PhotoDataset:
        return PhotoDataset(photos, decode, photo_index[chosen], codes, **augmentation)

    whole = partial(open_photo, side=photo_size)
    judged = {
        split: (
            feature_dataset(rows[split], categories[rows[split]]),
            photo_dataset(rows[split], categories[rows[split]], whole),
        )
        for split in ("val", "test")
    }

    def by_category(module: nn.Module, split: str) -> np.ndarray:
        """The category probabilities of a split's photos, or by a layer, of their features."""
        of_features, of_photos = judged[split]
        dataset = of_photos if isinstance(module, Classifier) else of_features
        found = predict_labels(module, dataset, batch_size)
        return sum_by_category(found, labels.parents, len(classes))

    def evaluate(module: nn.Module) -> dict[str, float]:
        return loss_and_accuracy(by_category(module, "val"), categories[rows["val"]])

    # Random weights have no edges and colours yet that could stay as they are.
    frozen = params["finetune_frozen"] if params["weights"] == "pretrained" else 0.0
    phases = [
        head_phase(model.head, rows["train"], labels, evaluate),
        Phase(
            "finetune",
            model,
            lambda epoch: photo_dataset(
                rows["train"],
                labels.codes,
                open_photo,
                transform=augment(params["finetune_size"]),
                seed=params["seed"],
                epoch=epoch,
            ),
            evaluate,
            params["finetune_epochs"],
            groups_by_depth(model, params["finetune_lr"], frozen),
            params["finetune_weight_decay"],
            micro_batch=PHOTOS_AT_ONCE,
            mixup=params["finetune_mixup"],
            average=params["finetune_average"],
            shared=dist.is_initialized(),
            amp=bool(int(os.environ.get("AMP", device.type == "cuda"))),
        ),
    ]

    code = Path(__file__).parent
    key = run_key(
        *(LISTINGS, PHOTOS, FEATURES, code / "train_cnn.py", code / "shared"),
        *(params, photo_size, torch.__version__, torch.get_num_threads(), device.type),
        *(phases[-1].amp, dist.get_world_size() if phases[-1].shared else 1),
    )
    every = float(os.environ.get("CHECKPOINT_SECONDS", 60)) if rank == 0 else math.inf
    checkpoint = Checkpoint(RUNS / "checkpoints" / f"{key}.pt", every)
    resumed = checkpoint.load()
    progress = Progress(**resumed["progress"]) if resumed else Progress()
    if resumed and rank == 0:
        click.echo(f"going on from {checkpoint.path}: {progress.phase}, epoch {progress.epoch + 1}")
    if dist.is_initialized():
        dist.barrier()  # nobody saves before everybody has loaded
    board = None
    if rank == 0:
        log = RUNS / "train_cnn" / f"{params['backbone']}-{key}"
        board = SummaryWriter(str(log), purge_step=len(progress.history) + 1)

    def report(row: dict[str, Any]) -> None:
        if board is None:
            return
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
            parents=labels.parents,
            seed=params["seed"],
            **learning,
        )
    final = model if params["finetune_epochs"] else model.head
    found = {split: by_category(final, split) for split in ("val", "test")}
    if board is None:
        return f"process {rank} trained along; process 0 writes"
    show_network(
        board,
        model,
        photos,
        features,
        photo_index[rows["val"]],
        found["val"],
        categories[rows["val"]],
        classes,
    )
    board.close()
    product_ids = listings["product_id"]
    metrics: dict[str, Any] = {
        split: summarise(categories[rows[split]], of, product_ids.iloc[rows[split]])
        for split, of in found.items()
    }
    # Of the last epoch, as its batches were learned from: a second pass over all of the train
    # photos would take as long as half an epoch.
    metrics["train"] = {
        "loss": progress.history[-1]["train_loss"],
        "accuracy": progress.history[-1]["train_accuracy"],
        "macro_f1": macro_f1(np.array(progress.labels), np.array(progress.predicted)),
        "n": len(rows["train"]),
    }

    def new_layer(train: np.ndarray, others: np.ndarray, seed: int) -> np.ndarray:
        """What the first phase alone, fitted on some rows, says of others: (n, classes)."""
        of = labels_of(train)
        torch.manual_seed(seed)
        head = nn.Linear(model.width, len(of.names)).to(device)
        run_phase(
            head_phase(head, train, of, lambda module: {}),
            Progress(),
            None,
            Checkpoint(RUNS / "never", math.inf),
            lambda row: None,
            parents=of.parents,
            seed=seed,
            **learning,
        )
        answers = predict_labels(head, feature_dataset(others, categories[others]), batch_size)
        return sum_by_category(answers, of.parents, len(classes))

    def new_layer_accuracy(train: np.ndarray, test: np.ndarray, seed: int) -> float:
        predicted = new_layer(train, test, seed).argmax(1)
        return float(accuracy_score(categories[test], predicted))

    if params["finetune_epochs"] == 0:
        # Seconds, where fine-tuning a network for each fold would take hours: `classify` learns
        # from these how far to trust a photo.
        found["train"] = np.empty((len(rows["train"]), len(classes)), np.float32)
        groups = listings["group"].iloc[rows["train"]]
        for fitted, left_out in GroupKFold(FOLDS).split(groups, groups=groups):
            found["train"][left_out] = new_layer(
                rows["train"][fitted], rows["train"][left_out], params["seed"]
            )
    if params["epochs"]:
        seeds = range(params["seed"], params["seed"] + SEEDS)
        # What the usual split would have shown: photos drawn at random, as many as in this one.
        metrics["new_layer"] = {
            "test_accuracy": spread(
                [new_layer_accuracy(rows["train"], rows["test"], seed) for seed in seeds]
            ),
            "test_accuracy_if_split_by_photo": spread(
                [
                    new_layer_accuracy(*split_by_photo(rows["train"], rows["test"], seed), seed)
                    for seed in seeds
                ]
            ),
        }
    metrics |= {
        "majority_accuracy": majority_accuracy(categories[rows["train"]], categories[rows["test"]]),
        "epochs": params["epochs"],
        "finetune_epochs": params["finetune_epochs"],
        "backbone": params["backbone"],
        "seed": params["seed"],
    }

    with replace_when_done(OUT) as folder:
        folder.mkdir()
        model.save(folder / "model.safetensors")
        write_json(
            folder / "model.json",
            {
                "backbone": params["backbone"],
                "classes": classes,
                "finetuned": params["finetune_epochs"] > 0,
                "labels": labels.names,
                "parents": labels.parents.tolist(),
                "photo_size": photo_size,
            },
        )
    with replace_when_done(PROBABILITIES) as path:
        parts = []
        for split, of in found.items():
            part = listings.iloc[rows[split]][["product_id", "photo_index", "split"]]
            part[classes] = of
            parts.append(part)
        pd.concat(parts, ignore_index=True).to_parquet(path, index=False)
    with replace_when_done(Path("plots/train_cnn.csv")) as path:
        pd.DataFrame(progress.history).to_csv(path, index=False, float_format="%.6f")
    with replace_when_done(Path("plots/train_cnn_confusion.csv")) as path:
        names_of = np.array(classes)
        pd.DataFrame(
            {
                "actual": names_of[categories[rows["test"]]],
                "predicted": names_of[found["test"].argmax(1)],
            }
        ).to_csv(path, index=False)
    write_json(Path("metrics/train_cnn.json"), metrics)
    checkpoint.remove()
    return (
        f"test accuracy {metrics['test']['accuracy']:.3f} per photo "
        f"({metrics['test']['per_product']['accuracy']:.3f} per product), n={metrics['test']['n']}"
    )


if __name__ == "__main__":
    main()
