"""Search over the listings and networks of the sample, as the stages wrote them."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from market.core import paths
from market.data.photo_store import PhotoStore
from market.search.engine import Engine
from market.search.filters import Filters
from market.search.listing_vectors import SAME_PHOTO_SIMILARITY
from market.search.ranking import SearchResult


def ids(result: SearchResult) -> list[str]:
    return [hit.product_id for hit in result.hits]


def test_a_name_finds_its_listing(engine: Engine) -> None:
    listings = engine.listings[engine.listings["name"].str.split().str.len() > 2]
    is_found = [
        id_ in ids(engine.search(name, filters=Filters(flagged=True), limit=3))
        for id_, name in zip(listings["product_id"], listings["name"], strict=True)
    ][:20]
    assert np.mean(is_found) > 0.9


def test_a_packed_photo_finds_its_own_listing(ran: Path, engine: Engine) -> None:
    photos = PhotoStore(ran / "data/clean/photos")
    for id_ in engine.listings["product_id"][::9]:
        for photo_index in engine.listing(id_)["photos"]:
            photo = Image.open(io.BytesIO(photos[photo_index]))
            found_ids = ids(engine.search(photo=photo, filters=Filters(flagged=True), limit=10))
            place = found_ids.index(id_)
            better = [
                index for other in found_ids[:place] for index in engine.listing(other)["photos"]
            ]
            own = engine.photo_vectors(np.array([photo_index]))[0]
            similarities = engine.photo_vectors(np.array(better, int)) @ own
            assert place == 0 or similarities.max() > SAME_PHOTO_SIMILARITY


def test_each_event_of_a_user_changes_the_recommendations(ran: Path, engine: Engine) -> None:
    log = pd.read_parquet(ran / "data/clean/interactions.parquet")
    user = log["user_id"].value_counts().index[0]
    history = log.loc[log["user_id"] == user, ["product_id", "event", "timestamp"]]
    results = [
        ids(engine.recommend(history.iloc[:count], limit=10)) for count in (0, 1, len(history))
    ]
    assert results[0] != results[1] != results[2]
    for result, count in zip(results, (0, 1, len(history)), strict=True):
        assert not set(result) & set(history["product_id"].iloc[:count])


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
