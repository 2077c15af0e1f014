"""Faults: after any of them the same command ends with the bytes of an undisturbed run.

Most are a campaign: `python -m pytest -m campaign tests/campaigns/test_faults.py -s`. Mounts need
root.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import repository
from repository import REPO

from market.core.atomic import replace_when_done
from market.core.errors import MarketError
from market.core.stage import pipeline_stages

STAGES = pipeline_stages(REPO)
CHAIN = [name for name in STAGES if name != "sample"]
SEED = int(os.environ.get("SEED", 20220226))
KILLS = int(os.environ.get("KILLS", 5))  # of each stage
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="mounting needs root")


def outs(stage: str) -> list[str]:
    entries = [*STAGES[stage].get("outs", []), *STAGES[stage].get("metrics", [])]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def content(path: Path) -> dict[str, bytes] | bytes | None:
    """What is at `path`: a file's bytes, a folder's files, or None."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}
    return path.read_bytes() if path.exists() else None


def state(project: Path, stage: str) -> dict[str, dict[str, bytes] | bytes | None]:
    return {out: content(project / out) for out in outs(stage)}


def copy(ran: Path, folder: Path) -> Path:
    shutil.copytree(ran, folder, ignore=shutil.ignore_patterns("__pycache__", "runs"))
    return folder


