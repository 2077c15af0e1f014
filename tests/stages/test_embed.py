"""Frozen features: each photo's own, in order, whatever the batch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from repository import REPO

from market.data.photo_store import PhotoStore, open_photo
from market.models.backbones import Classifier
from market.models.text_encoder import EMBEDDING, encode_texts, load_text_encoder
from stages import embed


@pytest.fixture(scope="module")
def model() -> Classifier:
    return Classifier("efficientnet_lite0", "pretrained", 1).eval()


def alone(model: Classifier, encoded: bytes) -> np.ndarray:
    photo = torch.from_numpy(open_photo(encoded).copy()).permute(2, 0, 1)
    with torch.inference_mode():
        return model.features(photo[None]).numpy()[0]


def test_each_row_is_its_photos_own_features(ran: Path, model: Classifier) -> None:
    photos = PhotoStore(ran / "data/clean/photos")
    rows = np.load(ran / "data/embeddings/photo.npy")
    assert (rows.shape, rows.dtype) == ((len(photos), 1280), np.float32)
    for index in range(0, len(photos), 9):
        features = alone(model, photos[index])
        np.testing.assert_allclose(rows[index], features, rtol=1e-3, atol=1e-3)
        others = np.abs(rows - features).mean(1) > 1e-2
        assert others.sum() >= len(rows) - 2, "a copy has the same features, another photo not"


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_the_batch_size_does_not_matter(ran: Path, model: Classifier, batch_size: int) -> None:
    photos = PhotoStore(ran / "data/clean/photos")
    few = [photos[index] for index in range(10)]
    out = embed.embed_photos(model, few, np.arange(10), photo_size=64, batch_size=batch_size)
    rows = np.load(ran / "data/embeddings/photo.npy")[:10]
    np.testing.assert_allclose(out, rows, rtol=1e-3, atol=1e-3)


def test_a_smaller_side_is_another_feature(ran: Path, model: Classifier) -> None:
    photos = PhotoStore(ran / "data/clean/photos")
    every = np.arange(len(photos))
    out = embed.embed_photos(model, photos, every, photo_size=32, batch_size=64)
    rows = np.load(ran / "data/embeddings/photo.npy")
    assert np.isfinite(out).all() and (np.abs(out - rows).mean(1) > 1e-2).all()


def test_the_seed_of_training_does_not_embed_again() -> None:
    stages = yaml.safe_load((REPO / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert not {"train", "train.seed"} & set(stages["embed"]["params"])


@pytest.mark.parametrize("weights", ["none", "pretrained"])
def test_the_seed_matters_for_random_weights_only(weights: str) -> None:
    def features(seed: int) -> torch.Tensor:
        network = embed.load_network("efficientnet_lite0", weights, seed).eval()
        with torch.inference_mode():
            return network.features(torch.full((1, 3, 32, 32), 99, dtype=torch.uint8))

    assert torch.equal(features(1), features(1))
    assert torch.equal(features(1), features(2)) == (weights == "pretrained")


def test_metrics_say_what_was_computed(ran: Path) -> None:
    metrics = json.loads((ran / "metrics/embed.json").read_text(encoding="utf-8"))
    count = len(PhotoStore(ran / "data/clean/photos"))
    texts = len(pd.read_parquet(ran / "data/clean/products.parquet"))
    assert metrics == {
        "backbone": "efficientnet_lite0",
        "photo_width": 1280,
        "photos": count,
        "text_width": 384,
        "texts": texts,
    }


def test_each_product_has_the_vector_of_its_own_text(ran: Path) -> None:
    products = pd.read_parquet(ran / "data/clean/products.parquet")
    vectors = pd.read_parquet(ran / "data/embeddings/text.parquet")
    assert vectors["product_id"].tolist() == products["product_id"].tolist()
    rows = vectors[EMBEDDING].to_numpy()
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-4)
    some = products.iloc[::9]
    alone = encode_texts(load_text_encoder("cpu"), some["name"], some["description"], 1)
    np.testing.assert_allclose(rows[::9], alone, atol=1e-4)
