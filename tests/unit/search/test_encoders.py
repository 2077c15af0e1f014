"""Encoders: each query is encoded once; photos of any mode and size are encoded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from handmade import ids
from PIL import Image

from market.core import paths
from market.search import encoders
from market.search.encoders import CachedTextEncoder
from market.search.engine import Engine


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


@pytest.mark.parametrize("size", [(1, 1), (3, 400)])
@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_a_photo_of_any_mode_and_size_is_a_query(
    engine: Engine, mode: str, size: tuple[int, int]
) -> None:
    assert engine.search(photo=Image.new(mode, size, 7), limit=3).hits


def test_threads_share_the_encoders(ran: Path, engine: Engine) -> None:
    fresh = Engine.load(
        ran / paths.SEARCH_INDEX,
        ran / paths.RANKER,
        ran / paths.PHOTO_EMBEDDER,
        ran / paths.EXPECTED_PRICES,
    )
    picture = Image.new("RGB", (9, 9), "red")

    def search(number: int) -> list[str]:
        return ids(fresh.search(f"a chair {number % 4}", photo=picture if number % 2 else None))

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(search, range(16)))
    assert results == [search(number) for number in range(16)]
