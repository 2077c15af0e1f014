"""Compute what frozen networks see in each photo and text, once, so that training can reuse it.

In:  data/clean/ photos (packed), products.parquet.
Out: data/embeddings/ photo.npy, float32 (photos, width), in the order of the packed photos, and
     text.parquet, product_id and a column for each number; models/embed/ (model.safetensors,
     model.json), the photo network as it was; metrics/embed.json.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from joblib import Parallel, delayed
from torch.utils.data import DataLoader

from market.core.atomic import replace_when_done, write_json
from market.core.cluster import cluster
from market.core.params import load_params
from market.core.paths import require
from market.core.stage import progress, stage
from market.core.torch_setup import set_up_torch
from market.core.workers import keep
from market.data.photo_store import PhotoStore, open_photo
from market.models.backbones import Classifier
from market.models.photo_dataset import PhotoDataset
from market.models.text_encoder import TEXT_WIDTH, encode_texts, load_text_encoder, with_embedding

PHOTOS = Path("data/clean/photos")
PRODUCTS = Path("data/clean/products.parquet")
OUT = Path("data/embeddings")
MODEL = Path("models/embed")
PHOTOS_PER_TASK = 512
TEXTS_PER_TASK = 1024


def embed_photos(
    model: Classifier,
    photos: Sequence[bytes],
    indices: np.ndarray,
    *,
    photo_size: int,
    batch_size: int,
) -> np.ndarray:
    """Return the features, float32 (len(indices), width), of these photos, in this order.

    `model` is in evaluation mode. LOADER_WORKERS (0 here) processes decode ahead of a GPU.
    """
    dataset = PhotoDataset(photos, partial(open_photo, side=photo_size), indices)
    device = next(model.parameters()).device
    loader = DataLoader(
        dataset,
        batch_size,
        num_workers=int(os.environ.get("LOADER_WORKERS", 0)) if device.type == "cuda" else 0,
        pin_memory=device.type == "cuda",
    )
    with torch.inference_mode():
        parts = [model.features(batch.to(device, non_blocking=True)) for batch, _ in loader]
        return torch.cat(parts).cpu().numpy() if parts else np.empty((0, model.width), np.float32)


# --- What runs wherever joblib's tasks run --------------------------------------------------------
def photo_task(start: int, stop: int, network: tuple[str, str, int], sizes: dict) -> np.ndarray:
    """The features of the packed photos from `start` to `stop`; `network` builds the model."""

    def build() -> tuple[Classifier, PhotoStore]:
        device = set_up_torch(network[-1])
        return load_network(*network).to(device).for_inference(), PhotoStore(PHOTOS)

    model, photos = keep("embed photos", (network, content_stamp(PHOTOS)), build)
    return embed_photos(model, photos, np.arange(start, stop), **sizes)


def text_task(names: list[str], descriptions: list[str], seed: int, batch_size: int) -> np.ndarray:
    """The vectors of some listings' texts, float32 (n, TEXT_WIDTH)."""
    # Lists, which travel with the task: joblib gives a Series to one worker to keep, and when that
    # dies the task cannot run again.
    encoder = keep("embed texts", seed, lambda: load_text_encoder(str(set_up_torch(seed))))
    return encode_texts(encoder, pd.Series(names), pd.Series(descriptions), batch_size)


def load_network(backbone: str, weights: str, seed: int) -> Classifier:
    torch.manual_seed(seed)  # of random weights
    return Classifier(backbone, weights, classes=1)


def content_stamp(folder: Path) -> tuple:
    """What changes when a folder's files do, in the time of a listing."""
    files = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    return tuple((name, about.st_size, about.st_mtime_ns) for name, about in files)


def in_parts(total: int, size: int) -> list[tuple[int, int]]:
    """(start, stop) of each part of `size`, the last one smaller."""
    return [(start, min(start + size, total)) for start in range(0, total, size)]


def in_order(task: Callable, calls: Iterable[tuple], total: int, unit: str) -> Iterator[np.ndarray]:
    """Each call's result, in order: on the cluster, else here, where torch has all the cores."""
    parallel = Parallel(n_jobs=1, return_as="generator")
    with progress(total=total, desc=f"{unit}s", unit=unit) as bar:
        for found in parallel(delayed(task)(*call) for call in calls):
            bar.update(len(found))
            yield found


def write_photos(
    path: Path, shape: tuple[int, int], network: tuple[str, str, int], sizes: dict
) -> None:
    """Write photo.npy, of this shape, part by part."""
    count, _ = shape
    parts = in_parts(count, PHOTOS_PER_TASK)
    calls = ((start, stop, network, sizes) for start, stop in parts)
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    # Written, not memory-mapped: a mapped page that finds no room on the disk ends the process
    # without an error.
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for features in in_order(photo_task, calls, count, "photo"):
            file.write(features.astype("<f4", order="C", copy=False).data)


def write_texts(path: Path, products: pd.DataFrame, seed: int, batch_size: int) -> None:
    """Write text.parquet part by part: product_id and the columns EMBEDDING."""
    parts = in_parts(len(products), TEXTS_PER_TASK)
    calls = (
        (*(products[name].iloc[of].tolist() for name in ("name", "description")), seed, batch_size)
        for of in (slice(*part) for part in parts)
    )
    ids = products[["product_id"]]
    none = with_embedding(ids[:0], np.empty((0, TEXT_WIDTH), np.float32))
    schema = pa.Schema.from_pandas(none, preserve_index=False)
    with pq.ParquetWriter(path, schema) as writer:
        for part, vectors in zip(
            parts, in_order(text_task, calls, len(products), "text"), strict=True
        ):
            rows = with_embedding(ids.iloc[slice(*part)], vectors)
            writer.write_table(pa.Table.from_pandas(rows, schema, preserve_index=False))


@stage
def main() -> str:
    settings, backbone, weights, jpeg_quality = load_params(
        "embed", "train.backbone", "train.weights", "clean.jpeg_quality"
    )
    params = settings.model_dump()
    seed = params.pop("seed")
    require(PHOTOS, PRODUCTS)
    set_up_torch(seed)
    network = (backbone, weights, seed)
    model = load_network(*network)
    count = len(PhotoStore(PHOTOS))
    products = pd.read_parquet(PRODUCTS, columns=["product_id", "name", "description"])
    with replace_when_done(OUT) as folder, cluster():
        folder.mkdir()
        write_photos(folder / "photo.npy", (count, model.width), network, params)
        write_texts(folder / "text.parquet", products, seed, params["batch_size"])
    with replace_when_done(MODEL) as folder:
        folder.mkdir()
        model.save(folder / "model.safetensors")
        about = {
            "backbone": backbone,
            "jpeg_quality": jpeg_quality,  # of the photos read, and so of those to come
            "photo_size": params["photo_size"],
        }
        write_json(folder / "model.json", about)
    metrics = {
        "photos": count,
        "photo_width": model.width,
        "backbone": backbone,
        "texts": len(products),
        "text_width": TEXT_WIDTH,
    }
    write_json(Path("metrics/embed.json"), metrics)
    return f"{count} photos and {len(products)} texts in {OUT}"


if __name__ == "__main__":
    main()
