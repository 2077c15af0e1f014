"""A fresh clone elsewhere: other line ends, another remote, the user's own data, another system."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from repository import REPO, commit, contents, init, run
from test_readme import EXAMPLES, execute

POINTER = "data/marketplace/raw.dvc"


def run_examples(page: str, section: str, first: str, last: str, folder: Path) -> None:
    """Run a section's commands, from the one that contains `first` to the one with `last`."""
    examples = [example for example in EXAMPLES if example[:2] == (page, section)]
    start = next(row for row, example in enumerate(examples) if first in example.command)
    stop = next(row for row, example in enumerate(examples) if last in example.command)
    for example in examples[start : stop + 1]:
        execute(example, folder)


# --- Line ends ------------------------------------------------------------------------------------
def test_autocrlf_changes_no_file(tmp_path: Path) -> None:
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    init(origin)
    for path in (".gitattributes", "dvc.yaml", "params.yaml", "docs/search.png"):
        (origin / path).parent.mkdir(exist_ok=True)
        shutil.copy(REPO / path, origin / path)
    shutil.copytree(
        REPO / "stages", origin / "stages", ignore=shutil.ignore_patterns("__pycache__")
    )
    commit(origin)
    run(tmp_path, "git", "-c", "core.autocrlf=true", "clone", "-q", str(origin), str(clone))
    expected = contents(origin)
    tracked = run(clone, "git", "ls-files").stdout.splitlines()
    assert "stages/clean.py" in tracked
    assert {path: (clone / path).read_bytes() for path in tracked} == {
        path: expected[path] for path in tracked
    }


# --- Remotes --------------------------------------------------------------------------------------
@pytest.fixture
def own_data(raw: Path, tmp_path: Path) -> Path:
    """A repository with its own data and the marketplace's pointer, whose data does not exist."""
    repo = tmp_path / "repo"
    init(repo)
    (repo / POINTER).parent.mkdir(parents=True)
    shutil.copy(REPO / POINTER, repo / POINTER)
    shutil.copytree(raw, repo / "data/mine/raw", ignore=shutil.ignore_patterns("*[2-9a-f].jpg"))
    run(repo, "dvc", "add", "data/mine/raw")
    (tmp_path / "remote").mkdir()
    return repo


def test_plain_push_and_pull_work_with_the_users_remote(own_data: Path, tmp_path: Path) -> None:
    run_examples("docs/everyday.md", "A remote of your own", "dvc remote add", "dvc push", own_data)
    commit(own_data)
    clone = tmp_path / "elsewhere/clone"
    clone.parent.mkdir()
    run(tmp_path, "git", "clone", "-q", str(own_data), str(clone))
    run(clone, "dvc", "remote", "add", "--local", "-d", "mine", str(tmp_path / "remote"))
    run(clone, "dvc", "pull")
    assert contents(clone / "data/mine/raw") == contents(own_data / "data/mine/raw")
    run(clone, "dvc", "push")
    assert not (tmp_path / "shared").exists()


def test_marketplace_data_stays_in_its_own_remote(
    own_data: Path, raw: Path, tmp_path: Path
) -> None:
    owner = tmp_path / "owner"
    init(owner)
    shutil.copytree(raw, owner / "data/marketplace/raw")
    (owner / "data/marketplace/raw/Images.csv").write_text("only in the marketplace")
    run(owner, "dvc", "add", "data/marketplace/raw")
    run(owner, "dvc", "push")  # into `shared`, the default remote
    pointer = yaml.safe_load((own_data / POINTER).read_text(encoding="utf-8"))
    pushed = yaml.safe_load((owner / POINTER).read_text(encoding="utf-8"))
    pointer["outs"][0] |= pushed["outs"][0]
    (own_data / POINTER).write_text(yaml.safe_dump(pointer), encoding="utf-8")

    run(own_data, "dvc", "remote", "add", "--local", "-d", "mine", str(tmp_path / "remote"))
    run(own_data, "dvc", "pull", "data/marketplace/raw")
    assert contents(own_data / "data/marketplace/raw") == contents(owner / "data/marketplace/raw")
    run(own_data, "dvc", "push")
    run(own_data, "dvc", "pull")
    objects = [path.read_bytes() for path in (tmp_path / "remote").rglob("*") if path.is_file()]
    assert objects and b"only in the marketplace" not in objects, "the marketplace is not public"


# --- The user's own data ------------------------------------------------------------------------
@pytest.mark.campaign  # 10 to 25 seconds
def test_a_queued_run_finds_the_users_data(
    make_project: Callable[..., Path], raw: Path, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project")
    init(project)
    (project / POINTER).parent.mkdir()
    shutil.copy(REPO / POINTER, project / POINTER)
    commit(project)
    shutil.copytree(raw, tmp_path / "my-listings")
    run_examples("README.md", "Your own data", "mkdir -p data/mine", "dvc add data/mine", project)
    run(project, "dvc", "exp", "run", "--queue", "-S", "dataset=mine", "clean")
    output = run(project, "dvc", "exp", "run", "--run-all").stdout
    assert "Ran experiment(s)" in output and "ERROR" not in output, output


# --- Another system -------------------------------------------------------------------------------
# macOS and Windows lack this name; mypy for Windows finds the others. More cannot be removed here:
# torch uses them wherever sys.platform is "linux".
ABSENT = "import os\ndel os.posix_fallocate\n"


def test_embed_needs_no_posix_fallocate(ran: Path, run_stage: Callable, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(ran, project, ignore=shutil.ignore_patterns("raw", "runs", "__pycache__"))
    (project / "data/embeddings/photo.npy").unlink()
    (tmp_path / "system").mkdir()
    (tmp_path / "system/sitecustomize.py").write_text(ABSENT, encoding="utf-8")
    run_stage(project, "embed_photos", PYTHONPATH=str(tmp_path / "system"))
    written, expected = (np.load(folder / "data/embeddings/photo.npy") for folder in (project, ran))
    np.testing.assert_array_equal(written, expected)


def test_lint_finds_names_that_windows_lacks() -> None:
    recipe = run(REPO, "make", "-n", "--assume-old=.venv/.installed", "lint").stdout
    assert "mypy --platform win32" in recipe
