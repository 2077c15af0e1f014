"""An output is whole or absent: never half of one."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from market.core.atomic import replace_when_done, write_json


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(path: Path, content: str, *, as_folder: bool) -> None:
    if as_folder:
        path.mkdir()
        (path / content).write_text(content)
    else:
        path.write_text(content)


def content_of(path: Path) -> list[str]:
    return names(path) if path.is_dir() else [path.read_text()]


@pytest.mark.parametrize("as_folder", [False, True])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_content(
    tmp_path: Path, as_folder: bool, error: type[BaseException]
) -> None:
    out = tmp_path / "out"
    fill(out, "old", as_folder=as_folder)
    with pytest.raises(error), replace_when_done(out) as temporary:
        fill(temporary, "new", as_folder=as_folder)
        raise error
    assert content_of(out) == ["old"]
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_is_replaced_whole(tmp_path: Path, exists: bool) -> None:
    out = tmp_path / "deep/out"
    if exists:
        out.parent.mkdir()
        fill(out, "old", as_folder=True)
    with replace_when_done(out) as temporary:
        fill(temporary, "new", as_folder=True)
    assert content_of(out) == ["new"]
    assert names(out.parent) == ["out"]


@pytest.mark.parametrize("was_folder", [False, True])
def test_a_file_replaces_a_file_or_a_folder(tmp_path: Path, was_folder: bool) -> None:
    out = tmp_path / "out"
    fill(out, "old", as_folder=was_folder)
    with replace_when_done(out) as temporary:
        assert content_of(out) == ["old"], "until the block ends"
        fill(temporary, "new", as_folder=False)
    assert content_of(out) == ["new"]


@pytest.mark.parametrize("left_folder", [False, True])
def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path, left_folder: bool) -> None:
    out = tmp_path / "out"
    with replace_when_done(out) as temporary:
        fill(temporary, "first", as_folder=False)
    fill(temporary, "left", as_folder=left_folder)
    with replace_when_done(out) as temporary:
        assert not temporary.exists()
        fill(temporary, "second", as_folder=False)
    assert content_of(out) == ["second"]
    assert names(tmp_path) == ["out"]


def test_json_is_sorted_and_readable(tmp_path: Path) -> None:
    write_json(tmp_path / "new/metrics.json", {"b": 1, "a": {"z": 0.5, "y": "£"}})
    text = (tmp_path / "new/metrics.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": {"y": "£", "z": 0.5}, "b": 1}
    assert text.index('"a"') < text.index('"y": "£"') < text.index('"z"') < text.index('"b"')
    assert text.endswith("}\n")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_json_lacks_is_refused(tmp_path: Path, value: float) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"loss": 1.0})
    with pytest.raises(ValueError):
        write_json(path, {"loss": value})
    assert json.loads(path.read_text()) == {"loss": 1.0}
    assert names(tmp_path) == ["metrics.json"]
