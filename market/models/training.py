"""The training loop of a classifier: phases of SGD, checkpoints, and torchrun's processes.

What is drawn at random depends on the seed, the epoch and the place of a photo or a part of a batch
alone: not on loader workers, on how many processes share a phase, or on where an interrupted run
began again.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from sklearn.metrics import accuracy_score
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import BatchSampler, DataLoader, Dataset, TensorDataset

WARM_UP = 0.1  # share of a phase's steps in which the learning rate rises


# --- Where a training stands ----------------------------------------------------------------------
@dataclass
class Progress:
    """Where a training stands: with the weights and the optimizer, all that a checkpoint holds."""

    phase: str
    epoch: int = 0
    step: int = 0
    loss: float = 0.0  # summed over the photos of this epoch so far
    predicted: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)

    def start_epoch(self, epoch: int) -> None:
        self.epoch, self.step, self.loss, self.predicted, self.labels = epoch, 0, 0.0, [], []


class Checkpoint:
    """Saves a training every so many seconds under a name made of all that determines it.

    `replace` yields a temporary path that becomes the one given when all is written:
    `market.core.atomic.replace_when_done`.
    """

    def __init__(
        self, path: Path, seconds: float, replace: Callable[[Path], AbstractContextManager[Path]]
    ) -> None:
        self.path, self.seconds, self.replace = path, seconds, replace
        self.saved_at = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        if not self.path.exists():
            return None
        return torch.load(self.path, map_location="cpu", weights_only=True)

    def save(self, progress: Progress, **state: Any) -> None:
        if time.monotonic() - self.saved_at < self.seconds:
            return
        content = {"progress": asdict(progress), **state}
        with self.replace(self.path) as temporary:
            torch.save(content, temporary)
        self.saved_at = time.monotonic()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


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


# --- A phase --------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of a training: what learns, from which dataset, how fast."""

    name: str
    module: nn.Module
    dataset: Callable[[int], Dataset]  # of an epoch: its augmentation is drawn anew
    parents: np.ndarray  # (labels,) the category of each label that the dataset gives
    evaluate: Callable[[nn.Module], dict[str, float]]  # loss, accuracy on the validation products
    epochs: int
    batch_size: int
    micro_batch: int  # a batch's gradient is summed up from parts of this many, mixed by themselves
    groups: list[dict[str, Any]]  # of `params`, each with its `lr`
    momentum: float
    weight_decay: float
    label_smoothing: float
    mixup: float = 0.0  # alpha of the Beta distribution that two photos are mixed by; 0: not
    average: float = 0.0  # decay of the moving average of the weights, which is the result; 0: none
    shared: bool = False  # whether a batch's parts are dealt out among torchrun's processes
    amp: bool = False  # whether to compute in bfloat16 where that is safe
    seed: int

    @property
    def steps(self) -> int:
        """The steps of all epochs together."""
        return self.epochs * self.steps_per_epoch

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.dataset(0)) // self.batch_size)  # type: ignore[arg-type]


def run_phase(
    phase: Phase,
    progress: Progress,
    *,
    resumed: dict[str, Any] | None = None,
    checkpoint: Checkpoint | None = None,
    report: Callable[[dict[str, Any]], object] = lambda row: None,
    advance: Callable[[int], object] = lambda steps: None,
) -> None:
    """Train `phase.module` by SGD on cross-entropy from where `progress` stands to its end.

    Appends to `progress.history` a row for each epoch: the train figures are those of the batches
    as they were learned from (augmented, before their step), the val figures those at its end.
    Accuracy is that of the categories, not of the labels. `phase.epochs` is at least 1.

    `resumed` is what a checkpoint of this phase held, `checkpoint` saves after a step. `report`
    gets each row, `advance` how many more steps are done: for a bar.
    """
    trainer = _Trainer(phase, resumed)
    advance(progress.epoch * phase.steps_per_epoch + progress.step)
    for epoch in range(progress.epoch, phase.epochs):
        if epoch != progress.epoch or resumed is None:
            progress.start_epoch(epoch)
        trainer.train_epoch(progress, checkpoint, advance)
        resumed = None
        row = {
            "epoch": len(progress.history) + 1,
            "phase": phase.name,
            "train_loss": progress.loss / len(progress.labels),
            "train_accuracy": accuracy_score(progress.labels, progress.predicted),
            **{f"val_{name}": value for name, value in phase.evaluate(trainer.result()).items()},
        }
        progress.history.append(row)
        report(row)
    if trainer.averaged is not None:
        phase.module.load_state_dict(trainer.result().state_dict())


