"""How stages grow: time and memory with 1, 10 and 100 times as many listings.

    python benchmarks/growth.py --write

Stage `sample` draws each marketplace anew, with its own photos and texts: repeated photos would all
be one group for `merge`. Settings come from params.yaml, except merge.folds = 5, as the smallest
marketplace has few products. Every run is a process of its own. Seconds exclude imports; the
fastest of several runs counts, as other programs can only slow one down. *growth* is the time per
additional listing between the last two sizes, over the same between the first two: 1 is linear.

Stage index needs expected prices, whose stages are not measured here: they are drawn at random.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from command import BenchmarkCommand
from measuring import (
    DOCUMENT,
    STAGES,
    describe,
    import_stage,
    machine,
    run_measured,
    run_part,
    run_stage,
    save,
    write_params,
    write_table,
)
from tabulate import tabulate

from market.core.paths import EXPECTED_PRICES, PRODUCTS, SAMPLE_RAW

# The measured stages, and the modules that they import only when they run.
LAZY_IMPORTS = {
    "clean": (),
    "merge": (),
    "embed_photos": (),
    "embed_texts": ("sentence_transformers",),
    "index": ("sentence_transformers",),
    "rank": ("sentence_transformers",),
}
CHAIN = tuple(LAZY_IMPORTS)
BEFORE_PRICES = "index"  # the first stage that reads expected prices
TIMES = (1, 10, 100)
SEED = 20220226
PROJECTED = 100_000_000  # listings
MACHINES, CORES = 64, 16  # of the projected cluster


def make_project(folder: Path, products: int) -> None:
    """Make a project with a synthetic marketplace of so many products."""
    folder.mkdir()
    changes = {"sample.products": products, "sample.seed": SEED}
    write_params(folder, changes | {"dataset": "sample", "merge.folds": 5})
    run_measured([sys.executable, str(STAGES / "sample.py")], cwd=folder)


def size(project: Path) -> dict[str, int]:
    """Return the numbers of listings and of photo files."""
    path = project / SAMPLE_RAW / "Products.csv"
    products = pd.read_csv(path, lineterminator="\n", keep_default_na=False)
    photos = sum(1 for _ in (project / SAMPLE_RAW / "images").iterdir())
    return {"listings": len(products), "photos": photos}


def draw_expected_prices(project: Path) -> None:
    """Write random expected prices (£) in place of the price model's."""
    products = pd.read_parquet(project / PRODUCTS, columns=["product_id"])
    prices = np.random.default_rng(SEED).lognormal(3.7, 1.0, len(products))
    path = project / EXPECTED_PRICES
    path.parent.mkdir(parents=True, exist_ok=True)
    products.assign(price_expected=prices, price_flag="").to_parquet(path, index=False)


def run_timed(project: Path, stage: str) -> None:
    """Run a stage in this process; print its seconds without imports as JSON."""
    os.chdir(project)
    import_stage(stage)
    for module in LAZY_IMPORTS[stage]:
        importlib.import_module(module)
    start = time.perf_counter()
    run_stage(stage)
    click.echo("\n" + json.dumps({"seconds": time.perf_counter() - start}))


def measure(project: Path, stages: tuple[str, ...], runs: int) -> dict[str, dict[str, float]]:
    """Return the fewest `seconds` and the highest `peak_mb` of `runs` runs of each stage."""
    measured = {}
    for stage in stages:
        if stage == BEFORE_PRICES:
            draw_expected_prices(project)
        results = [run_part(__file__, "--run", project, stage, cwd=project) for _ in range(runs)]
        measured[stage] = {
            "seconds": min(result["seconds"] for result in results),
            "peak_mb": max(result["peak_mb"] for result in results),
        }
        click.echo(f"{project.name} {stage}: {measured[stage]}", err=True)
    return measured


def fit(listings: list[int], runs: list[dict[str, float]]) -> dict[str, float | None]:
    """Return the slopes of a stage's time and memory.

    Parameters
    ----------
    listings
        At least two numbers of listings, ascending.
    runs
        The stage's `seconds` and `peak_mb` with each of them.

    Returns
    -------
    seconds_per_listing and mb_per_1000_listings, between the last two sizes; growth, the slope of
    the time between the last two sizes over that between the first two, None for two sizes;
    constant_seconds, the last line at 0 listings; constant_mb, at the smallest size.
    """
    steps = list(pairwise(range(len(listings))))
    seconds, memory = (
        [
            (runs[after][key] - runs[before][key]) / (listings[after] - listings[before])
            for before, after in steps
        ]
        for key in ("seconds", "peak_mb")
    )
    return {
        "seconds_per_listing": seconds[-1],
        "growth": seconds[-1] / seconds[0] if len(steps) > 1 else None,
        "constant_seconds": runs[-1]["seconds"] - seconds[-1] * listings[-1],
        "mb_per_1000_listings": 1000 * memory[-1],
        "constant_mb": runs[0]["peak_mb"],
    }


