"""How clean, merge, both embeddings, index and rank grow: 1, 10 and 100 times as many listings.

    python benchmarks/growth.py --write

The marketplaces are drawn by stage `sample`, each size anew with its own photos and texts: photos
repeated under new ids would all be one group for `merge`. Settings are those of params.yaml but for
merge.folds, 5, as the smallest has few products. Every run is a process of its own; its seconds are
those of the stage after the imports; of the runs at a size the fastest counts, as others' work only
ever slows one down. *growth* is the time for a further listing between 10 and 100 times, over that
between 1 and 10 times: 1 is linear.

index needs expected prices, which other stages would make; they are made up here.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import runpy
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from measuring import DOCUMENT, REPO, describe, machine, put_between, run_part, save
from tabulate import tabulate

STAGES = REPO / "stages"

CHAIN = ("clean", "merge", "embed_photos", "embed_texts", "index", "rank")
TIMES = (1, 10, 100)
SEED = 20220226
PAPER = 100_000_000  # listings
MACHINES, CORES = 64, 16  # of the cluster on paper
WARM = {"embed_texts": "sentence_transformers", "index": "sentence_transformers",
        "rank": "sentence_transformers"}  # fmt: skip


def make_project(folder: Path, products: int) -> None:
    """The inputs of clean, for `products` listings, in a project folder with our settings."""
    from market.data.synthetic.marketplace import write_marketplace

    folder.mkdir()
    text = (REPO / "params.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^dataset: \S+", "dataset: sample", text)
    text = re.sub(r"(?m)^  folds: \d+", "  folds: 5", text)
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    write_marketplace(folder / "data/sample/raw", products, SEED)


def make_up_prices(project: Path) -> None:
    products = pd.read_parquet(project / "data/clean/products.parquet", columns=["product_id"])
    drawn = np.random.default_rng(SEED).lognormal(3.7, 1.0, len(products))
    (project / "data/price").mkdir(parents=True, exist_ok=True)
    products.assign(price_expected=drawn, price_flag="").to_parquet(
        project / "data/price/expected.parquet", index=False
    )


def run_stage(project: Path, stage: str) -> None:
    """Run a stage in this process, and print its seconds without the imports, as JSON."""
    os.chdir(project)
    sys.argv = [stage]
    importlib.import_module(f"stages.{stage}")
    if stage in WARM:
        importlib.import_module(WARM[stage])
    start = time.perf_counter()
    try:
        runpy.run_path(str(STAGES / f"{stage}.py"), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
    click.echo("\n" + json.dumps({"seconds": time.perf_counter() - start}))


def photos_of(project: Path) -> int:
    return len(list((project / "data/sample/raw/images").iterdir()))


def measure(project: Path, chain: tuple[str, ...], runs: int) -> dict[str, dict[str, float]]:
    """Fastest seconds, and the most memory, of each stage."""
    found = {}
    for stage in chain:
        if stage == "index":
            make_up_prices(project)
        results = [run_part(__file__, "--run", project, stage, cwd=project) for _ in range(runs)]
        found[stage] = {
            "seconds": min(of["seconds"] for of in results),
            "peak_mb": max(of["peak_mb"] for of in results),
        }
        click.echo(f"{project.name} {stage}: {found[stage]}", err=True)
    return found


def fit(listings: list[int], of_stage: list[dict[str, float]]) -> dict[str, float]:
    """Slopes per listing: seconds and MB between the last two sizes; `growth`, see above."""
    seconds = [of["seconds"] for of in of_stage]
    memory = [of["peak_mb"] for of in of_stage]
    slopes = np.diff(seconds) / np.diff(listings)
    return {
        "seconds_per_listing": float(slopes[-1]),
        "growth": float(slopes[-1] / slopes[0]) if len(slopes) > 1 else float("nan"),
        "constant_seconds": float(seconds[-1] - slopes[-1] * listings[-1]),
        "mb_per_1000_listings": float(np.diff(memory)[-1] / np.diff(listings)[-1] * 1000),
        "constant_mb": memory[0],
    }


def tables(content: dict[str, Any]) -> str:
    sizes, stages = content["sizes"], content["stages"]
    listings = [of["listings"] for of in sizes]
    head = [f"{of['listings']:,} listings, {of['photos']:,} photos" for of in sizes]
    rows = []
    for name, of in stages.items():
        cells = [f"{run['seconds']:.1f} s, {run['peak_mb']:,.0f} MB" for run in of["runs"]]
        slope = of["fit"]
        rows.append(
            [
                name,
                *cells,
                f"{slope['seconds_per_listing'] * 1000:.2f}",
                f"{slope['growth']:.2f}",
                f"{slope['mb_per_1000_listings']:.1f}",
            ]
        )
    headers = ["", *head, "ms a listing", "growth", "MB a thousand listings"]
    measured = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
    cores = content["machine"]["cores"]
    rows = []
    for name, of in stages.items():
        hours = of["fit"]["seconds_per_listing"] * PAPER / 3600
        memory = of["fit"]["mb_per_1000_listings"] * PAPER / 1e6
        shared = hours * cores / (MACHINES * CORES)
        rows.append([name, f"{hours:,.0f}", f"{shared:,.1f}", f"{max(memory, 0):,.0f}"])
    headers = [
        f"{PAPER // 10**6} million listings",
        "hours on this machine",
        f"hours on {MACHINES} machines of {CORES} cores, if all of it were shared out",
        "GB, were it one process",
    ]
    paper = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
    return (
        f"{measured}\n\nOn paper, from these slopes:\n\n{paper}" if len(listings) > 1 else measured
    )


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option("--base", default=60, help="Listings at once; at least 40.")
@click.option("--times", multiple=True, type=int, help="Sizes; by default 1, 10 and 100.")
@click.option("--stage", "chosen", multiple=True, type=click.Choice(CHAIN), help="Default: all.")
@click.option("--runs", default=3, help="Of each stage but at the largest size: there, one.")
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
        run_stage(Path(run[0]), run[1])
        return
    about = machine()
    chain = tuple(stage for stage in CHAIN if stage in (chosen or CHAIN))
    measured, sizes = [], []
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        for many in times or TIMES:
            project = Path(folder) / f"times-{many}"
            make_project(project, base * many)
            measured.append(measure(project, chain, 1 if many == max(times or TIMES) else runs))
            path = project / "data/sample/raw/Products.csv"
            products = pd.read_csv(path, lineterminator="\n", keep_default_na=False)
            sizes.append({"listings": len(products), "photos": photos_of(project)})
            shutil.rmtree(project)
    listings = [of["listings"] for of in sizes]
    stages: dict[str, dict[str, Any]] = {}
    for stage in chain:
        of_stage = [of[stage] for of in measured]
        stages[stage] = {"runs": of_stage}
        if len(listings) > 1:
            stages[stage]["fit"] = fit(listings, of_stage)
    content = {"machine": about, "sizes": sizes, "stages": stages}
    if len(listings) < 2:
        click.echo(json.dumps(content, indent=2))
        return
    text = tables(content)
    click.echo(f"{describe(about)}\n\n{text}")
    if write:
        save("growth", content)
        put_between(DOCUMENT, "growth", f"{describe(about)}.\n\n{text}")


if __name__ == "__main__":
    main()
