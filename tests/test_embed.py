"""Frozen features: each photo's own, in order, whatever the batch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import embed
from shared.backbone import Classifier
from shared.photo_store import PhotoStore, open_photo


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
    out = np.zeros((10, 1280), np.float32)
    embed.embed_photos(model, few, out, photo_size=64, batch_size=batch_size)  # type: ignore[arg-type]
    rows = np.load(ran / "data/embeddings/photo.npy")[:10]
    np.testing.assert_allclose(out, rows, rtol=1e-3, atol=1e-3)


def test_a_smaller_side_is_another_feature(ran: Path, model: Classifier) -> None:
    photos = PhotoStore(ran / "data/clean/photos")
    out = np.zeros((len(photos), 1280), np.float32)
    embed.embed_photos(model, photos, out, photo_size=32, batch_size=64)
    rows = np.load(ran / "data/embeddings/photo.npy")
    assert np.isfinite(out).all() and (np.abs(out - rows).mean(1) > 1e-2).all()


def test_metrics_say_what_was_computed(ran: Path) -> None:
    metrics = json.loads((ran / "metrics/embed.json").read_text(encoding="utf-8"))
    count = len(PhotoStore(ran / "data/clean/photos"))
    assert metrics == {"backbone": "efficientnet_lite0", "photo_width": 1280, "photos": count}