def tables(content: dict[str, Any]) -> str:
    """Return the measurements and the projection as Markdown."""
    return (
        f"{measured_table(content['sizes'], content['stages'])}\n\n"
        "Projected from these slopes:\n\n"
        f"{projected_table(content['stages'], content['machine']['cores'])}"
    )


def measured_table(sizes: list[dict[str, int]], stages: dict[str, dict[str, Any]]) -> str:
    """Return a Markdown table: seconds and memory of each stage at each size, and the slopes."""
    headers = ["", *(f"{size['listings']:,} listings, {size['photos']:,} photos" for size in sizes)]
    headers += ["ms per listing", "growth", "MB per 1,000 listings"]
    rows = []
    for name, stage in stages.items():
        slope = stage["fit"]
        rows.append(
            [
                name,
                *(f"{run['seconds']:.1f} s, {run['peak_mb']:,.0f} MB" for run in stage["runs"]),
                f"{slope['seconds_per_listing'] * 1000:.2f}",
                "–" if slope["growth"] is None else f"{slope['growth']:.2f}",
                f"{slope['mb_per_1000_listings']:.1f}",
            ]
        )
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def projected_table(stages: dict[str, dict[str, Any]], cores: int) -> str:
    """Return a Markdown table of PROJECTED listings on this machine, and on a cluster."""
    headers = [
        f"{PROJECTED // 10**6} million listings",
        "hours on this machine",
        f"hours on {MACHINES} machines of {CORES} cores, if perfectly parallel",
        "GB in a single process",
    ]
    rows = []
    for name, stage in stages.items():
        hours = stage["fit"]["seconds_per_listing"] * PROJECTED / 3600
        gigabytes = stage["fit"]["mb_per_1000_listings"] * PROJECTED / 1e6
        on_cluster = hours * cores / (MACHINES * CORES)
        row = [name, f"{hours:,.0f}", f"{on_cluster:,.1f}", f"{max(gigabytes, 0):,.0f}"]
        rows.append(row)
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def measure_sizes(
    base: int, times: tuple[int, ...], stages: tuple[str, ...], runs: int
) -> tuple[list[dict[str, int]], list[dict[str, dict[str, float]]]]:
    """Return the size of each marketplace, and the measurements of the stages on it."""
    sizes, measured = [], []
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        for factor in times:
            project = Path(folder) / f"times-{factor}"
            make_project(project, base * factor)
            measured.append(measure(project, stages, 1 if factor == max(times) else runs))
            sizes.append(size(project))
            shutil.rmtree(project)
    return sizes, measured


@click.command(cls=BenchmarkCommand, help=(__doc__ or "").partition("\n")[0])
@click.option("--base", default=60, help="Listings at size 1; at least 40.")
@click.option("--times", multiple=True, type=int, help="Sizes; by default 1, 10 and 100.")
@click.option("--stage", "chosen", multiple=True, type=click.Choice(CHAIN), help="Default: all.")
@click.option("--runs", default=3, help="Of each stage; at the largest size always 1.")
@click.option("--write", is_flag=True, help="Write results/speed/growth.json and docs/speed.md.")
@click.option("--run", hidden=True, nargs=2, type=str, help="Internal: PROJECT STAGE.")
def main(
    base: int,
    times: tuple[int, ...],
    chosen: tuple[str, ...],
    runs: int,
    write: bool,
    run: tuple[str, str] | None,
) -> None:
    if run:
        run_timed(Path(run[0]), run[1])
        return
    about = machine()
    stages = tuple(stage for stage in CHAIN if stage in (chosen or CHAIN))
    sizes, measured = measure_sizes(base, times or TIMES, stages, runs)
    runs_of = {stage: [by_stage[stage] for by_stage in measured] for stage in stages}
    content: dict[str, Any] = {"machine": about, "sizes": sizes}
    content["stages"] = {stage: {"runs": stage_runs} for stage, stage_runs in runs_of.items()}
    if len(sizes) < 2:
        click.echo(json.dumps(content, indent=2))
        return
    for stage, stage_runs in runs_of.items():
        content["stages"][stage]["fit"] = fit([size["listings"] for size in sizes], stage_runs)
    text = tables(content)
    click.echo(f"{describe(about)}\n\n{text}")
    if write:
        save("growth", content)
        write_table(DOCUMENT, "growth", f"{describe(about)}.\n\n{text}")


if __name__ == "__main__":
    main()
