"""Features of all photos and texts from frozen networks, computed once for all trainings.

Parts are joblib tasks: inside `cluster()` they run on its workers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from joblib import Parallel, delayed
from torch.utils.data import DataLoader

from market.core.stage import progress
from market.core.torch_setup import set_up_torch
from market.core.workers import keep
from market.data.photo_store import PhotoStore, open_photo
from market.models.backbones import PhotoNetwork, new_network
from market.models.photo_dataset import PhotoDataset
from market.models.text_encoder import TEXT_WIDTH, encode_texts, load_text_encoder, with_embedding

PHOTOS_PER_TASK = 512
TEXTS_PER_TASK = 1024


class PhotoSettings(NamedTuple):
    """How photos are embedded; hashable, so that a worker knows when its network is outdated."""

    backbone: str
    weights: str  # "pretrained" or "none"
    seed: int  # of random weights
    photo_size: int  # pixels
    batch_size: int


# --- Photos ---------------------------------------------------------------------------------------
def embed_photos(
    network: PhotoNetwork,
    photos: Sequence[bytes],
    indices: np.ndarray,
    *,
    photo_size: int,
    batch_size: int,
) -> np.ndarray:
    """Return the features of some packed photos, float32 (len(indices), width), in this order.

    Parameters
    ----------
    network
        In evaluation mode.
    photos
        The bytes of all packed photos.
    indices
        The photos to embed.
    photo_size
        Side at which the network sees them, in pixels.
    batch_size
        Photos per forward pass.

    Notes
    -----
    On a GPU the environment variable LOADER_WORKERS (default 0) is the number of processes that
    decode photos ahead.
    """
    dataset = PhotoDataset(photos, partial(open_photo, side=photo_size), indices)
    device = next(network.parameters()).device
    loader = DataLoader(
        dataset,
        batch_size,
        num_workers=int(os.environ.get("LOADER_WORKERS", 0)) if device.type == "cuda" else 0,
        pin_memory=device.type == "cuda",
    )
    with torch.inference_mode():
        parts = [network.features(batch.to(device, non_blocking=True)) for batch, _ in loader]
        return torch.cat(parts).cpu().numpy() if parts else np.empty((0, network.width), np.float32)


def write_photo_embeddings(path: Path, photos: Path, width: int, settings: PhotoSettings) -> int:
    """Write the features of all packed photos, part by part; return their number.

    Parameters
    ----------
    path
        A new .npy file: float32 (photos, width), in the order of the packed photos.
    photos
        The folder of packed photos.
    width
        Number of features of the backbone.
    settings
        How to embed them.
    """
    count = len(PhotoStore(photos))
    calls = ((photos, start, stop, settings) for start, stop in _parts(count, PHOTOS_PER_TASK))
    header = {"descr": "<f4", "fortran_order": False, "shape": (count, width)}
    # Written, not memory-mapped: if the disk is full, writing to a mapped page ends the process
    # without an error.
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for features in _in_order(_photo_task, calls, count, "photo"):
            file.write(features.astype("<f4", order="C", copy=False).data)
    return count


def _photo_task(folder: Path, start: int, stop: int, settings: PhotoSettings) -> np.ndarray:
    """Return the features of the packed photos from `start` to `stop`."""

    def build() -> tuple[PhotoNetwork, PhotoStore]:
        device = set_up_torch(settings.seed)
        network = new_network(settings.backbone, settings.weights, classes=1, seed=settings.seed)
        return network.to(device).for_inference(), PhotoStore(folder)

    network, photos = keep("embed photos", (settings, folder_stamp(folder)), build)
    return embed_photos(
        network,
        photos,
        np.arange(start, stop),
        photo_size=settings.photo_size,
        batch_size=settings.batch_size,
    )


# --- Texts ----------------------------------------------------------------------------------------
def write_text_embeddings(
    path: Path, products: pd.DataFrame, *, batch_size: int, seed: int
) -> None:
    """Write the vectors of all listings' texts, part by part.

    Parameters
    ----------
    path
        A new .parquet file: product_id and the columns EMBEDDING.
    products
        Columns product_id, name and description.
    batch_size
        Texts per forward pass.
    seed
        Of torch.
    """
    parts = _parts(len(products), TEXTS_PER_TASK)
    # Lists, because they travel with the task: joblib gives a Series to one worker to keep, and if
    # that worker dies, the task cannot run again.
    calls = (
        (
            products["name"].iloc[start:stop].tolist(),
            products["description"].iloc[start:stop].tolist(),
            batch_size,
            seed,
        )
        for start, stop in parts
    )
    ids = products[["product_id"]]
    empty = with_embedding(ids[:0], np.empty((0, TEXT_WIDTH), np.float32))
    schema = pa.Schema.from_pandas(empty, preserve_index=False)
    with pq.ParquetWriter(path, schema) as writer:
        results = _in_order(_text_task, calls, len(products), "text")
        for (start, stop), vectors in zip(parts, results, strict=True):
            rows = with_embedding(ids.iloc[start:stop], vectors)
            writer.write_table(pa.Table.from_pandas(rows, schema, preserve_index=False))


def _text_task(names: list[str], descriptions: list[str], batch_size: int, seed: int) -> np.ndarray:
    """Return the vectors of some listings' texts, float32 (n, TEXT_WIDTH)."""
    encoder = keep("embed texts", seed, lambda: load_text_encoder(str(set_up_torch(seed))))
    return encode_texts(encoder, pd.Series(names), pd.Series(descriptions), batch_size)


# --- Parts ----------------------------------------------------------------------------------------
def folder_stamp(folder: Path) -> tuple:
    """Return the names, sizes and times of a folder's files: a cheap sign that they changed."""
    files = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    return tuple((name, status.st_size, status.st_mtime_ns) for name, status in files)


def _parts(total: int, size: int) -> list[tuple[int, int]]:
    """Return (start, stop) of each part of `size`; the last one may be smaller."""
    return [(start, min(start + size, total)) for start in range(0, total, size)]


def _in_order(
    task: Callable, calls: Iterable[tuple], total: int, unit: str
) -> Iterator[np.ndarray]:
    """Yield the result of each call, in order, with a progress bar over `total` rows.

    Without a cluster the tasks run in this process, where torch uses all cores.
    """
    parallel = Parallel(n_jobs=1, return_as="generator")
    with progress(total=total, desc=f"{unit}s", unit=unit) as bar:
        for result in parallel(delayed(task)(*call) for call in calls):
            bar.update(len(result))
            yield result
