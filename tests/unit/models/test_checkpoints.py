"""Names of trainings: made of everything that determines one."""

from __future__ import annotations

from pathlib import Path

import torch

from market.models.checkpoints import run_key, training_key


def test_the_key_changes_with_contents_and_values(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_text("one")
    key = run_key(folder, {"lr": 0.1})
    assert run_key(folder, {"lr": 0.1}) == key
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/a.pyc").write_text("compiled")
    assert run_key(folder, {"lr": 0.1}) == key
    assert run_key(folder, {"lr": 0.2}) != key
    (folder / "a").write_text("two")
    assert run_key(folder, {"lr": 0.1}) != key


def test_a_training_depends_on_the_kind_of_device() -> None:
    keys = {training_key({"lr": 0.1}, device=torch.device(name)) for name in ("cpu", "cuda")}
    assert len(keys) == 2
