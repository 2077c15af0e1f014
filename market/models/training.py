"""The training loop of the photo and the text classifiers: phases, progress, resuming.

A resumed training ends with the same weights, bit for bit, as an uninterrupted one: a checkpoint
holds the state of the random generator too, and the order of the batches depends on the seed and
the epoch alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import accuracy_score
from torch import nn

from market.core.atomic import replace_when_done
from market.core.paths import RUNS
from market.core.stage import progress as progress_bar
from market.models.checkpoints import Checkpoint, Progress

WARM_UP = 0.1  # share of a phase's steps in which the learning rate rises
HISTORY = ["epoch", "phase", "train_loss", "train_accuracy", "val_loss", "val_accuracy"]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of a training: the weights that learn, their batches and their optimizer.

    Attributes
    ----------
    name
        Appears in the progress bar, the history and the checkpoint.
    module
        Gives logits (n, labels) for the inputs of a batch.
    optimizer
        Its learning rates are the highest of a one-cycle schedule (Smith and Topin, 2019).
    epochs
        At least 1.
    steps_per_epoch
        Number of batches.
    batches
        Called with an epoch (from 0) and its first step (from 0); gives the inputs and the labels
        of each batch from that step on: int64 (n,), on the CPU.
    parents
        (labels,) the category of each label: accuracy is that of the categories.
    evaluate
        Returns `loss` and `accuracy` on the validation set; called after each epoch.
    label_smoothing
        Of the cross-entropy.
    micro_batch
        A batch's gradient is summed over parts of this many examples, to save memory; None computes
        the whole batch at once.
    max_gradient_norm
        A longer gradient of all weights together is scaled down to this norm; None: never.
    """

    name: str
    module: nn.Module
    optimizer: torch.optim.Optimizer
    epochs: int
    steps_per_epoch: int
    batches: Callable[[int, int], Iterable[tuple[Any, torch.Tensor]]]
    parents: np.ndarray
    evaluate: Callable[[], dict[str, float]]
    label_smoothing: float
    micro_batch: int | None = None
    max_gradient_norm: float | None = None


def new_checkpoint(key: str) -> Checkpoint:
    """Return the checkpoint of the training with this `run_key`, in runs/checkpoints.

    The environment variable CHECKPOINT_SECONDS (default 60) is the time between two saves.
    """
    seconds = float(os.environ.get("CHECKPOINT_SECONDS", 60))
    return Checkpoint(RUNS / "checkpoints" / f"{key}.pt", seconds)


def run_phases(
    phases: list[Phase],
    checkpoint: Checkpoint | None = None,
    *,
    report: Callable[[dict[str, Any]], object] = lambda row: None,
    announce: Callable[[str], object] = lambda message: None,
) -> Progress:
    """Train phase after phase, from the checkpoint if it exists, else from the start.

    Parameters
    ----------
    phases
        At least one; their modules may share weights.
    checkpoint
        Loaded at the start and saved after steps; None trains without one.
    report
        Called with each row of the history: when its epoch ends, or on resuming.
    announce
        Called with a message if the training resumes.

    Returns
    -------
    Progress
        Its history has a row for each epoch: `epoch` (from 1, over all phases), `phase`,
        `train_loss`, `train_accuracy` (of the batches as they were trained on, before their step)
        and what `evaluate` returned, as `val_…`.
    """
    saved = checkpoint.load() if checkpoint else None
    progress = Progress(**saved["progress"]) if saved else Progress(phases[0].name)
    if saved and checkpoint:
        announce(f"resuming from {checkpoint.path}: {progress.phase}, epoch {progress.epoch + 1}")
    for row in progress.history:
        report(row)
    names = [phase.name for phase in phases]
    for phase in phases[names.index(progress.phase) :]:
        if progress.phase != phase.name:
            progress.phase, saved = phase.name, None
            progress.start_epoch(0)
        _Trainer(phase, saved).run(progress, checkpoint, report)
    return progress


def write_history(path: Path, history: list[dict[str, Any]]) -> None:
    """Write the history of `run_phases` as a CSV table, with 6 decimals."""
    with replace_when_done(path) as temporary:
        table = pd.DataFrame(history, columns=HISTORY)
        table.to_csv(temporary, index=False, float_format="%.6f")


def epoch_message(row: dict[str, Any]) -> str:
    """Return a line for the user about an epoch, a row of the history."""
    return (
        f"epoch {row['epoch']}: loss {row['train_loss']:.3f}, "
        f"validation accuracy {row['val_accuracy']:.3f}"
    )


