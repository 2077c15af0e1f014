"""Shared by the speed benchmarks: projects to run in, measured processes, and their results.

Tables in docs/speed.md stand between the markers `<!-- NAME: begin -->` and `<!-- NAME: end -->`.
"""

from __future__ import annotations

import json
import os
import platform
import runpy
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import joblib
import psutil
import yaml

from market.core.atomic import write_json
from market.core.errors import MarketError
from market.core.paths import PARAMS
from market.reporting.tables import insert_table

REPO = Path(__file__).parent.parent
STAGES = REPO / "stages"
RESULTS = REPO / "results/speed"
DOCUMENT = REPO / "docs/speed.md"
SAMPLE_SECONDS = 0.05  # between two samples of the memory


# --- Projects and stages --------------------------------------------------------------------------
def write_params(project: Path, changes: Mapping[str, Any]) -> None:
    """Write a project's params.yaml: this repository's with changes such as {"merge.folds": 5}."""
    params = yaml.safe_load((REPO / PARAMS).read_text(encoding="utf-8"))
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        (params[section] if section else params)[name] = value
    (project / PARAMS).write_text(yaml.safe_dump(params), encoding="utf-8")


def import_stage(name: str) -> None:
    """Import what a stage imports, without running it."""
    runpy.run_path(str(STAGES / f"{name}.py"), run_name="imported")


def run_stage(name: str) -> None:
    """Run a stage of the current folder's project in this process, where imports are done already.

    It runs as __main__, like a script: joblib then sends a function to its workers by value, and
    they need not import the whole stage.
    """
    sys.argv = [name]
    try:
        runpy.run_path(str(STAGES / f"{name}.py"), run_name="__main__")
    except SystemExit as exit_:
        if exit_.code:
            raise


# --- Measured processes ---------------------------------------------------------------------------
def run_measured(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run a process to its end and measure it.

    Parameters
    ----------
    command
        The program and its arguments.
    cwd
        The folder to run in.
    environment
        Variables that are set in addition to those of this process.

    Returns
    -------
    wall: seconds. peak_mb: the largest sum of resident memory of the process and its descendants;
    pages that several of them share count for each. output: standard output and error.

    Raises
    ------
    MarketError
        If the process fails, with the end of its output.
    """
    start = time.perf_counter()
    process = psutil.Popen(
        list(command),
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    peak, output = 0, ""
    while True:
        peak = max(peak, _resident_bytes(process))
        try:
            output, _ = process.communicate(timeout=SAMPLE_SECONDS)
            break
        except subprocess.TimeoutExpired:
            continue
    wall = time.perf_counter() - start
    if process.returncode:
        raise MarketError(f"{' '.join(command)} failed:\n{output[-2000:]}")
    return {"wall": wall, "peak_mb": peak / 2**20, "output": output}


def _resident_bytes(process: psutil.Popen) -> int:
    total = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.Error:  # it has ended meanwhile
            continue
    return total


def run_part(script: str, *arguments: str | Path, cwd: Path) -> dict[str, Any]:
    """Run a benchmark script; return the JSON object in its last line of output, and `peak_mb`."""
    command = [sys.executable, script, *map(str, arguments)]
    run = run_measured(command, cwd=cwd)
    return {**json.loads(run["output"].splitlines()[-1]), "peak_mb": run["peak_mb"]}


def peak_memory() -> int:
    """Return the largest resident memory of this process so far, in bytes."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource  # absent on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


# --- The machine and the results ------------------------------------------------------------------
def machine() -> dict[str, Any]:
    """Describe this machine and its load, to which other programs contribute."""
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text().splitlines() if cpu_info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": joblib.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "load_before": round(psutil.getloadavg()[0], 2),
    }


def describe(about: Mapping[str, Any]) -> str:
    """Return the description of `machine` in words."""
    return (
        f"{about['processor']}, {about['cores']} cores, {about['memory_gb']} GB; Python "
        f"{about['python']}; load of the machine before the first run: {about['load_before']}"
    )


def median_and_range(values: Sequence[float], digits: int = 1) -> str:
    """Return "2.1 (1.9–2.4)", or the value alone if there is only one."""
    low, middle, high = min(values), median(values), max(values)
    if len(values) == 1:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def write_table(path: Path, name: str, text: str) -> None:
    """Replace the text between the markers `name` of a Markdown file."""
    document = path.read_text(encoding="utf-8")
    path.write_text(insert_table(document, name, text.strip()), encoding="utf-8")


def save(name: str, content: dict[str, Any]) -> None:
    """Write results/speed/<name>.json."""
    write_json(RESULTS / f"{name}.json", content)