class _Trainer:
    """A phase's module with all that changes beside it: optimizer, schedule, moving average."""

    def __init__(self, phase: Phase, resumed: dict[str, Any] | None) -> None:
        self.phase = phase
        self.device = next(phase.module.parameters()).device
        self.rank, self.ranks = _rank_of_ranks(phase.shared)
        self.optimizer = torch.optim.SGD(
            phase.groups, momentum=phase.momentum, weight_decay=phase.weight_decay, nesterov=True
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            [group["lr"] for group in phase.groups],
            phase.steps,
            pct_start=WARM_UP,
            cycle_momentum=False,
        )
        self.averaged: AveragedModel | None = None
        if phase.average:
            average = get_ema_multi_avg_fn(phase.average)
            self.averaged = AveragedModel(phase.module, multi_avg_fn=average, use_buffers=True)
        if resumed is not None:
            for name, of in self._stateful().items():
                of.load_state_dict(resumed[name])
        # After that, as DDP gives every process the weights that the first one has by now.
        several = self.ranks > 1
        self.model: Any = DistributedDataParallel(phase.module) if several else phase.module
        self.loss = nn.CrossEntropyLoss(label_smoothing=phase.label_smoothing, reduction="sum")
        self.mixup = mixup(phase.mixup, len(phase.parents)) if phase.mixup else None

    def _stateful(self) -> dict[str, Any]:
        """What a checkpoint holds the state of, by the name it has there."""
        always = {
            "module": self.phase.module,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }
        return always if self.averaged is None else {**always, "averaged": self.averaged}

    def result(self) -> nn.Module:
        """The module whose weights count: the moving average, if there is one."""
        return self.phase.module if self.averaged is None else self.averaged.module

    def train_epoch(
        self, progress: Progress, checkpoint: Checkpoint | None, advance: Callable[[int], object]
    ) -> None:
        """Take the steps of `progress.epoch` that are left of it."""
        self.model.train()
        for size, inputs, labels in self.batches(progress.epoch, progress.step):
            self.optimizer.zero_grad(set_to_none=True)
            loss, predicted = self.backward(inputs, labels, size, progress.epoch, progress.step)
            known = self.phase.parents[labels.numpy()].tolist()
            for of_loss, of_predicted, of_known in self.gather((loss, predicted, known), size):
                progress.loss += of_loss
                progress.predicted += of_predicted
                progress.labels += of_known
            self.optimizer.step()
            self.schedule.step()
            if self.averaged is not None:
                self.averaged.update_parameters(self.phase.module)
            progress.step += 1
            advance(1)
            if checkpoint is not None:
                state = {name: of.state_dict() for name, of in self._stateful().items()}
                checkpoint.save(progress, **state)

    def batches(self, epoch: int, step: int) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
        """The size of each batch of an epoch from `step` on, and this process's share of it."""
        dataset: Any = self.phase.dataset(epoch)
        generator = np.random.default_rng(_seed(self.phase.seed, self.phase.name, epoch, "order"))
        order = generator.permutation(len(dataset))[step * self.phase.batch_size :].tolist()
        batches = list(BatchSampler(order, self.phase.batch_size, False))
        mine = [deal(batch, self.phase.micro_batch, self.rank, self.ranks) for batch in batches]
        loaded = load_batches(dataset, mine, self.device)
        for batch, (inputs, labels) in zip(batches, loaded, strict=True):
            yield len(batch), inputs, labels

    def backward(
        self, inputs: torch.Tensor, labels: torch.Tensor, size: int, epoch: int, step: int
    ) -> tuple[float, list[int]]:
        """Add up the gradient of this process's share of a batch of `size`, part by part.

        Returns its summed loss and its predicted categories.
        """
        micro_batch = self.phase.micro_batch
        inputs_of = inputs.to(self.device, non_blocking=True).split(micro_batch)
        labels_of = labels.to(self.device, non_blocking=True).split(micro_batch)
        # Of a last batch with fewer parts, some have a stand-in only.
        counted = 1.0 if self.rank < self.working(size) else 0.0
        total, predicted = 0.0, []
        for part, (some, of_some) in enumerate(zip(inputs_of, labels_of, strict=True)):
            # What is drawn (mixed photos, dropped blocks) depends on the part's place alone:
            # not on who learns from it, nor on where an interrupted run began again.
            place = part * self.ranks + self.rank
            torch.manual_seed(_seed(self.phase.seed, self.phase.name, epoch, step, place))
            if self.mixup is not None:
                some, of_some = self.mixup(some.float(), of_some)
            # Processes add up their gradients once for each batch, not for each part of it.
            alone = self.ranks > 1 and part < len(inputs_of) - 1
            with self.model.no_sync() if alone else nullcontext():
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self.phase.amp):
                    logits = self.model(some)
                loss = self.loss(logits.float(), of_some) * counted
                # `ranks`: DDP takes the mean over the processes, and this is to be their sum.
                (loss * self.ranks / size).backward()
            total += loss.item()
            predicted += self.phase.parents[logits.detach().argmax(1).cpu().numpy()].tolist()
        return total, predicted

    def working(self, size: int) -> int:
        """How many processes have a part of a batch of `size`, if so many run."""
        return -(-size // self.phase.micro_batch)

    def gather(self, answer: Any, size: int) -> list[Any]:
        """Each process's answer about its share of a batch of `size`, but for the stand-ins'."""
        if not self.phase.shared:
            return [answer]
        answers: list[Any] = [None] * self.ranks
        dist.all_gather_object(answers, answer)
        return answers[: self.working(size)]


# --- Batches --------------------------------------------------------------------------------------
def deal(batch: list[int], size: int, rank: int, ranks: int) -> list[int]:
    """What process `rank` of `ranks` learns from: every so many-th part of `size`; never none."""
    parts = [batch[start : start + size] for start in range(0, len(batch), size)]
    return [position for part in parts[rank::ranks] or parts[:1] for position in part]


def load_batches(dataset: Dataset, batches: list[list[int]], device: torch.device) -> Iterator:
    """These batches of positions in a dataset, for a network on `device`.

    LOADER_WORKERS (1) processes load ahead what is read item by item.
    """
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


def _seed(*parts: int | str) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")


# --- Prediction -----------------------------------------------------------------------------------
def predict_labels(
    module: nn.Module, dataset: Dataset, batch_size: int, *, shared: bool = False
) -> np.ndarray:
    """Return (n, labels) float32 probabilities for a whole dataset, in its order.

    If `shared`, all of torchrun's processes compute them together, and each gets all of them.
    """
    rank, ranks = _rank_of_ranks(shared)
    device = next(module.eval().parameters()).device
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


# --- torchrun's processes -------------------------------------------------------------------------
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


def _rank_of_ranks(shared: bool) -> tuple[int, int]:
    """Which process this is, and of how many; of one, where each works for itself."""
    return (dist.get_rank(), dist.get_world_size()) if shared else (0, 1)
