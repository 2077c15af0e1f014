"""Embeddings are written part by part: no part is lost, and a changed folder is noticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from market.data.images import to_jpeg
from market.data.photo_store import pack_photos
from market.models import embeddings
from market.models.embeddings import (
    PhotoSettings,
    folder_stamp,
    write_photo_embeddings,
    write_text_embeddings,
)
from market.models.text_encoder import EMBEDDING

pytestmark = pytest.mark.slow

SETTINGS = PhotoSettings("efficientnet_lite0", "none", seed=1, photo_size=32, batch_size=4)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    colours = np.random.default_rng(0).integers(256, size=(5, 3))
    packed = (
        (
            f"i{number}",
            to_jpeg(Image.new("RGB", (32, 32), tuple(colour)), 95),
            np.zeros((3, 4, 4), np.uint8),
        )
        for number, colour in enumerate(colours.tolist())
    )
    pack_photos(packed, tmp_path / "photos", array_size=4)
    return tmp_path / "photos"


def test_photos_are_embedded_part_by_part(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = write_photo_embeddings(tmp_path / "whole.npy", photos, 1280, SETTINGS)
    monkeypatch.setattr(embeddings, "PHOTOS_PER_TASK", 2)
    write_photo_embeddings(tmp_path / "parts.npy", photos, 1280, SETTINGS)
    whole, parts = (np.load(tmp_path / f"{name}.npy") for name in ("whole", "parts"))
    assert count == 5 and whole.shape == (5, 1280) and whole.dtype == np.float32
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-5)


def test_texts_are_embedded_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["shed", "oak chairs", "guitar", "", "piano"]
    products = pd.DataFrame({"product_id": [*"abcde"], "name": names, "description": ""})
    monkeypatch.setattr(embeddings, "TEXTS_PER_TASK", 2)
    write_text_embeddings(tmp_path / "text.parquet", products, batch_size=2, seed=0)
    table = pd.read_parquet(tmp_path / "text.parquet")
    assert table.columns.tolist() == ["product_id", *EMBEDDING]
    assert table["product_id"].tolist() == [*"abcde"]
    np.testing.assert_allclose(np.linalg.norm(table[EMBEDDING], axis=1), 1, rtol=1e-4)
    write_text_embeddings(tmp_path / "none.parquet", products[:0], batch_size=2, seed=0)
    assert pd.read_parquet(tmp_path / "none.parquet").columns.tolist() == table.columns.tolist()


def test_a_folders_stamp_changes_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    stamp = folder_stamp(tmp_path)
    assert folder_stamp(tmp_path) == stamp
    (tmp_path / "a").write_text("more")
    assert folder_stamp(tmp_path) != stamp
