"""Features of photos: each photo has its own, in order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from repository import REPO

from market.data.photo_store import PhotoStore, open_photo
from market.models.backbones import PhotoNetwork
from market.models.embeddings import embed_photos


@pytest.fixture(scope="module")
def network() -> PhotoNetwork:
    return PhotoNetwork("efficientnet_lite0", "pretrained", 1).eval()


def features_of(network: PhotoNetwork, encoded: bytes) -> np.ndarray:
    photo = torch.from_numpy(open_photo(encoded).copy()).permute(2, 0, 1)
    with torch.inference_mode():
        return network.features(photo[None]).numpy()[0]


def test_each_row_has_the_features_of_its_photo(ran: Path, network: PhotoNetwork) -> None:
    photos = PhotoStore(ran / "data/clean/photos")
    rows = np.load(ran / "data/embeddings/photo.npy")
    assert (rows.shape, rows.dtype) == ((len(photos), 1280), np.float32)
    for index in range(0, len(photos), 9):
        features = features_of(network, photos[index])
        np.testing.assert_allclose(rows[index], features, rtol=1e-3, atol=1e-3)
        others = np.abs(rows - features).mean(1) > 1e-2
        assert others.sum() >= len(rows) - 2, "only a copy has the same features"


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_features_do_not_depend_on_the_batch_size(
    ran: Path, network: PhotoNetwork, batch_size: int
) -> None:
    photos = PhotoStore(ran / "data/clean/photos")
    few = [photos[index] for index in range(10)]
    features = embed_photos(network, few, np.arange(10), photo_size=64, batch_size=batch_size)
    rows = np.load(ran / "data/embeddings/photo.npy")[:10]
    np.testing.assert_allclose(features, rows, rtol=1e-3, atol=1e-3)


def test_features_depend_on_the_photo_size(ran: Path, network: PhotoNetwork) -> None:
    photos = PhotoStore(ran / "data/clean/photos")
    every = np.arange(len(photos))
    features = embed_photos(network, photos, every, photo_size=32, batch_size=64)
    rows = np.load(ran / "data/embeddings/photo.npy")
    assert np.isfinite(features).all() and (np.abs(features - rows).mean(1) > 1e-2).all()


def test_another_training_seed_does_not_rerun_the_embedding() -> None:
    stages = yaml.safe_load((REPO / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for stage in ("embed_photos", "embed_texts"):
        assert not {"train", "train.seed"} & set(stages[stage]["params"])


def test_metrics_hold_the_number_and_width_of_the_photos(ran: Path) -> None:
    metrics = json.loads((ran / "metrics/embed_photos.json").read_text(encoding="utf-8"))
    photos = len(PhotoStore(ran / "data/clean/photos"))
    assert metrics == {"backbone": "efficientnet_lite0", "photo_width": 1280, "photos": photos}
