"""One run of one side of a case, for benchmarks/stages.py; prints its results as JSON.

It imports as little as it can: its memory is measured.
"""

from __future__ import annotations

import importlib
import json
import os
import tempfile
import time
from pathlib import Path

import click
from cases import CASES, Job, Sizes
from command import BenchmarkCommand
from measuring import import_stage


@click.command(cls=BenchmarkCommand, help=(__doc__ or "").partition("\n")[0])
@click.argument("project", type=click.Path(path_type=Path))
@click.argument("name", type=click.Choice(list(CASES)))
@click.argument("side", type=click.Choice(["plain", "ours"]))
def main(project: Path, name: str, side: str) -> None:
    case = CASES[name]
    # Both sides import the same, so that they differ in the memory of the work only.
    sides = {side: case.side(side) for side in ("plain", "ours")}
    if case.stage:
        import_stage(case.stage)
    for module in case.modules:
        importlib.import_module(module)
    sizes = Sizes(**json.loads((project / "sizes.json").read_text(encoding="utf-8")))
    raw = project / ("large" if case.large else "raw")
    os.chdir(project)
    with tempfile.TemporaryDirectory(dir=project) as folder:
        job = Job(project, raw.resolve(), Path(folder) / "out", sizes)
        start, processor_start = time.perf_counter(), sum(os.times()[:4])
        result = sides[side](job)
        seconds = time.perf_counter() - start
        processor_seconds = sum(os.times()[:4]) - processor_start
        os.chdir(project)
    times = result.pop("times", 1)  # to extrapolate by
    measured = {"seconds": seconds * times, "processor_seconds": processor_seconds * times}
    click.echo("\n" + json.dumps(measured | result))


if __name__ == "__main__":
    main()
