"""Each stage against the plain way to do the same, in turns, in one run.

    python benchmarks/stages.py --raw data/marketplace/raw --write

Every run is a process of its own. Its seconds are those of the work, from reading the inputs to the
last output, after the imports; its memory is the most that it and its workers hold at a time. The
ratios are of neighbouring runs, plain then ours, plain then ours. The plain ways are what one
writes first, with the same libraries:

clean       a loop of Image.open().convert("RGB").resize(): squares saved as JPEG, a small array of
            each in a pandas object column, pickled. *pixels only*: the squares themselves in the
            column, nothing saved as JPEG, no small arrays, no hashes: less than our stage does.
merge       the same join, groups (networkx) and StratifiedGroupKFold, on that column, into parquet.
            *pickled*: into a pickle, and split at random by product: less than our stage does.
tfidf       LinearRegression on TF-IDF made dense.
forest      the same forest by one job, from a pandas object column.
new_layer   every epoch decodes every photo and runs the frozen network. Two epochs are measured and
            multiplied: 160 would take half an hour for a thousand photos.
finetune    not a ratio of times but a share: our training with loader and augmentation, of the bare
            forward and backward pass of the same network on random tensors.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import runpy
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click
import joblib
import numpy as np
import pandas as pd
from measuring import (
    DOCUMENT,
    REPO,
    describe,
    machine,
    put_between,
    run_measured,
    run_part,
    save,
    spread_of,
)
from PIL import Image
from tabulate import tabulate

from market.core.errors import MarketError

STAGES = REPO / "stages"

LARGE = (4000, 3000)  # pixels of a 12-megapixel photo
DISTINCT = 6  # of the large photos; the others repeat them under new ids
EPOCHS, PLAIN_EPOCHS = 160, 2
AT_ONCE = 32
SEED = 42


@dataclass(frozen=True)
class Sizes:
    """How much each case takes; what is not here is the whole of the raw folder."""

    large: int  # 12-megapixel photos
    texts: int  # listings whose words are made dense
    photos: int  # for the new layer
    batches: int  # of train.batch_size photos, for fine-tuning
    trees: int


# --- The plain ways -------------------------------------------------------------------------------
def plain_clean(project: Path, raw: Path, out: Path) -> dict[str, Any]:
    out.mkdir()
    read_plainly(raw).to_parquet(out / "products.parquet")
    (out / "photos").mkdir()
    rows = []
    for image in pd.read_csv(raw / "Images.csv", keep_default_na=False).itertuples():
        try:
            photo = Image.open(raw / "images" / f"{image.id}.jpg").convert("RGB")
        except OSError:
            continue
        square = photo.resize((224, 224))
        square.save(out / "photos" / f"{image.id}.jpg", quality=95, subsampling=0)
        rows.append(
            {
                "image_id": image.id,
                "product_id": image.product_id,
                "width": photo.width,
                "height": photo.height,
                "pixel_hash": hashlib.sha256(square.tobytes()).hexdigest(),
                "image_array": np.asarray(square.resize((56, 56))).transpose(2, 0, 1),
            }
        )
    pd.DataFrame(rows).to_pickle(out / "images.pkl")
    return {}


def plain_pixels(project: Path, raw: Path, out: Path) -> dict[str, Any]:
    out.mkdir()
    read_plainly(raw).to_parquet(out / "products.parquet")
    images = pd.read_csv(raw / "Images.csv", keep_default_na=False)
    squares = []
    for image_id in images["id"]:
        try:
            photo = Image.open(raw / "images" / f"{image_id}.jpg").convert("RGB")
            squares.append(np.asarray(photo.resize((224, 224))))
        except OSError:
            squares.append(None)
    images["image_array"] = squares
    images = images.dropna(subset="image_array")
    images.to_pickle(out / "images.pkl")
    return {}


def read_plainly(raw: Path) -> pd.DataFrame:
    products = pd.read_csv(
        raw / "Products.csv", lineterminator="\n", keep_default_na=False, na_values=[""]
    ).dropna(subset=["id", "category", "price"])
    price = products["price"].astype(str).str.replace("[£,]", "", regex=True)
    products["price"] = pd.to_numeric(price, errors="coerce")
    products["category"] = products["category"].str.split(" / ").str[0]
    return products.dropna(subset="price").rename(columns={"id": "product_id"})


def plain_merge(project: Path, raw: Path, out: Path) -> dict[str, Any]:
    import networkx
    from sklearn.model_selection import StratifiedGroupKFold

    products = pd.read_parquet(project / "data/clean/products.parquet")
    images = pd.read_pickle(project / "plain/images.pkl")
    listings = images.merge(products, on="product_id", how="right")
    graph = networkx.Graph()
    texts = listings["description"].str.casefold().str.replace(r"\s+", " ", regex=True)
    for product, text, pixels in zip(
        listings["product_id"], texts, listings["pixel_hash"], strict=True
    ):
        graph.add_node(product)
        if text:
            graph.add_edge(product, ("text", text))
        if isinstance(pixels, str):
            graph.add_edge(product, ("photo", pixels))
    group = {
        node: number
        for number, nodes in enumerate(networkx.connected_components(graph))
        for node in nodes
        if isinstance(node, str)
    }
    listings["group"] = listings["product_id"].map(group)
    unique = listings.drop_duplicates("product_id")
    folds = StratifiedGroupKFold(10, shuffle=True, random_state=SEED)
    split = pd.Series("train", index=unique["product_id"])
    for fold, (_, held_out) in enumerate(folds.split(unique, unique["category"], unique["group"])):
        if fold < 3:
            split.iloc[held_out] = "test" if fold < 2 else "val"
    listings["split"] = listings["product_id"].map(split)
    # Parquet takes no array of three dimensions in an object column.
    listings["image_array"] = [
        array.ravel() if isinstance(array, np.ndarray) else None
        for array in listings["image_array"]
    ]
    listings.to_parquet(out)
    return {"groups": len(set(group.values())), "rows": len(listings)}


def plain_merge_pickled(project: Path, raw: Path, out: Path) -> dict[str, Any]:
    from sklearn.model_selection import GroupShuffleSplit

    products = pd.read_parquet(project / "data/clean/products.parquet")
    images = pd.read_pickle(project / "plain/images.pkl")
    listings = images.merge(products, on="product_id", how="right")
    folds = GroupShuffleSplit(1, test_size=0.2, random_state=SEED)
    _, test = next(folds.split(listings, groups=listings["product_id"]))
    listings["split"] = "train"
    listings.loc[test, "split"] = "test"
    listings.to_pickle(out)
    return {}


def plain_forest(project: Path, raw: Path, out: Path) -> dict[str, Any]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import accuracy_score

    listings = pd.read_parquet(project / "plain/listings.parquet")
    train, test = (listings[listings["split"] == name] for name in ("train", "test"))
    forest = RandomForestClassifier(
        params_of("classify_rf", "n_estimators"), min_samples_leaf=2, random_state=SEED
    )
    forest.fit(np.stack(train["image_array"]), train["category"])
    predicted = forest.predict(np.stack(test["image_array"]))
    joblib.dump(forest, out)
    return {"accuracy": round(float(accuracy_score(test["category"], predicted)), 6)}


def tfidf(project: Path, dense: bool) -> dict[str, Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LinearRegression

    products = pd.read_parquet(project / "data/clean/products.parquet").head(sizes_of().texts)
    table = TfidfVectorizer().fit_transform(products["name"] + " " + products["description"])
    model = LinearRegression().fit(table.toarray() if dense else table, products["price"])
    return {"words": len(model.coef_)}


def plain_layer(project: Path, raw: Path, out: Path) -> dict[str, Any]:
    import torch
    from torch import nn

    from market.core.params import load_params
    from market.models.backbones import NORMALISATION, PhotoNetwork

    backbone, batch_size = load_params("train.backbone", "train.batch_size")
    paths = sorted((project / "plain/photos").iterdir())[: sizes_of().photos]
    labels = torch.arange(len(paths)) % 13
    network = PhotoNetwork(backbone, "pretrained", classes=13).eval()
    mean, deviation = (torch.tensor(of).view(3, 1, 1) for of in NORMALISATION[backbone])
    optimizer = torch.optim.SGD(network.head.parameters(), lr=0.03, momentum=0.9)

    class Photos(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(paths)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
            photo = Image.open(paths[index]).convert("RGB").resize((224, 224))
            pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1).float() / 255
            return (pixels - mean) / deviation, labels[index]

    for _ in range(PLAIN_EPOCHS):
        for pixels, targets in torch.utils.data.DataLoader(Photos(), batch_size, shuffle=True):
            with torch.no_grad():
                seen = network.backbone(pixels)
            loss = nn.functional.cross_entropy(network.head(seen), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return {"times": EPOCHS / PLAIN_EPOCHS}


def bare_passes(project: Path, raw: Path, out: Path) -> dict[str, Any]:
    import torch
    from torch import nn

    from market.core.params import load_params
    from market.core.torch_setup import set_up_torch
    from market.models.backbones import PhotoNetwork

    train = load_params("train")
    device = set_up_torch(SEED)
    network = PhotoNetwork(train.backbone, "pretrained", classes=13).to(device).train()
    side = train.finetune_photo_size
    photos = torch.rand(AT_ONCE, 3, side, side, device=device) * 255
    labels = torch.arange(AT_ONCE, device=device) % 13
    start = time.perf_counter()
    passes = sizes_of().batches * train.batch_size // AT_ONCE
    for _ in range(passes):
        nn.functional.cross_entropy(network(photos), labels).backward()
    rate = passes * AT_ONCE / (time.perf_counter() - start)
    return {"photos_per_second": rate}


# --- Ours -----------------------------------------------------------------------------------------
def run_stage(name: str) -> None:
    """Run a stage as a script does, but for its imports, which this process has done already.

    As __main__, because then joblib sends the function itself to its workers, and they need not
    import all that the stage does.
    """
    sys.argv = [name]
    try:
        runpy.run_path(str(STAGES / f"{name}.py"), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise


def our_clean(project: Path, raw: Path, out: Path) -> dict[str, Any]:
    """The stage, in a project of its own whose dataset is `raw`."""
    (out / "data/bench").mkdir(parents=True)
    (out / "data/bench/raw").symlink_to(raw)
    text = (project / "params.yaml").read_text(encoding="utf-8")
    (out / "params.yaml").write_text(re.sub(r"(?m)^dataset: \S+", "dataset: bench", text))
    os.chdir(out)
    run_stage("clean")
    metrics = json.loads(Path("metrics/clean.json").read_text(encoding="utf-8"))
    return {"photos": metrics["photos"]["kept"]}


def our_merge(project: Path, raw: Path, out: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    run_stage("merge")
    metrics = json.loads(Path("metrics/merge.json").read_text(encoding="utf-8"))
    rows = pq.read_metadata("data/merged/listings.parquet").num_rows
    return {"groups": metrics["groups"], "rows": rows}


def our_forest(project: Path, raw: Path, out: Path) -> dict[str, Any]:
    run_stage("classify_rf")
    metrics = json.loads(Path("metrics/classify_rf.json").read_text(encoding="utf-8"))
    return {"accuracy": round(metrics["accuracy"], 6)}


def our_layer(project: Path, raw: Path, out: Path) -> dict[str, Any]:
    """Features once, then every epoch on them, as `embed_photos` and `train_cnn` do."""
    import torch
    from torch import nn

    from market.core.params import load_params
    from market.core.torch_setup import set_up_torch
    from market.data.photo_store import PhotoStore
    from market.models.backbones import PhotoNetwork
    from market.models.embeddings import embed_photos

    train, photo_size, batch_size = load_params(
        "train", "embed_photos.photo_size", "embed_photos.batch_size"
    )
    device = set_up_torch(SEED)
    network = PhotoNetwork(train.backbone, "pretrained", classes=13).to(device).for_inference()
    photos = PhotoStore(project / "data/clean/photos")
    chosen = np.arange(min(sizes_of().photos, len(photos)))
    features = torch.from_numpy(
        embed_photos(network, photos, chosen, photo_size=photo_size, batch_size=batch_size)
    )
    dataset = torch.utils.data.TensorDataset(features, torch.arange(len(features)) % 13)
    head = nn.Linear(network.width, 13)
    train_phase("head", head, lambda epoch: dataset, EPOCHS, train.learning_rate)
    return {"times": 1}


def train_phase(name: str, module: Any, dataset: Any, epochs: int, learning_rate: float) -> None:
    """Train by the stage's loop, with its settings, on labels drawn from 13."""
    import torch

    from market.core.params import load_params
    from market.models.photo_training import PHOTOS_AT_ONCE, shuffled
    from market.models.training import Phase, run_phases

    train = load_params("train")
    device = next(module.parameters()).device
    phase = Phase(
        name=name,
        module=module,
        optimizer=torch.optim.SGD(
            module.parameters(), lr=learning_rate, momentum=train.momentum, nesterov=True
        ),
        epochs=epochs,
        parents=np.arange(13),
        evaluate=lambda: {},
        label_smoothing=train.label_smoothing,
        micro_batch=train.batch_size if name == "head" else PHOTOS_AT_ONCE,
        **shuffled(dataset, train.batch_size, name, SEED, device),
    )
    run_phases([phase])


