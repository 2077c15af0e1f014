"""The training loop: it learns, it is reproducible, and it resumes wherever it was interrupted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from market.models.batches import predict_probabilities
from market.models.checkpoints import Checkpoint, Progress
from market.models.metrics import loss_and_accuracy
from market.models.photo_training import shuffled
from market.models.training import HISTORY, Phase, epoch_message, run_phases, write_history

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
EPOCHS, STEPS = 5, 15  # steps of an epoch


def separable(n: int = 240) -> TensorDataset:
    """Three classes of points in 8 dimensions."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 3
    noise = torch.randn(n, 8, generator=generator)
    return TensorDataset(4 * nn.functional.one_hot(labels, 8) + noise, labels)


def new_phase(name: str = "head", *, seed: int = 0, epochs: int = EPOCHS, **options: Any) -> Phase:
    """A phase that trains a layer behind dropout, which draws from torch's generator."""
    torch.manual_seed(0)
    module, data = nn.Sequential(nn.Dropout(0.2), nn.Linear(8, 3)), separable()

    def evaluate() -> dict[str, float]:
        probabilities = predict_probabilities(module, data, 50)
        return loss_and_accuracy(probabilities, data.tensors[1].numpy())

    return Phase(
        name=name,
        module=module,
        optimizer=torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9, nesterov=True),
        epochs=epochs,
        evaluate=evaluate,
        label_smoothing=0.0,
        **shuffled(lambda epoch: data, 16, name, seed, CPU),
        **{"parents": np.arange(3), **options},
    )


def train(checkpoint: Checkpoint | None = None, **options: Any) -> tuple[nn.Module, list[dict]]:
    phase = new_phase(**options)
    reported: list[dict[str, Any]] = []
    progress = run_phases([phase], checkpoint, report=reported.append)
    assert reported == progress.history
    return phase.module, progress.history


def weight_of(module: nn.Module) -> torch.Tensor:
    return module.state_dict()["1.weight"]


def test_a_phase_learns_separable_classes() -> None:
    module, history = train()
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5]
    assert history[-1]["val_accuracy"] > 0.95 and history[-1]["train_accuracy"] > 0.8
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    inputs, labels = separable().tensors
    accuracy = (module(inputs).argmax(1) == labels).float().mean().item()
    assert history[-1]["val_accuracy"] == pytest.approx(accuracy)


def test_the_seed_determines_every_weight() -> None:
    weights = [weight_of(train(epochs=2, seed=seed)[0]) for seed in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("micro_batch", [5, 1, 100])
def test_the_gradients_of_parts_add_up_to_that_of_the_batch(micro_batch: int) -> None:
    def without_dropout(micro_batch: int | None) -> tuple[nn.Module, list[dict]]:
        phase = new_phase(micro_batch=micro_batch)
        phase.module[0].p = 0.0  # type: ignore[index]
        return phase.module, run_phases([phase]).history

    whole, expected = without_dropout(None)
    parts, history = without_dropout(micro_batch)
    torch.testing.assert_close(weight_of(parts), weight_of(whole), rtol=1e-4, atol=1e-5)
    for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
        values = [row[name] for row in expected]
        assert [row[name] for row in history] == pytest.approx(values, rel=1e-4)


def test_accuracy_is_that_of_the_categories() -> None:
    _, history = train(parents=np.zeros(3, int))
    assert [row["train_accuracy"] for row in history] == [1.0] * EPOCHS


def test_long_gradients_of_all_weights_are_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[set[int], float]] = []
    clip_grad_norm_ = nn.utils.clip_grad_norm_

    def clip(weights: Any, norm: float) -> torch.Tensor:
        calls.append(({id(weight) for weight in weights}, norm))
        return clip_grad_norm_(weights, norm)

    monkeypatch.setattr(nn.utils, "clip_grad_norm_", clip)
    module, _ = train(epochs=1, max_gradient_norm=0.5)
    assert calls == [({id(weight) for weight in module.parameters()}, 0.5)] * STEPS
    calls.clear()
    train(epochs=1)
    assert not calls