def remove(project: Path, stage: str) -> None:
    for out in outs(stage):
        path = project / out
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def start(project: Path, *command: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=project,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def script(stage: str) -> list[str]:
    return [sys.executable, f"stages/{stage}.py"]


def finish(project: Path, *command: str, **environment: str) -> tuple[int, str]:
    process = start(project, *command, **environment)
    said, _ = process.communicate(timeout=600)
    return process.returncode, said


def kill(process: subprocess.Popen[str]) -> bool:
    """Kill the process and its children; whether it was still running."""
    running = process.poll() is None
    if running:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return running


def dvc(project: Path, *args: str) -> str:
    return repository.run(project, "dvc", *args).stdout


def verify(project: Path) -> str:
    """`make verify`, but for its setting up of .venv."""
    made = "-f", str(REPO / "Makefile"), "-o", ".venv/.installed"
    return repository.run(project, "make", *made, "verify").stdout


def rot(path: Path) -> None:
    """Change a byte as a failing disk does: size, time and permissions stay."""
    before = path.stat()
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


# --- Cheap ones, in the usual suite ---------------------------------------------------------------
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_what_the_disk_refuses_is_one_line_with_a_remedy(tmp_path: Path, code: int) -> None:
    out = tmp_path / "out"
    out.write_text("old")
    with (
        pytest.raises(MarketError, match=r"out: .*run it again"),
        replace_when_done(out) as temporary,
    ):
        temporary.write_text("half")
        raise OSError(code, os.strerror(code))
    assert out.read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_stage_killed_on_the_way_leaves_no_half_output(ran: Path, tmp_path: Path) -> None:
    project = copy(ran, tmp_path / "project")
    expected = state(project, "clean")
    process = start(project, *script("clean"))
    # The moment when it writes: an output is under its temporary name.
    deadline = time.monotonic() + 120
    while not (project / "data/.clean.partial").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert kill(process)
    assert state(project, "clean") == expected, "the former run's"
    assert finish(project, *script("clean"))[0] == 0
    assert state(project, "clean") == expected
    assert not (project / "data/.clean.partial").exists()


def test_what_the_disk_damaged_is_found_and_comes_back(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repository.init(repo)
    for name in "abc":
        (repo / f"data/{name}").mkdir(parents=True)
        (repo / f"data/{name}/photo.jpg").write_bytes(f"photo {name}".encode() * 100)
    dvc(repo, "add", "data/a", "data/b", "data/c")
    dvc(repo, "push")
    expected, cache = content(repo / "data"), repo / ".dvc/cache/files/md5"
    (of_a,) = (path for path in cache.glob("??/*") if path.read_bytes().startswith(b"photo a"))
    rot(of_a)
    rot(repo / "data/b/photo.jpg")
    assert "up to date" in dvc(repo, "status"), "DVC by itself sees neither"
    said = verify(repo)
    assert "data/a.dvc" in said and "data/b.dvc" in said and "data/c.dvc" not in said
    assert not of_a.exists()
    dvc(repo, "pull", "--force")
    assert content(repo / "data") == expected and of_a.exists()
    assert "up to date" in dvc(repo, "status")


# --- Campaigns ------------------------------------------------------------------------------------
def writing(project: Path, stage: str) -> bool:
    """Whether an output is under its temporary name."""
    folders = {(project / out).parent for out in outs(stage)}
    return any(next(folder.glob(".*.partial"), None) for folder in folders)


@pytest.mark.campaign
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_survives_sigkill_at_random_moments(ran: Path, tmp_path: Path, stage: str) -> None:
    """KILLS kills: about half of them while an output is being written, the rest whenever."""
    draw = random.Random(f"{SEED} {stage}")
    project, expected = copy(ran, tmp_path / "project"), state(ran, stage)
    lasts, kills, missed = 8.0, 0, 0
    while kills < KILLS:
        assert missed < 50
        if draw.random() < 0.5:  # as DVC runs it, without the former outputs
            remove(project, stage)
        process = start(project, *script(stage))
        if draw.random() < 0.5:
            while not writing(project, stage) and process.poll() is None:
                time.sleep(0.002)
            time.sleep(draw.choice([0, 0.005, 0.05, 0.3]))
        else:
            time.sleep(draw.uniform(0.05, 1) * lasts)
        was_running = kill(process)
        kills, missed = kills + was_running, missed + (not was_running)
        left = state(project, stage)
        assert all(left[out] in (None, expected[out]) for out in left), "half an output"
        began = time.monotonic()
        code, said = finish(project, *script(stage))
        lasts = time.monotonic() - began
        assert code == 0, said
        assert state(project, stage) == expected, "other bytes"
        assert not writing(project, stage), "what was half is left"
    print(f"{stage}: {kills} kills, {missed} came too late", flush=True)


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    subprocess.run(["mount", *options, folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.campaign
@needs_root
@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk_is_one_line_and_nothing_is_lost(ran: Path, tmp_path: Path, stage: str) -> None:
    project = copy(ran, tmp_path / "project")
    expected = state(ran, stage)
    remove(project, stage)
    folders = {project / Path(out).parts[0] for out in outs(stage)} - {project / "metrics"}
    for folder in folders:
        held = tmp_path / "held"
        folder.mkdir(exist_ok=True)
        shutil.copytree(folder, held, dirs_exist_ok=True)
        with mounted(folder, "-t", "tmpfs", "-o", "size=1g", "tmpfs"):
            shutil.copytree(held, folder, dirs_exist_ok=True)
            used = shutil.disk_usage(folder).used
            subprocess.run(["mount", "-o", f"remount,size={used + 8192}", folder], check=True)
            code, said = finish(project, *script(stage))
            left = {out: content(project / out) for out in outs(stage)}
        last = said.strip().splitlines()[-1]
        print(f"{stage} in {folder.name}: {code} {last}", flush=True)
        assert code == 0 or (code == 1 and "Traceback" not in said and "no space left" in last)
        assert all(left[out] in (None, expected[out]) for out in left)
    assert finish(project, *script(stage))[0] == 0
    assert state(project, stage) == expected


@pytest.mark.campaign
@pytest.mark.parametrize(
    "under",
    [["unshare", "-n"], ["faketime", "-f", "-400d"], ["faketime", "-f", "@1975-01-01 00:00:00"]],
    ids=["no network", "a clock set back", "a clock before 1980"],
)
def test_a_run_under_other_circumstances_gives_the_same_bytes(
    ran: Path, make_project: Callable[..., Path], tmp_path: Path, under: list[str]
) -> None:
    if shutil.which(under[0]) is None or (under[0] == "unshare" and os.getuid() != 0):
        pytest.skip(f"needs {under[0]}")
    project, refused = make_project(tmp_path / "project"), []
    for stage in CHAIN:
        code, said = finish(project, *under, *script(stage))
        if code == 1 and "Traceback" not in said and "the clock of this machine says 1975" in said:
            refused.append(stage)
            code, said = finish(project, *script(stage))
        assert code == 0, said
        assert state(project, stage) == state(ran, stage), stage
    print(f"{len(CHAIN)} stages under {under}, one line at {refused}")
    assert not refused or "1975" in under[-1]


@pytest.mark.campaign
def test_one_and_two_workers_give_the_same_bytes(
    ran: Path, make_project: Callable[..., Path], tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project")
    for stage in CHAIN:
        code, said = finish(project, *script(stage), WORKERS="2")
        assert code == 0, said
        assert state(project, stage) == state(ran, stage), stage


# --- DVC ------------------------------------------------------------------------------------------
OBJECT = re.compile(r"[0-9a-f]{30}(\.dir)?")  # others are parts of what was being fetched
FOLDERS = ("data", "models", "plots", "metrics", "report")


@pytest.fixture
def repo(ran: Path, once: Callable[..., Path], tmp_path: Path) -> Path:
    """A repository of the run pipeline, in which all is cached and pushed to a folder beside it."""

    def build(folder: Path) -> None:
        made = copy(ran, folder / "repo")
        repository.init(made)
        dvc(made, "commit", "--force")
        repository.commit(made)
        dvc(made, "push")

    shutil.copytree(once("pushed", build), tmp_path / "pushed", symlinks=True)
    return tmp_path / "pushed/repo"


def start_dvc(project: Path, *args: str) -> subprocess.Popen[str]:
    return start(project, "dvc", *args, **repository.environment(project))


def refused(project: Path, *args: str) -> str:
    """The last line of a command that must fail, without a traceback."""
    result = repository.run(project, "dvc", *args, check=False)
    assert result.returncode != 0 and "Traceback" not in result.stdout, result.stdout
    said = result.stdout.strip()
    print(f"dvc {' '.join(args)}: {said[-400:]}", flush=True)
    return said


def everything(project: Path) -> dict[str, dict[str, bytes] | bytes | None]:
    return {name: content(project / name) for name in (*FOLDERS, "dvc.lock")}


def assert_sound(objects: Path) -> int:
    """Assert that each object's MD5 is its name, and return how many there are."""
    paths = [path for path in objects.glob("??/*") if OBJECT.fullmatch(path.name)]
    for path in paths:
        name = (path.parent.name + path.name).removesuffix(".dir")
        assert hashlib.md5(path.read_bytes()).hexdigest() == name, path
    return len(paths)


@pytest.mark.campaign
@needs_root
def test_a_read_only_cache_is_one_line(repo: Path) -> None:
    expected, cache = everything(repo), repo / ".dvc/cache"
    shutil.rmtree(cache)
    cache.mkdir()
    shutil.rmtree(repo / "data/merged")
    with mounted(cache, "--bind", str(cache)):
        subprocess.run(["mount", "-o", "remount,bind,ro", cache], check=True)
        assert "Read-only file system" in refused(repo, "repro", "merge")
        assert "Read-only file system" in refused(repo, "pull", "clean")
    dvc(repo, "repro", "merge")
    assert everything(repo) == expected


@pytest.mark.campaign
def test_a_vanished_remote_is_said_and_comes_back(repo: Path) -> None:
    expected, remote = everything(repo), repo.parent / "shared/remote"
    away = remote.with_name("away")
    repository.forget_everything(repo)
    remote.rename(away)
    assert "missing-files" in refused(repo, "pull")
    # Not an error to DVC, but said: a warning and the hashes.
    assert "do not exist neither locally nor on remote" in dvc(repo, "fetch")
    assert not remote.exists()
    away.rename(remote)
    dvc(repo, "pull")
    assert everything(repo) == expected
    assert "Everything is up to date" in dvc(repo, "push")


@pytest.mark.campaign
@pytest.mark.parametrize("command", ["pull", "push"])
def test_an_interrupted_transfer_goes_on(repo: Path, command: str) -> None:
    draw = random.Random(SEED)
    expected, cache = everything(repo), repo / ".dvc/cache/files/md5"
    remote = repo.parent / "shared/remote/files/md5"
    objects = assert_sound(remote)

    def undo() -> None:
        if command == "pull":
            repository.forget_everything(repo)
        else:
            shutil.rmtree(remote, ignore_errors=True)

    undo()
    began = time.monotonic()
    dvc(repo, command)
    lasts, kills, halves = time.monotonic() - began, 0, 0
    undo()
    while kills < 2 * KILLS:
        process = start_dvc(repo, command)
        time.sleep(draw.uniform(0.3, 1) * lasts)
        killed = kill(process)
        arrived = assert_sound(cache if command == "pull" else remote)
        kills, halves = kills + killed, halves + (killed and 0 < arrived < objects)
        if not killed or draw.random() < 0.5:  # else on from what is there
            undo()
    dvc(repo, command)
    if command == "push":
        # DVC keeps its list of what to push as it grows: killed meanwhile, it pushes that part of
        # it the next time, and says nothing. `dvc status --cloud` does, and names make a new list.
        missing = re.findall(r"new:\s+(\S+)", dvc(repo, "status", "--cloud"))
        print(f"left out by the push after the kills: {missing}", flush=True)
        if missing:
            dvc(repo, "push", *missing)
    assert everything(repo) == expected
    assert assert_sound(cache) >= objects
    assert assert_sound(remote) == objects
    print(f"dvc {command}: {kills} kills, {halves} of them with some objects there", flush=True)


@pytest.mark.campaign
def test_a_killed_repro_goes_on(repo: Path) -> None:
    """All stages anew, by a command that is killed again and again: children and all."""
    draw, expected, kills = random.Random(SEED), everything(repo), 0
    shutil.rmtree(repo / ".dvc/cache")
    for folder in ("data/clean", "data/merged", "data/embeddings", "models", "plots", "report"):
        shutil.rmtree(repo / folder)
    while kills < 2 * KILLS:
        process = start_dvc(repo, "repro")
        time.sleep(draw.uniform(2, 15))
        if not kill(process):
            break
        kills += 1
    dvc(repo, "repro")
    assert everything(repo) == expected
    assert_sound(repo / ".dvc/cache/files/md5")
    print(f"dvc repro: {kills} kills", flush=True)


@pytest.mark.campaign
def test_two_repros_at_once_end_as_one(repo: Path) -> None:
    expected = everything(repo)
    command = "repro", "--force", "--single-item", "clean", "merge"
    for pause in (0, 0.5, 1, 2, 4):
        processes = [start_dvc(repo, *command)]
        time.sleep(pause)
        processes.append(start_dvc(repo, *command))
        for process in processes:
            said = process.communicate(timeout=600)[0].strip()
            print(f"after {pause} s: {process.returncode} {said[:200]}", flush=True)
            assert "Traceback" not in said
            assert process.returncode == 0 or "lock" in said or "busy" in said
        dvc(repo, *command)
        assert everything(repo) == expected


@pytest.mark.campaign
def test_damaged_outputs_are_made_again_without_a_remote(repo: Path) -> None:
    expected, cache = everything(repo), repo / ".dvc/cache/files/md5"
    shutil.rmtree(repo.parent / "shared")
    paths = sorted(path for path in cache.glob("??/*") if path.is_file())
    raw = {
        hashlib.md5(file.read_bytes()).hexdigest()
        for file in (repo / "data/sample/raw").rglob("*")
        if file.is_file()
    }
    made = [path for path in paths if path.parent.name + path.name not in raw]
    dvc(repo, "status")  # as DVC trusts what it has hashed: in this copy it has not yet
    draw = random.Random(SEED)
    for path in draw.sample([path for path in made if path.suffix != ".dir"], 10):
        rot(path)
    rot(repo / "data/merged/listings.parquet")
    assert "up to date" in dvc(repo, "status"), "DVC by itself sees nothing"
    rot(draw.choice([path for path in made if path.suffix == ".dir"]))  # this it would see
    assert "data/merged/listings.parquet" in verify(repo)
    dvc(repo, "repro")
    assert everything(repo) == expected
    assert_sound(cache)
