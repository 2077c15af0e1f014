"""A small raw marketplace, a project around it, and that project after every stage has run."""

from __future__ import annotations

import single_thread  # noqa: F401  before any library that starts threads

# isort: split

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
from click.testing import CliRunner, Result
from cluster import INITDB, Cluster, cluster
from filelock import FileLock
from module_scheduling import ModuleScheduling
from raw_input import ORIGINAL

from market.core import paths
from market.core.paths import DVC_FILES
from market.data.synthetic.marketplace import write_marketplace
from market.search.engine import Engine

REPO = Path(__file__).parent.parent
PRODUCTS, SEED = 60, 1

os.environ["DVC_NO_ANALYTICS"] = "1"
# `python` in dvc.yaml must be this one.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

STAGES = (
    "check",
    "fold",
    "pull_logs",
    "clean",
    "resize",
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
    "analyse",
    "report",
)

# Small and fast. A value on which a test relies is fixed here, as users may change params.yaml.
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
    "rank.max_searches": 40,
    "rank.max_users": 6,
    "evaluate.max_searches": 20,
    "evaluate.max_users": 6,
    "train.batch_size": 16,
    "train_text.epochs": 1,
    "train_text.max_tokens": 16,
    "train_text.frozen_layers": 5,
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share out whole modules; see `module_scheduling`."""
    return ModuleScheduling(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests so that no process waits.

    Of two processes one first builds `reproduced` and the other `ran`, in a minute or two. Tests
    that need neither come next. Groups follow, because a group runs in one process and is long.
    """
    slow = ("reproduced", "ran")
    builders = [next((item for item in items if name in _fixtures(item)), None) for name in slow]

    def priority(item: pytest.Item) -> int:
        if item in builders:
            return 0
        if not _fixtures(item) & {*slow}:
            return 1
        return 2 if item.get_closest_marker("xdist_group") else 3

    items.sort(key=priority)


def _fixtures(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return once(name, build): the folder that `build` filled, once for all xdist workers.

    The folder is shared: a test that changes it must copy it first.
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
    """A raw folder of 60 products and their photos, with every kind of fault."""
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
        shutil.copy(REPO / "rules.yaml", folder)
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
    """Return run_stage(project, "clean", *args, check=True, WORKERS="2"): a stage as a script.

    It starts a process: for tests of workers, kills, the environment or the command line itself.
    """
    return _run_stage


def _invoke_stage(
    project: Path, stage: str, *args: str | Path, check: bool = True, **environment: str
) -> Result:
    main = importlib.import_module(f"stages.{stage}").main
    with contextlib.chdir(project), pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        result = CliRunner().invoke(main, [*map(str, args)], catch_exceptions=False)
    assert not check or result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="session")
def invoke_stage() -> Callable[..., Result]:
    """Return invoke_stage(project, "clean", *args, check=True, DVC_ROOT="."): a stage in-process.

    It runs the code under test, not the project's copy, and saves the imports of `run_stage`.
    """
    return _invoke_stage


@pytest.fixture(scope="session")
def ran(once: Callable[..., Path], make_project: Callable[..., Path]) -> Path:
    """Return a project in which every stage has run in this process. Only to be read."""

    def build(folder: Path) -> None:
        make_project(folder)
        for stage in STAGES:
            _invoke_stage(folder, stage)

    return once("ran", build)


@pytest.fixture(scope="session")
def engine(ran: Path) -> Engine:
    """The search engine of the project `ran`."""
    return Engine.load(
        ran / paths.SEARCH_INDEX,
        ran / paths.RANKER,
        ran / paths.PHOTO_EMBEDDER,
        ran / paths.EXPECTED_PRICES,
    )


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    """A temporary PostgreSQL server."""
    if not INITDB:
        pytest.skip("no PostgreSQL in /usr/lib/postgresql: install Debian's package postgresql")
    with cluster() as running:
        yield running
