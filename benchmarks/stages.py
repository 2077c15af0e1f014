"""Each stage against the plain way to do the same, in turns, in one run.

    python benchmarks/stages.py --raw data/marketplace/raw --write

Every run is a process of its own. Seconds count the work, from reading the inputs to writing the
last output, without imports. Memory is the peak of the process and its workers together. A ratio
compares neighbouring runs: plain, ours, plain, ours. The plain ways (reference.py, networks.py):

clean       a loop of Image.open().convert("RGB").resize(): squares saved as JPEG, a small array of
            each in a pandas object column, pickled. *pixels only*: the squares themselves in the
            column, no JPEG, no small arrays, no hashes: less work than our stage does.
merge       the same join, groups of exact duplicates (networkx) and StratifiedGroupKFold, on that
            column, into parquet. Our stage groups near-duplicates too: more work.
            *pickled*: into a pickle, split at random by product: less work than our stage does.
tfidf       LinearRegression on dense TF-IDF.
forest      the same forest in one job, from a pandas object column.
new_layer   every epoch decodes every photo and runs the frozen network. Two epochs are measured and
            extrapolated to 160.
finetune    not a ratio of times but a share: the rate of our training (loader and augmentation
            included) over that of bare forward and backward passes of the same network on random
            tensors.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import reference
from cases import CASES, SEED, Job, Sizes
from command import BenchmarkCommand
from measuring import (
    DOCUMENT,
    REPO,
    STAGES,
    describe,
    machine,
    run_measured,
    run_part,
    save,
    write_params,
    write_table,
)
from pairs import draw_ratios, ratio_table, summarise
from PIL import Image

from market.core.paths import IMAGES, LISTINGS, raw_folder

DATASET = "bench"
LARGE = (4000, 3000)  # pixels of a 12-megapixel photo
DISTINCT = 6  # large photos; the others repeat them under new ids
SIDE = str(Path(__file__).with_name("side.py"))
PLOT = DOCUMENT.with_suffix(".svg")


# --- The inputs -----------------------------------------------------------------------------------
def prepare(project: Path, raw: Path, sizes: Sizes, *, all_stages: bool) -> None:
    """Make a project with the inputs of both sides.

    Parameters
    ----------
    project
        An empty folder.
    raw
        The raw folder to measure with.
    sizes
        The amounts of work.
    all_stages
        Whether to prepare the inputs of all stages, not of clean only.
    """
    (project / "raw").symlink_to(raw)
    (project / "sizes.json").write_text(json.dumps(asdict(sizes)), encoding="utf-8")
    write_params(project, {"dataset": DATASET, "classify_rf.n_estimators": sizes.trees})
    dataset = project / raw_folder(DATASET)
    dataset.parent.mkdir(parents=True)
    dataset.symlink_to(raw)
    draw_large(project / "large", sizes.large)
    if not all_stages:
        return
    for stage in ("clean", "merge"):
        run_measured([sys.executable, str(STAGES / f"{stage}.py")], cwd=project)
    reference.clean(Job(project, raw, project / "plain", sizes))
    # Both sides need the same photos: the plain loop keeps tracking pixels and the like.
    images = pd.read_pickle(project / reference.PICKLE)
    kept = pd.read_parquet(project / IMAGES, columns=["image_id"])["image_id"]
    images[images["image_id"].isin(kept)].to_pickle(project / reference.PICKLE)
    plain_listings(project / LISTINGS).to_parquet(project / reference.LISTINGS)


def plain_listings(path: Path) -> pd.DataFrame:
    """Return the merged listings that have a photo, with the pixels in an object column."""
    table = pq.read_table(path)
    listings = table.drop_columns(["image_array"]).to_pandas()
    listings = listings[listings["photo_index"].notna()]
    arrays = table["image_array"].combine_chunks()
    pixels = arrays.storage.flatten().to_numpy().reshape(len(listings), -1)
    return listings.assign(image_array=list(pixels))


def draw_large(folder: Path, count: int) -> None:
    """Write a raw folder of `count` products, each with a synthetic 12-megapixel photo."""
    rng = np.random.default_rng(SEED)
    (folder / "images").mkdir(parents=True)
    for number in range(min(DISTINCT, count)):
        coarse = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
        scene = np.asarray(coarse.resize(LARGE, Image.Resampling.BICUBIC)).astype(np.int16)
        grain = rng.normal(0, 6, scene.shape).astype(np.int16)
        photo = Image.fromarray((scene + grain).clip(0, 255).astype(np.uint8))
        photo.save(folder / f"images/photo-{number}.jpg", quality=90)
    for number in range(DISTINCT, count):
        first = folder / f"images/photo-{number % DISTINCT}.jpg"
        shutil.copyfile(first, folder / f"images/photo-{number}.jpg")
    ids = [f"product-{number}" for number in range(count)]
    products = pd.DataFrame(
        {
            "id": ids,
            "product_name": "Chair",
            "category": "Home & Garden / Chairs",
            "product_description": [f"A chair, number {number}" for number in range(count)],
            "price": "£10.00",
            "location": "Town, County",
        }
    )
    products.to_csv(folder / "Products.csv", index=False)
    images = pd.DataFrame({"id": [f"photo-{number}" for number in range(count)], "product_id": ids})
    images.to_csv(folder / "Images.csv", index=False)


# --- The runs -------------------------------------------------------------------------------------
def measure(project: Path, name: str, pairs: int) -> dict[str, Any]:
    """Run a case in pairs of processes, plain and ours; return the summary."""
    runs = []
    for pair in range(pairs):
        plain, ours = (
            run_part(SIDE, project, name, side, cwd=project) for side in ("plain", "ours")
        )
        runs.append((plain, ours))
        click.echo(f"{name} {pair + 1}: {json.dumps([plain, ours])}", err=True)
    return summarise(CASES[name], runs)


def write_results(
    about: dict[str, Any], sizes: Sizes, pairs: int, results: dict[str, Any], table: str
) -> None:
    """Write results/speed/stages.json, the table in docs/speed.md, and docs/speed.svg."""
    content = {"machine": about, "sizes": asdict(sizes), "pairs": pairs, "cases": results}
    save("stages", content)
    plot = f"![How many times faster than the plain way, by stage]({PLOT.name})"
    write_table(DOCUMENT, "stages", f"{describe(about)}; {pairs} pairs.\n\n{table}\n\n{plot}")
    draw_ratios(results, PLOT)


@click.command(cls=BenchmarkCommand, help=(__doc__ or "").partition("\n")[0])
@click.option("--raw", type=click.Path(path_type=Path), default=REPO / "data/marketplace/raw")
@click.option(
    "--case", "chosen", multiple=True, type=click.Choice(list(CASES)), help="Default: all."
)
@click.option("--pairs", default=3, help="Runs of each side.")
@click.option("--large", default=96, help="12-megapixel photos.")
@click.option("--texts", default=2000, help="Listings for TF-IDF.")
@click.option("--photos", default=1024, help="Photos for the new layer.")
@click.option("--batches", default=20, help="Batches of fine-tuning.")
@click.option("--trees", default=200, help="Trees of the forest.")
@click.option("--write", is_flag=True, help="Write results/speed/stages.json and docs/speed.*.")
def main(raw: Path, chosen: tuple[str, ...], pairs: int, write: bool, **amounts: int) -> None:
    if not raw.is_dir():
        raise click.ClickException(f"{raw} not found: run `dvc pull data/marketplace/raw`")
    about, sizes = machine(), Sizes(**amounts)
    names = chosen or tuple(CASES)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        project = Path(folder)
        beyond_clean = any(CASES[name].stage != "clean" for name in names)
        prepare(project, raw.resolve(), sizes, all_stages=beyond_clean)
        results = {name: measure(project, name, pairs) for name in names}
    table = ratio_table(results)
    click.echo(f"{describe(about)}\n\n{table}")
    if write:
        write_results(about, sizes, pairs, results, table)


if __name__ == "__main__":
    main()
