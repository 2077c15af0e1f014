"""A tiny raw marketplace, a project around it, and that project with every stage run."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from cluster import INITDB, Cluster, cluster
from filelock import FileLock
from raw_input import ORIGINAL

from market.core import paths
from market.core.paths import DVC_FILES
from market.data.synthetic.marketplace import write_marketplace
from market.search.engine import Engine

REPO = Path(__file__).parent.parent
PRODUCTS, SEED = 60, 1

# Tests run side by side: one thread each is faster than threads that wait for one another.
os.environ |= {
    "DVC_NO_ANALYTICS": "1",
    "LOADER_WORKERS": "0",
    "OMP_NUM_THREADS": "1",
    "TORCH_THREADS": "1",
    "WORKERS": "1",
}
# `python` in dvc.yaml must be this one.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

STAGES = (
    "check",
    "clean",
    "merge",
    "classify_rf",
    "embed_photos",
    "embed_texts",
    "train_cnn",
    "train_text",
    "classify",
    "regress",
    "index",
    "rank",
    "evaluate",
    "report",
)

# Small and fast; and fixed, where a test relies on a value that params.yaml is there to change.
SMALL = {
    "dataset": "sample",
    **{f"input.{name}": value for name, value in ORIGINAL.items()},
    "sample.products": PRODUCTS,
    "sample.seed": SEED,
    "clean.photo_size": 64,
    "clean.array_size": 56,
    "clean.min_side": 8,
    "clean.max_megapixels": 50,
    "merge.folds": 5,
    "merge.val_folds": 1,
    "merge.test_folds": 2,
    "embed_photos.photo_size": 64,
    "classify_rf.n_estimators": 10,
    "train.backbone": "efficientnet_lite0",
    "train.weights": "pretrained",
    "train.epochs": 3,
    "train.finetune_epochs": 1,
    "train.finetune_photo_size": 64,
    "train.label_depth": 2,
    "regress.n_estimators": 20,
    "index.n_components": 16,
    "rank.known_items": 10,
    "rank.max_users": 6,
    "evaluate.max_users": 6,
    "train.batch_size": 16,
    "train_text.epochs": 1,
    "train_text.max_tokens": 16,
    "train_text.frozen_layers": 5,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of two processes one makes `reproduced` and one `ran`, a minute or two each: what needs
    neither comes next, so that nobody waits; then the groups, which cannot be shared out."""
    slow = ("reproduced", "ran")
    makers = [next((i for i in items if name in _fixtures(i)), None) for name in slow]

    def turn(item: pytest.Item) -> int:
        if item in makers:
            return 0
        if not _fixtures(item) & {*slow}:
            return 1
        return 2 if item.get_closest_marker("xdist_group") else 3

    items.sort(key=turn)


def _fixtures(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return once(name, build): the folder that `build` filled, once for all xdist workers.

    It is shared: whoever changes it must copy it first.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def get(name: str, build: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with FileLock(f"{folder}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                build(folder)
                done.touch()
        return folder

    return get


@pytest.fixture(scope="session")
def raw(once: Callable[..., Path]) -> Path:
    """A raw folder: 60 products, their photos, every trap."""
    return once("raw", lambda folder: write_marketplace(folder, PRODUCTS, SEED))


@pytest.fixture(scope="session")
def make_project(raw: Path) -> Callable[..., Path]:
    """Return make_project(folder, {"train.epochs": 4}): a small copy of the project in `folder`."""

    def make(folder: Path, changes: dict[str, Any] | None = None) -> Path:
        for code in ("market", "stages"):
            shutil.copytree(
                REPO / code, folder / code, ignore=shutil.ignore_patterns("__pycache__")
            )
        shutil.copytree(REPO / "results", folder / "results")
        params = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))
        for key, value in {**SMALL, **(changes or {})}.items():
            section, _, name = key.rpartition(".")
            (params[section] if section else params)[name] = value
        (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        shutil.copytree(raw, folder / "data/sample/raw")
        for file in DVC_FILES:
            shutil.copy(REPO / file, folder / file)
        return folder

    return make


def _run_stage(
    project: Path, stage: str, *args: str | Path, check: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [sys.executable, f"stages/{stage}.py", *map(str, args)],
        cwd=project,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if check:
        assert result.returncode == 0, result.stderr
    return result


@pytest.fixture(scope="session")
def run_stage() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return run_stage(project, "clean", *args, check=True, WORKERS="2"): a stage as a script."""
    return _run_stage


@pytest.fixture(scope="session")
def ran(once: Callable[..., Path], make_project: Callable[..., Path]) -> Path:
    """A project in which every stage has run. Only to be read.

    All in this process, which has imported what they need: `reproduced` runs them as scripts.
    """

    def build(folder: Path) -> None:
        with contextlib.chdir(make_project(folder)):
            for stage in STAGES:
                main = importlib.import_module(f"stages.{stage}").main
                CliRunner().invoke(main, catch_exceptions=False)

    return once("ran", build)


@pytest.fixture(scope="session")
def engine(ran: Path) -> Engine:
    """The search engine over that project."""
    return Engine.load(
        ran / paths.SEARCH_INDEX,
        ran / paths.RANKER,
        ran / paths.PHOTO_EMBEDDER,
        ran / paths.EXPECTED_PRICES,
    )


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    """A throw-away PostgreSQL."""
    if not INITDB:
        pytest.skip("no PostgreSQL in /usr/lib/postgresql: install Debian's package postgresql")
    with cluster() as running:
        yield running