class _Trainer:
    """Runs one phase: its module, its optimizer and its schedule."""

    def __init__(self, phase: Phase, saved: dict[str, Any] | None) -> None:
        self.phase = phase
        self.device = next(phase.module.parameters()).device
        self.weights = [
            weight for group in phase.optimizer.param_groups for weight in group["params"]
        ]
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            phase.optimizer,
            [group["lr"] for group in phase.optimizer.param_groups],
            phase.epochs * phase.steps_per_epoch,
            pct_start=WARM_UP,
            cycle_momentum=False,
        )
        # Parts of unequal size add up by their sums, not by their means.
        reduction = "sum" if phase.micro_batch else "mean"
        self.loss = nn.CrossEntropyLoss(label_smoothing=phase.label_smoothing, reduction=reduction)
        self.resumed = saved is not None
        if saved is not None:
            for name, part in self.stateful().items():
                part.load_state_dict(saved[name])
            _set_random_state(saved["random_state"], self.device)

    def stateful(self) -> dict[str, Any]:
        """Return the objects whose state a checkpoint holds, by their key in it."""
        return {
            "module": self.phase.module,
            "optimizer": self.phase.optimizer,
            "schedule": self.schedule,
        }

    def run(
        self,
        progress: Progress,
        checkpoint: Checkpoint | None,
        report: Callable[[dict[str, Any]], object],
    ) -> None:
        """Train to the end of the phase; append a row to the history for each epoch."""
        phase = self.phase
        done = progress.epoch * phase.steps_per_epoch + progress.step
        total = phase.epochs * phase.steps_per_epoch
        with progress_bar(total=total, desc=phase.name, unit="step") as bar:
            bar.update(done)
            for epoch in range(progress.epoch, phase.epochs):
                if not self.resumed:
                    progress.start_epoch(epoch)
                self.resumed = False
                self.train_epoch(progress, checkpoint, bar.update)
                row = {
                    "epoch": len(progress.history) + 1,
                    "phase": phase.name,
                    "train_loss": progress.loss / len(progress.labels),
                    "train_accuracy": accuracy_score(progress.labels, progress.predicted),
                    **{f"val_{name}": value for name, value in phase.evaluate().items()},
                }
                progress.history.append(row)
                report(row)

    def train_epoch(
        self, progress: Progress, checkpoint: Checkpoint | None, advance: Callable[[int], object]
    ) -> None:
        """Take the remaining steps of `progress.epoch`."""
        phase = self.phase
        phase.module.train()
        for inputs, labels in phase.batches(progress.epoch, progress.step):
            loss, predicted = self.take_step(inputs, labels)
            progress.loss += loss
            progress.predicted += predicted
            progress.labels += phase.parents[labels.numpy()].tolist()
            progress.step += 1
            advance(1)
            if checkpoint is not None and checkpoint.due:
                state = {name: part.state_dict() for name, part in self.stateful().items()}
                checkpoint.save(progress, random_state=_random_state(self.device), **state)

    def take_step(self, inputs: Any, labels: torch.Tensor) -> tuple[float, list[int]]:
        """Learn from one batch; return its summed loss and its predicted categories."""
        phase, size = self.phase, len(labels)
        part_size = phase.micro_batch or size
        labels = labels.to(self.device, non_blocking=True)
        # What the loss must be divided by to be the batch's mean, and multiplied by to be its sum.
        divisor, factor = (size, 1) if phase.micro_batch else (1, size)
        total, predicted = 0.0, []
        phase.optimizer.zero_grad(set_to_none=True)
        for start in range(0, size, part_size):
            part = slice(start, start + part_size)
            logits = phase.module(inputs[part])
            loss = self.loss(logits, labels[part])
            (loss / divisor).backward()
            total += loss.item() * factor
            predicted += phase.parents[logits.detach().argmax(1).cpu().numpy()].tolist()
        if phase.max_gradient_norm is not None:
            nn.utils.clip_grad_norm_(self.weights, phase.max_gradient_norm)
        phase.optimizer.step()
        self.schedule.step()
        return total, predicted


def _random_state(device: torch.device) -> torch.Tensor:
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    return torch.mps.get_rng_state() if device.type == "mps" else torch.get_rng_state()


def _set_random_state(state: torch.Tensor, device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    elif device.type == "mps":
        torch.mps.set_rng_state(state)
    else:
        torch.set_rng_state(state)
