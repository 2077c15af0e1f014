"""Compute what frozen networks see in each photo and text, once, so that training can reuse it.

In:  data/clean/ photos (packed), products.parquet.
Out: data/embeddings/ photo.npy, float32 (photos, width), in the order of the packed photos, and
     text.parquet, product_id and a column for each number; models/embed/ (model.safetensors,
     model.json), the photo network as it was; metrics/embed.json.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from shared.atomic import replace_when_done, write_json
from shared.backbone import Classifier
from shared.inputs import require
from shared.params import load_params
from shared.photo_dataset import PhotoDataset
from shared.photo_store import PhotoStore, open_photo
from shared.stage import progress, stage
from shared.text_encoder import encode_texts, load_text_encoder, with_embedding
from shared.torch_setup import set_up_torch

PHOTOS = Path("data/clean/photos")
PRODUCTS = Path("data/clean/products.parquet")
OUT = Path("data/embeddings")
MODEL = Path("models/embed")


def embed_photos(
    model: Classifier, photos: PhotoStore, out: np.ndarray, *, photo_size: int, batch_size: int
) -> None:
    """Fill `out`, float32 (photos, width), with the features of every photo, in order."""
    resize = v2.Resize((photo_size, photo_size), antialias=True)
    dataset = PhotoDataset(photos, open_photo, np.arange(len(photos)), transform=resize)
    model = model.for_inference()
    device = next(model.parameters()).device
    start = 0
    bar = progress(total=len(photos), desc="photos", unit="photo")
    with torch.inference_mode(), bar:
        for batch, _ in DataLoader(dataset, batch_size):
            out[start : start + len(batch)] = model.features(batch.to(device)).cpu().numpy()
            start += len(batch)
            bar.update(len(batch))


@stage
def main() -> str:
    params, backbone, weights, seed = load_params(
        "embed", "train.backbone", "train.weights", "train.seed"
    )
    require(PHOTOS, PRODUCTS)
    device = set_up_torch(seed)
    photos = PhotoStore(PHOTOS)
    model = Classifier(backbone, weights, classes=1).to(device)
    with replace_when_done(OUT) as folder:
        folder.mkdir()
        out = np.lib.format.open_memmap(
            folder / "photo.npy", mode="w+", dtype=np.float32, shape=(len(photos), model.width)
        )
        with (folder / "photo.npy").open("r+b") as file:
            # Now, as an error: a mapped page that finds no room later ends the process.
            os.posix_fallocate(file.fileno(), 0, (folder / "photo.npy").stat().st_size)
        embed_photos(model, photos, out, **params)
        out.flush()
        products = pd.read_parquet(PRODUCTS, columns=["product_id", "name", "description"])
        vectors = encode_texts(
            load_text_encoder(str(device)),
            products["name"],
            products["description"],
            params["batch_size"],
            lambda batches: progress(batches, desc="texts", unit="batch"),
        )
        with_embedding(products[["product_id"]], vectors).to_parquet(
            folder / "text.parquet", index=False
        )
    with replace_when_done(MODEL) as folder:
        folder.mkdir()
        model.save(folder / "model.safetensors")
        about = {"backbone": backbone, "photo_size": params["photo_size"]}
        write_json(folder / "model.json", about)
    metrics = {
        "photos": len(photos),
        "photo_width": model.width,
        "backbone": backbone,
        "texts": len(products),
        "text_width": vectors.shape[1],
    }
    write_json(Path("metrics/embed.json"), metrics)
    return f"{len(photos)} photos and {len(products)} texts in {OUT}"


if __name__ == "__main__":
    main()
