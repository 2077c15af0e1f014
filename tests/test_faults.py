"""Faults: after any of them the same command ends with the bytes of an undisturbed run.

Most are a campaign: `python -m pytest -m campaign tests/test_faults.py -s`. Mounts need root.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from click import ClickException

from shared.atomic import replace_when_done

REPO = Path(__file__).parent.parent
STAGES = yaml.safe_load((REPO / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
CHAIN = [name for name in STAGES if name != "sample"]
SEED = 20220226
KILLS = 5  # of each stage
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


# --- Cheap ones, in the usual suite ---------------------------------------------------------------
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_what_the_disk_refuses_is_one_line_with_a_remedy(tmp_path: Path, code: int) -> None:
    out = tmp_path / "out"
    out.write_text("old")
    with (
        pytest.raises(ClickException, match=r"out: .*run it again"),
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


# --- Campaigns ------------------------------------------------------------------------------------
@pytest.mark.campaign
def test_every_stage_survives_sigkill_at_random_moments(ran: Path, tmp_path: Path) -> None:
    draw = random.Random(SEED)
    project = copy(ran, tmp_path / "project")
    lasts = dict.fromkeys(STAGES, 8.0)
    killed = half = 0
    for number in range(KILLS):
        for stage in CHAIN:
            expected = state(ran, stage)
            if number % 2:  # as DVC runs it, without the former outputs
                remove(project, stage)
            process = start(project, *script(stage))
            time.sleep(draw.uniform(0.1, 1) * lasts[stage])
            was_running = kill(process)
            left = state(project, stage)
            whole = all(left[out] in (None, expected[out]) for out in left)
            began = time.monotonic()
            code, said = finish(project, *script(stage))
            lasts[stage] = time.monotonic() - began
            killed, half = killed + was_running, half + (not whole)
            print(f"{stage}: killed {was_running}, whole {whole}, again {code}", flush=True)
            assert code == 0, said
            assert whole, f"{stage}: half an output"
            assert state(project, stage) == expected, f"{stage}: other bytes"
    print(f"{killed} kills, {half} half outputs")


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    subprocess.run(["mount", *options, folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.campaign
@needs_root
@pytest.mark.parametrize("stage", CHAIN)
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
@needs_root
@pytest.mark.parametrize(
    "under",
    [["unshare", "-n"], ["faketime", "-f", "-400d"], ["faketime", "-f", "@1975-01-01 00:00:00"]],
    ids=["no network", "a clock set back", "a clock before 1980"],
)
def test_a_run_under_other_circumstances_gives_the_same_bytes(
    ran: Path, make_project: Callable[..., Path], tmp_path: Path, under: list[str]
) -> None:
    if shutil.which(under[0]) is None:
        pytest.skip(f"needs {under[0]}")
    project = make_project(tmp_path / "project")
    for stage in CHAIN:
        code, said = finish(project, *under, *script(stage))
        assert code == 0, said
        assert state(project, stage) == state(ran, stage), stage
    print(f"{len(CHAIN)} stages under {under}")


@pytest.mark.campaign
def test_one_and_two_workers_give_the_same_bytes(
    ran: Path, make_project: Callable[..., Path], tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project")
    for stage in CHAIN:
        code, said = finish(project, *script(stage), WORKERS="2")
        assert code == 0, said
        assert state(project, stage) == state(ran, stage), stage
