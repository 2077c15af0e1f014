"""A Dask scheduler and two workers, real processes: same bytes, and what is left when one dies.

A part here; whole stages as scripts, and kills at random moments, are a campaign:
`KILLS=20 python -m pytest -n0 -m campaign tests/campaigns/test_cluster.py -s`.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from distributed import Client

from market.core import cluster as core_cluster
from market.core.settings import Clean
from market.data import cleaning, photo_tasks, squares
from market.data.synthetic.marketplace import write_marketplace
from stages import classify_rf, clean

KILLS = int(os.environ.get("KILLS", 5))
SEED = 20220226
pytestmark = pytest.mark.xdist_group("cluster")
OUTS = {
    "clean": ["data/clean", "metrics/clean.json"],
    "classify_rf": ["models/rf", "metrics/classify_rf.json"],
    "embed_photos": ["data/embeddings/photo.npy", "models/embed", "metrics/embed_photos.json"],
    "embed_texts": ["data/embeddings/text.parquet", "metrics/embed_texts.json"],
    "classify": ["data/category", "models/category", "metrics/classify.json"],
    "predict": ["scored"],
}


class Cluster:
    """A scheduler and workers, each with its nanny, in the folder of a project."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.workers: list[subprocess.Popen] = []
        about = project / "scheduler.json"
        self.scheduler = self.start("scheduler", "--port", "0", "--scheduler-file", str(about))
        for _ in range(600):
            if about.exists() and about.stat().st_size:
                break
            time.sleep(0.05)
        self.address: str = json.loads(about.read_text())["address"]
        about.unlink()

    def start(self, *command: str, **environment: str) -> subprocess.Popen:
        with (self.project / "cluster.log").open("ab") as log:
            return subprocess.Popen(
                ["dask", *command, "--host", "127.0.0.1"],
                cwd=self.project,
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def fill(self, count: int = 2, **environment: str) -> None:
        """Have as many workers alive as `count`, and known to the scheduler."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < count:
            started = self.start("worker", self.address, "--nthreads", "1", **environment)
            self.workers.append(started)
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)

    def kill_one(self) -> None:
        """SIGKILL a worker and its nanny, which would start another one."""
        _kill(self.workers.pop())

    def kill_one_that_comes_back(self) -> None:
        """SIGKILL a worker, which its nanny starts again."""
        with Client(self.address, set_as_default=False) as client:
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    def close(self) -> None:
        _kill(self.scheduler, *self.workers)


def _kill(*processes: subprocess.Popen) -> None:
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def content(project: Path, stage: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for out in OUTS[stage]:
        path = project / out
        files = [path] if path.is_file() else sorted(of for of in path.rglob("*") if of.is_file())
        found |= {file.relative_to(project).as_posix(): file.read_bytes() for file in files}
    return found


@pytest.fixture(scope="module")
def cluster(ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    project = tmp_path_factory.mktemp("cluster") / "project"
    shutil.copytree(ran, project, ignore=shutil.ignore_patterns("__pycache__", "runs"))
    running = Cluster(project)
    try:
        yield running
    finally:
        running.close()


@pytest.fixture
def run(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Result]:
    """Return run(clean.main): a stage in this process, its tasks on the cluster."""
    monkeypatch.setenv("SCHEDULER", cluster.address)

    def invoke(main: Any) -> Result:
        with chdir(cluster.project):
            return CliRunner().invoke(main)

    return invoke


def after_first_task(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Have `act` called in the middle of clean: one task's photos are there, and the others wait
    until it has been."""
    original = squares.square_photos
    acted = Path(f"acted-{uuid4().hex}")  # in the project's folder, where all of them run

    def interrupted(paths: list[Path], settings: Clean) -> Iterator[Any]:
        first = paths[0]

        def task(function: Callable[[Path], Any], paths: list[Path]) -> list:
            deadline = time.monotonic() + 120
            while paths[0] != first and not acted.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            return [function(path) for path in paths]

        monkeypatch.setattr(photo_tasks, "_task", task)
        photos = original(paths, settings)
        yield next(photos)
        act()
        acted.touch()
        yield from photos

    monkeypatch.setattr(photo_tasks, "PHOTOS_PER_TASK", 4)
    monkeypatch.setattr(cleaning, "square_photos", interrupted)


def tasks_done(cluster: Cluster) -> int:
    with Client(cluster.address, set_as_default=False) as client:
        return sum(client.run(lambda dask_worker: dask_worker.state.executed_count).values())


def test_a_forest_grown_by_workers_is_the_same_bytes(
    cluster: Cluster, run: Callable[[Any], Result], ran: Path
) -> None:
    cluster.fill()
    shutil.rmtree(cluster.project / "models/rf")
    result = run(classify_rf.main)
    assert result.exit_code == 0, result.output
    assert tasks_done(cluster) >= 10, "a tree each, or joblib would have grown them here"
    assert content(cluster.project, "classify_rf") == content(ran, "classify_rf")


def test_a_worker_killed_in_the_middle_loses_nothing(
    cluster: Cluster, run: Callable[[Any], Result], ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.fill()
    shutil.rmtree(cluster.project / "data/clean")
    after_first_task(monkeypatch, cluster.kill_one)
    result = run(clean.main)
    assert result.exit_code == 0, result.output
    assert content(cluster.project, "clean") == content(ran, "clean")


@pytest.mark.parametrize("gone", ["lost its last worker", "the scheduler is gone"])
def test_a_cluster_that_is_gone_ends_the_stage_in_a_line(
    cluster: Cluster,
    run: Callable[[Any], Result],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    gone: str,
) -> None:
    cluster.fill()
    before = content(cluster.project, "clean")
    monkeypatch.setattr(core_cluster, "CONNECT_SECONDS", 3)
    processes = [cluster.scheduler] if "scheduler" in gone else cluster.workers
    after_first_task(monkeypatch, lambda: _kill(*processes))
    result = run(clean.main)
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith(f"Error: SCHEDULER={cluster.address}: {gone}"), line
    assert content(cluster.project, "clean") == before
    assert not list((cluster.project / "data").glob(".clean*"))
    assert not caplog.records, "they would be tracebacks on a terminal"


# --- Campaigns ------------------------------------------------------------------------------------
@pytest.fixture
def many_photos(make_project: Callable[..., Path], run_stage: Callable, tmp_path: Path) -> Path:
    """A project of 600 products, whose clean has 16 tasks, run without a cluster."""
    project = make_project(tmp_path / "many", {"clean.photo_size": 224})
    shutil.rmtree(project / "data/sample/raw")
    write_marketplace(project / "data/sample/raw", 600, SEED)
    run_stage(project, "clean")
    return project


@pytest.fixture
def fresh(ran: Path, tmp_path: Path) -> Path:
    project = tmp_path / "project"
    shutil.copytree(ran, project, ignore=shutil.ignore_patterns("__pycache__", "runs"))
    return project


def command(stage: str) -> list[str]:
    options = ["--raw", "data/sample/raw", "--out", "scored/out.csv"] if stage == "predict" else []
    return [sys.executable, f"stages/{stage}.py", *options]


def finish(project: Path, stage: str, running: Cluster, act: Callable[[], None] | None) -> str:
    """Run a stage as a script on the cluster, `act` when its tasks run; return what it said."""
    process = subprocess.Popen(
        command(stage), cwd=project, env={**os.environ, "SCHEDULER": running.address},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if act is not None:
        with Client(running.address, set_as_default=False) as client:
            while process.poll() is None and not any(client.processing().values()):
                time.sleep(0.01)
        act()
    said, _ = process.communicate(timeout=300)
    return f"{process.returncode} {said}"


@pytest.mark.campaign
@pytest.mark.parametrize("late", [False, True])
def test_a_worker_that_would_compute_otherwise_is_named(many_photos: Path, late: bool) -> None:
    running = Cluster(many_photos)
    try:
        if late:
            running.fill()

            def act() -> None:
                for worker in running.workers:  # or all would be done before another has started
                    os.killpg(worker.pid, signal.SIGSTOP)
                running.fill(3, TORCH_THREADS="7")

            said = finish(many_photos, "clean", running, act)
        else:
            running.fill(1, TORCH_THREADS="7")
            said = finish(many_photos, "clean", running, None)
        assert said.startswith("1 Error: ") and said.count("\n") == 1, said
        assert "number of torch's threads is 7, here it is 1: start each in" in said
    finally:
        running.close()


@pytest.mark.campaign
@pytest.mark.parametrize("stage", OUTS)
def test_every_stage_as_a_script_on_a_cluster(fresh: Path, stage: str) -> None:
    if stage == "predict":
        subprocess.run(command(stage), cwd=fresh, check=True)
    expected = content(fresh, stage)
    running = Cluster(fresh)
    try:
        running.fill()
        for out in OUTS[stage]:
            path = fresh / out
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        said = finish(fresh, stage, running, None)
        assert said.startswith("0 "), said
        print(f"{stage}: {tasks_done(running)} tasks on two workers")
        assert tasks_done(running) and content(fresh, stage) == expected
    finally:
        running.close()


@pytest.mark.campaign
@pytest.mark.parametrize("stage", OUTS)
def test_workers_killed_at_random_moments(request: pytest.FixtureRequest, stage: str) -> None:
    project = request.getfixturevalue("many_photos" if stage == "clean" else "fresh")
    if stage == "predict":
        subprocess.run(command(stage), cwd=project, check=True)
    expected = content(project, stage)
    draw = random.Random(f"{SEED} {stage}")
    tally: Counter[str] = Counter()
    running = Cluster(project)
    try:
        for _ in range(KILLS):
            running.fill()
            with_nanny = draw.random() < 0.5

            def act(wait: float = draw.uniform(0, 2), with_nanny: bool = with_nanny) -> None:
                time.sleep(wait)
                running.kill_one() if with_nanny else running.kill_one_that_comes_back()

            said = finish(project, stage, running, act)
            same = content(project, stage) == expected
            tally[f"{said[:1]}, {'same' if same else 'other'} bytes"] += 1
            if said[:1] != "0":
                print(stage, said)
            assert same, "those of this run or the former"
        print(f"{stage}: {KILLS} kills: {dict(tally)}")
    finally:
        running.close()


@pytest.mark.campaign
@pytest.mark.parametrize("stage", ["clean", "embed_photos", "predict"])
@pytest.mark.parametrize("gone", ["lost its last worker", "the scheduler is gone"])
def test_all_of_a_cluster_killed(request: pytest.FixtureRequest, stage: str, gone: str) -> None:
    project = request.getfixturevalue("many_photos" if stage == "clean" else "fresh")
    if stage == "predict":
        subprocess.run(command(stage), cwd=project, check=True)
    expected = content(project, stage)
    running = Cluster(project)

    def act() -> None:
        _kill(*([running.scheduler] if "scheduler" in gone else running.workers))

    try:
        running.fill()
        start = time.monotonic()
        said = finish(project, stage, running, act)
        print(f"{stage}, {gone}: after {time.monotonic() - start:.0f} s {said}")
        assert said.startswith("1 ") and gone in said
        assert said.count("\n") == 1, said
        assert content(project, stage) == expected
        assert not list(project.rglob("*.partial"))
    finally:
        running.close()
