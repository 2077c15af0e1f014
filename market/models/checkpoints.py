"""Checkpoints: what an interrupted training needs to resume, saved from time to time."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

import market
from market.core.atomic import replace_when_done


@dataclass
class Progress:
    """How far a training is.

    Attributes
    ----------
    phase
        Name of the current phase.
    epoch, step
        Position in the phase: epochs completed, and steps completed in the current one.
    loss
        Sum of the losses of the current epoch's examples so far.
    predicted, labels
        Predicted and true categories of the current epoch's examples so far.
    history
        A row for each completed epoch of all phases.
    """

    phase: str
    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    predicted: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)

    def start_epoch(self, epoch: int) -> None:
        """Move to the first step of an epoch (counted from 0)."""
        self.epoch, self.step, self.loss, self.predicted, self.labels = epoch, 0, 0.0, [], []


class Checkpoint:
    """A file that holds the state of an unfinished training.

    Parameters
    ----------
    path
        The file. Its name should contain the `run_key` of the training, so that a changed training
        starts anew.
    seconds
        Minimum time between two saves.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self.path, self.seconds = path, seconds
        self.saved_at = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """Return what `save` wrote, with `progress` as a dict, or None if there is no file."""
        if not self.path.exists():
            return None
        return torch.load(self.path, map_location="cpu", weights_only=True)

    @property
    def due(self) -> bool:
        """Whether the last save is long enough ago."""
        return time.monotonic() - self.saved_at >= self.seconds

    def save(self, progress: Progress, **state: Any) -> None:
        """Write the progress and the state of weights, optimizer and so on, by name."""
        with replace_when_done(self.path) as temporary:
            torch.save({"progress": asdict(progress), **state}, temporary)
        self.saved_at = time.monotonic()

    def remove(self) -> None:
        """Delete the file, if there is one: the training is finished."""
        self.path.unlink(missing_ok=True)


def run_key(*contents: Any) -> str:
    """Return 16 hexadecimal digits that identify a training by everything that determines it.

    Parameters
    ----------
    *contents
        Files and folders (as Path), identified by their contents, and other values, by their
        `repr`.
    """
    digest = hashlib.sha256()
    for content in contents:
        if not isinstance(content, Path):
            digest.update(repr(content).encode())
            continue
        for path in sorted(content.rglob("*")) if content.is_dir() else [content]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path).encode())
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def training_key(*contents: Any, device: torch.device) -> str:
    """Return the `run_key` of a training with these inputs, this code and this kind of machine.

    Parameters
    ----------
    *contents
        Input files and folders (as Path), and settings.
    device
        Sums differ in their last digits between kinds of devices.
    """
    package = Path(market.__file__).parent
    code = [package / layer for layer in ("core", "data", "models")]  # models import no others
    machine = (torch.__version__, torch.get_num_threads(), device.type)
    return run_key(*contents, *code, machine)
