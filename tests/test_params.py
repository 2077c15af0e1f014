"""params.yaml is read by key; what is wrong with it is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click import ClickException

from shared.params import load_params

PARAMS = "dataset: sample\ntrain:\n  lr: 0.1\n  deep: {er: [1, 2]}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


def test_one_key_is_a_value_and_more_are_a_tuple() -> None:
    assert load_params("dataset") == "sample"
    assert load_params("train.lr") == 0.1
    assert load_params("train.deep.er", "dataset") == ([1, 2], "sample")
    assert load_params("train") == {"lr": 0.1, "deep": {"er": [1, 2]}}


@pytest.mark.parametrize(
    "key", ["test", "train.momentum", "train.lr.x", "dataset.x", "train.deep.x"]
)
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(ClickException) as error:
        load_params("dataset", key)
    assert f"no {key}:" in error.value.message and "\n" not in error.value.message


@pytest.mark.parametrize("content", [None, "", "- a list\n", "train: [1, 2\nlr: 3\n", "a: b: c\n"])
def test_what_is_no_params_file_is_said_in_one_line(folder: Path, content: str | None) -> None:
    (folder / "params.yaml").unlink()
    if content is not None:
        (folder / "params.yaml").write_text(content)
    with pytest.raises(ClickException) as error:
        load_params("train.lr")
    assert "params.yaml" in error.value.message and "\n" not in error.value.message
