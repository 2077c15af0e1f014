"""What the speed benchmarks share: measuring a process, naming the machine, placing a table.

The tables in docs/speed.md stand between markers, <!-- NAME: begin --> and end.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import joblib
import psutil

from market.core.errors import MarketError

REPO = Path(__file__).parent.parent
RESULTS = REPO / "results/speed"
DOCUMENT = REPO / "docs/speed.md"
SAMPLE_SECONDS = 0.05  # between two looks at the memory


def run_measured(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run a process; return its `wall` seconds, `peak_mb` and `output`.

    `peak_mb` is the resident memory of the process and all that it started, added up, at the most;
    pages that several of them share count for each. A process that fails is a MarketError.
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
        peak = max(peak, _resident(process))
        try:
            output, _ = process.communicate(timeout=SAMPLE_SECONDS)
            break
        except subprocess.TimeoutExpired:
            continue
    wall = time.perf_counter() - start
    if process.returncode:
        raise MarketError(f"{' '.join(command)} failed:\n{output[-2000:]}")
    return {"wall": wall, "peak_mb": peak / 2**20, "output": output}


def _resident(process: psutil.Popen) -> int:
    total = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.Error:  # it has just ended
            continue
    return total


def run_part(script: str, *arguments: str | Path, cwd: Path) -> dict[str, Any]:
    """Run a benchmark script on itself; what its last line says, a JSON object, and `peak_mb`."""
    command = [sys.executable, script, *map(str, arguments)]
    found = run_measured(command, cwd=cwd)
    return {**json.loads(found["output"].splitlines()[-1]), "peak_mb": found["peak_mb"]}


def peak_memory() -> int:
    """Return the most bytes of memory that this process has held so far."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource  # absent on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def machine() -> dict[str, Any]:
    """What was measured on, and how busy it was: the load is others' work as well as ours."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": joblib.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "load_before": round(psutil.getloadavg()[0], 2),
    }


def describe(about: Mapping[str, Any]) -> str:
    return (
        f"{about['processor']}, {about['cores']} cores, {about['memory_gb']} GB; Python "
        f"{about['python']}; load of the machine before the first run: {about['load_before']}"
    )


def spread_of(values: Sequence[float], digits: int = 1) -> str:
    """Median and range, "2.1 (1.9–2.4)"."""
    low, middle, high = min(values), median(values), max(values)
    if len(values) == 1:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def put_between(path: Path, name: str, text: str) -> None:
    """Replace what stands between the markers of `name` in a Markdown document."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    document = path.read_text(encoding="utf-8")
    before, found, rest = document.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise MarketError(f"{path} has no {begin} … {end}")
    path.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")


def save(name: str, content: dict[str, Any]) -> None:
    """Write results/speed/<name>.json."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
