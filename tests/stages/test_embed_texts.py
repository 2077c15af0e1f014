"""Vectors of texts: each listing has its own, in order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from market.models.text_encoder import EMBEDDING, encode_texts, load_text_encoder


def test_each_product_has_the_vector_of_its_text(ran: Path) -> None:
    products = pd.read_parquet(ran / "data/clean/products.parquet")
    vectors = pd.read_parquet(ran / "data/embeddings/text.parquet")
    assert vectors["product_id"].tolist() == products["product_id"].tolist()
    rows = vectors[EMBEDDING].to_numpy()
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-4)
    some = products.iloc[::9]
    one_by_one = encode_texts(load_text_encoder("cpu"), some["name"], some["description"], 1)
    np.testing.assert_allclose(rows[::9], one_by_one, atol=1e-4)


def test_metrics_hold_the_number_and_width_of_the_texts(ran: Path) -> None:
    metrics = json.loads((ran / "metrics/embed_texts.json").read_text(encoding="utf-8"))
    texts = len(pd.read_parquet(ran / "data/clean/products.parquet"))
    assert metrics == {"text_width": 384, "texts": texts}
