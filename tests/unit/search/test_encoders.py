"""The encoder of queries: each query is encoded once."""

from __future__ import annotations

import numpy as np
import pytest

from market.search import encoders
from market.search.encoders import CachedTextEncoder


def test_queries_are_encoded_once_and_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[list[str]] = []

    def encode(self: CachedTextEncoder, texts: list[str]) -> np.ndarray:
        encoded.append(texts)
        return np.array([[len(text)] for text in texts])

    monkeypatch.setattr(CachedTextEncoder, "_encode", encode)
    monkeypatch.setattr(encoders, "CACHE_SIZE", 3)
    encoder = CachedTextEncoder(object)
    encoder.encode_ahead(["a", " bb", "a"])
    encoder.encode_ahead([])
    assert [encoder(text)[0] for text in ("a", "bb ", "ccc", "a")] == [1, 2, 3, 1]
    assert encoder("dddd")[0] == 4, "the least recently used query is dropped"
    assert encoder("a")[0] == 1 and encoder("bb")[0] == 2
    assert [texts for texts in encoded if texts] == [["a", "bb"], ["ccc"], ["dddd"], ["bb"]]