# --- Resuming -------------------------------------------------------------------------------------
class Mortal(Checkpoint):
    """Saves after each step, and interrupts the training after `steps` of them."""

    def __init__(self, path: Path, steps: float = math.inf) -> None:
        super().__init__(path, 0)
        self.steps = steps

    def save(self, progress: Progress, **state: Any) -> None:
        super().save(progress, **state)
        self.steps -= 1
        if self.steps == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("steps", [1, 14, 15, 16, 44, 75])
def test_a_phase_interrupted_anywhere_ends_with_the_same_weights(
    tmp_path: Path, steps: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(Mortal(tmp_path / "checkpoint.pt", steps))
    torch.manual_seed(99)  # the checkpoint, not the process, holds the state of the generator
    module, history = train(Mortal(tmp_path / "checkpoint.pt"))
    whole, expected = train()
    assert history == expected
    assert torch.equal(weight_of(module), weight_of(whole))


@pytest.mark.parametrize("steps", [7, 30, 31, 45])
def test_phases_resume_in_the_interrupted_one(tmp_path: Path, steps: int) -> None:
    def run(checkpoint: Checkpoint | None = None, **callbacks: Any) -> tuple[list[Phase], Progress]:
        phases = [new_phase("first", epochs=2), new_phase("second", epochs=1)]
        return phases, run_phases(phases, checkpoint, **callbacks)

    with pytest.raises(KeyboardInterrupt):
        run(Mortal(tmp_path / "checkpoint.pt", steps))
    messages: list[str] = []
    rows: list[dict[str, Any]] = []
    resumed, progress = run(
        Mortal(tmp_path / "checkpoint.pt"), report=rows.append, announce=messages.append
    )
    phase = "first" if steps <= 30 else "second"
    assert len(messages) == 1 and f"checkpoint.pt: {phase}, epoch" in messages[0]
    phases, expected = run()
    assert rows == progress.history == expected.history
    assert [row["phase"] for row in rows] == ["first", "first", "second"]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert torch.equal(weight_of(resumed[1].module), weight_of(phases[1].module))


def test_a_checkpoint_waits_between_saves(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", 1000)
    train(checkpoint, epochs=1)
    assert not checkpoint.path.exists() and checkpoint.load() is None
    checkpoint.remove()


# --- The history ----------------------------------------------------------------------------------
def test_the_history_is_a_table_with_a_row_for_each_epoch(tmp_path: Path) -> None:
    _, history = train(epochs=2)
    write_history(tmp_path / "history.csv", history)
    table = pd.read_csv(tmp_path / "history.csv")
    assert table.columns.tolist() == HISTORY and table["epoch"].tolist() == [1, 2]
    assert epoch_message(history[0]).startswith("epoch 1: loss ")
    write_history(tmp_path / "empty.csv", [])
    assert pd.read_csv(tmp_path / "empty.csv").columns.tolist() == HISTORY


def test_inputs_may_be_lists() -> None:
    class Lengths(nn.Module):
        """Reads lists of numbers, as the text network reads tokens."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 2)

        def forward(self, texts: list[list[int]]) -> torch.Tensor:
            return self.layer(torch.tensor([[float(len(text))] for text in texts]))

    def batches(epoch: int, start: int) -> Iterator[tuple[list[list[int]], torch.Tensor]]:
        for _ in range(start, 4):
            yield [[1], [1, 2, 3], [1]], torch.tensor([0, 1, 0])

    module = Lengths()
    phase = Phase(
        name="lists",
        module=module,
        optimizer=torch.optim.AdamW(module.parameters(), lr=0.5),
        epochs=20,
        steps_per_epoch=4,
        batches=batches,
        parents=np.arange(2),
        evaluate=lambda: {},
        label_smoothing=0.0,
        micro_batch=2,
    )
    assert run_phases([phase]).history[-1]["train_accuracy"] == 1.0