def our_finetune(project: Path, raw: Path, out: Path) -> dict[str, Any]:
    from market.core.params import load_params
    from market.core.torch_setup import set_up_torch
    from market.data.photo_store import PhotoStore, open_photo
    from market.models.backbones import PhotoNetwork
    from market.models.photo_dataset import PhotoDataset, augment

    train = load_params("train")
    device = set_up_torch(SEED)
    network = PhotoNetwork(train.backbone, "pretrained", classes=13).to(device)
    photos = PhotoStore(project / "data/clean/photos")
    count = sizes_of().batches * train.batch_size
    chosen, labels = np.arange(count) % len(photos), np.arange(count) % 13

    def dataset(epoch: int) -> PhotoDataset:
        transform = augment(train.finetune_photo_size)
        return PhotoDataset(photos, open_photo, chosen, labels, transform, SEED, epoch)

    start = time.perf_counter()
    train_phase("finetune", network, dataset, 1, train.finetune_learning_rate)
    return {"photos_per_second": count / (time.perf_counter() - start)}


# --- The cases ------------------------------------------------------------------------------------
Side = Callable[[Path, Path, Path], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    title: str
    plain: Side
    ours: Side
    imports: tuple[str, ...]  # by both sides before the clock starts
    aim: str
    large: bool = False  # of 12-megapixel photos


PIXELS = ("stages.clean", "pandas", "PIL.JpegImagePlugin")
NETWORK = ("stages.train_cnn", "stages.embed_photos", "torchvision.transforms.v2")
JOIN = ("stages.merge", "networkx")
CASES = {
    "clean_large": Case("clean, 12-megapixel photos", plain_clean, our_clean, PIXELS, "≥ 4", True),
    "clean": Case("clean, the marketplace's photos", plain_clean, our_clean, PIXELS, "≥ 1.8"),
    "clean_pixels": Case("clean against pixels only", plain_pixels, our_clean, PIXELS, "–"),
    "merge": Case("merge", plain_merge, our_merge, JOIN, "≥ 5, memory ≤ 1/4"),
    "merge_pickled": Case("merge against pickled", plain_merge_pickled, our_merge, JOIN, "–"),
    "tfidf": Case(
        "TF-IDF and regression, sparse",
        lambda project, raw, out: tfidf(project, True),
        lambda project, raw, out: tfidf(project, False),
        ("sklearn.linear_model", "sklearn.feature_extraction.text"),
        "–",
    ),
    "forest": Case("classify_rf", plain_forest, our_forest, ("stages.classify_rf",), "≥ 1.9"),
    "new_layer": Case(f"{EPOCHS} epochs of the new layer", plain_layer, our_layer, NETWORK, "≥ 50"),
    "finetune": Case(
        "fine-tuning, share of bare passes", bare_passes, our_finetune, NETWORK, "≥ 0.8"
    ),
}


def sizes_of() -> Sizes:
    return Sizes(**json.loads(Path(os.environ["BENCH_SIZES"]).read_text(encoding="utf-8")))


def params_of(section: str, key: str) -> Any:
    from market.core.params import load_params

    return getattr(load_params(section), key)


def run_side(project: Path, name: str, side: str) -> None:
    """Do one side's work in this process; print its seconds and results as JSON."""
    case = CASES[name]
    for module in case.imports:
        importlib.import_module(module)
    raw = project / ("large" if case.large else "raw")
    os.environ["BENCH_SIZES"] = str(project / "sizes.json")
    os.chdir(project)
    work: Side = getattr(case, side)
    with tempfile.TemporaryDirectory(dir=project) as folder:
        start, processor = time.perf_counter(), sum(os.times()[:4])
        result = work(project, raw.resolve(), Path(folder) / "out")
        seconds, processor = time.perf_counter() - start, sum(os.times()[:4]) - processor
        os.chdir(project)
    times = result.pop("times", 1)
    found = {"seconds": seconds * times, "processor_seconds": processor * times, **result}
    click.echo("\n" + json.dumps(found))


# --- What is needed beforehand --------------------------------------------------------------------
def draw_large(folder: Path, count: int) -> None:
    """A raw folder of `count` products with a photo of LARGE pixels each, DISTINCT of them."""
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
    pd.DataFrame(
        {
            "id": [f"product-{number}" for number in range(count)],
            "product_name": "Chair",
            "category": "Home & Garden / Chairs",
            "product_description": [f"A chair, number {number}" for number in range(count)],
            "price": "£10.00",
            "location": "Town, County",
        }
    ).to_csv(folder / "Products.csv", index=False)
    pd.DataFrame(
        {
            "id": [f"photo-{number}" for number in range(count)],
            "product_id": [f"product-{number}" for number in range(count)],
        }
    ).to_csv(folder / "Images.csv", index=False)


def prepare(project: Path, raw: Path, sizes: Sizes, *, whole: bool) -> None:
    """Make a project folder in which each side finds what the stages before it would have made.

    Not `whole`: with the raw folders only, for `clean`.
    """
    import pyarrow.parquet as pq

    (project / "raw").symlink_to(raw.resolve())
    (project / "sizes.json").write_text(json.dumps(vars(sizes)), encoding="utf-8")
    text = (REPO / "params.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^dataset: \S+", "dataset: bench", text)
    text = re.sub(r"(?m)^  n_estimators: \d+", f"  n_estimators: {sizes.trees}", text)
    (project / "params.yaml").write_text(text, encoding="utf-8")
    (project / "data/bench").mkdir(parents=True)
    (project / "data/bench/raw").symlink_to(raw.resolve())
    draw_large(project / "large", sizes.large)
    if not whole:
        return
    for stage in ("clean", "merge"):
        run_measured([sys.executable, str(STAGES / f"{stage}.py")], cwd=project)
    plain_clean(project, raw, project / "plain")
    # The same photos on both sides: the loop keeps trackers of one pixel and the like.
    images = pd.read_pickle(project / "plain/images.pkl")
    kept = pd.read_parquet(project / "data/clean/images.parquet", columns=["image_id"])
    images[images["image_id"].isin(kept["image_id"])].to_pickle(project / "plain/images.pkl")
    table = pq.read_table(project / "data/merged/listings.parquet")
    listings = table.drop_columns(["image_array"]).to_pandas()
    arrays = table["image_array"].combine_chunks()
    pixels = arrays.storage.flatten().to_numpy().reshape(len(arrays.drop_null()), -1)
    listings = listings[listings["photo_index"].notna()]
    listings["image_array"] = list(pixels)
    listings.to_parquet(project / "plain/listings.parquet")


MEASURED = {"seconds", "processor_seconds", "photos_per_second", "peak_mb"}


def summarise(name: str, pairs: list[tuple[dict, dict]]) -> dict[str, Any]:
    """Medians and ratios of a case's pairs of runs, plain and ours."""
    rate = "photos_per_second" in pairs[0][0]
    key = "photos_per_second" if rate else "seconds"
    plain, ours = zip(*pairs, strict=True)
    ratios = [(o[key] / p[key]) if rate else (p[key] / o[key]) for p, o in pairs]
    same = sorted(pairs[0][0].keys() - MEASURED)
    for what in same:
        values = {side[what] for pair in pairs for side in pair if what in side}
        if len(values) > 1:
            raise MarketError(f"{name}: the two ways differ in {what}: {values}")
    return {
        "title": CASES[name].title,
        "aim": CASES[name].aim,
        "unit": "photos/s" if rate else "s",
        "plain": [run[key] for run in plain],
        "ours": [run[key] for run in ours],
        "ratio": ratios,
        "plain_processor_seconds": [run["processor_seconds"] for run in plain],
        "ours_processor_seconds": [run["processor_seconds"] for run in ours],
        "plain_mb": [run["peak_mb"] for run in plain],
        "ours_mb": [run["peak_mb"] for run in ours],
        "same": {what: pairs[0][0][what] for what in same},
    }


HEADERS = ["", "plain", "ours", "plain / ours", "aim", "plain, MB", "ours, MB", "memory"]


def tabulate_cases(results: dict[str, dict[str, Any]]) -> str:
    rows = []
    for of in results.values():
        memory = [o / p for p, o in zip(of["plain_mb"], of["ours_mb"], strict=True)]
        rows.append(
            [
                of["title"],
                f"{spread_of(of['plain'])} {of['unit']}",
                f"{spread_of(of['ours'])} {of['unit']}",
                spread_of(of["ratio"], 2),
                of["aim"],
                f"{median(of['plain_mb']):,.0f}",
                f"{median(of['ours_mb']):,.0f}",
                spread_of(memory, 2),
            ]
        )
    return tabulate(rows, HEADERS, tablefmt="github", disable_numparse=True)


def draw_plot(results: dict[str, dict[str, Any]], path: Path) -> None:
    """An SVG of the ratios, log scale: a bar to the median, a line over the range."""
    import math

    left, right, row = 260, 700, 26
    most = max(max(of["ratio"]) for of in results.values())
    least = min(0.5, *(min(of["ratio"]) for of in results.values()))
    scale = (right - left) / math.log(most / least)

    def x(ratio: float) -> float:
        return left + math.log(ratio / least) * scale

    height = row * len(results) + 46
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="780" height="{height}" fill="#fff"/>',
    ]
    for tick in (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500):
        if least <= tick <= most:
            shade = "#333" if tick == 1 else "#ddd"
            parts.append(
                f'<path d="M{x(tick):.1f} 8V{height - 32}" stroke="{shade}"/>'
                f'<text x="{x(tick):.1f}" y="{height - 16}" text-anchor="middle">{tick:g}×</text>'
            )
    for number, of in enumerate(results.values()):
        y = 12 + number * row
        low, middle, high = min(of["ratio"]), median(of["ratio"]), max(of["ratio"])
        start, end = sorted((x(1), x(middle)))
        parts.append(
            f'<text x="{left - 10}" y="{y + 13}" text-anchor="end">{of["title"]}</text>'
            f'<rect x="{start:.1f}" y="{y}" width="{end - start:.1f}" height="16" fill="#4c78a8"/>'
            f'<path d="M{x(low):.1f} {y + 8}H{x(high):.1f}" stroke="#111" stroke-width="2"/>'
            f'<text x="{max(x(high), x(1)) + 6:.1f}" y="{y + 13}">{middle:.2f}</text>'
        )
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option("--raw", type=click.Path(path_type=Path), default=REPO / "data/marketplace/raw")
@click.option(
    "--case", "chosen", multiple=True, type=click.Choice(list(CASES)), help="Default: all."
)
@click.option("--pairs", default=3, help="Runs of each side.")
@click.option("--large", default=96, help="12-megapixel photos.")
@click.option("--texts", default=2000, help="Listings for TF-IDF.")
@click.option("--photos", default=1024, help="Photos for the new layer.")
@click.option("--batches", default=20, help="Batches of fine-tuning.")
@click.option("--trees", default=200)
@click.option("--write", is_flag=True, help="Write results/speed/ and docs/speed.*.")
@click.option("--side", hidden=True, nargs=3, type=str, help="Internal: PROJECT CASE SIDE.")
def main(
    raw: Path, chosen: tuple[str, ...], pairs: int, write: bool, side: tuple[str, str, str] | None,
    **sizes: int,
) -> None:  # fmt: skip
    if side:
        run_side(Path(side[0]), side[1], side[2])
        return
    if not raw.is_dir():
        raise MarketError(f"{raw} does not exist: `dvc pull data/marketplace/raw`")
    about = machine()
    results = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        project = Path(folder)
        whole = any(CASES[name].imports != PIXELS for name in chosen or CASES)
        prepare(project, raw.resolve(), Sizes(**sizes), whole=whole)
        for name in chosen or CASES:
            found = []
            for pair in range(pairs):
                plain, ours = (
                    run_part(__file__, "--side", project, name, which, cwd=project)
                    for which in ("plain", "ours")
                )
                found.append((plain, ours))
                click.echo(f"{name} {pair + 1}: {json.dumps([plain, ours])}", err=True)
            results[name] = summarise(name, found)
    table = tabulate_cases(results)
    click.echo(f"{describe(about)}\n\n{table}")
    if write:
        save("stages", {"machine": about, "sizes": sizes, "pairs": pairs, "cases": results})
        put_between(DOCUMENT, "stages", f"{describe(about)}; {pairs} pairs.\n\n{table}")
        draw_plot(results, REPO / "docs/speed.svg")


if __name__ == "__main__":
    main()
