"""The rows of the exports: embeddings, predictions and recommendations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from raw_input import input_settings

from market.core.errors import MarketError
from market.core.settings import Input
from market.data.histories import LoggedHistories
from market.export import embeddings, predictions, recommendations
from market.search.catalogue import ListingPhotos
from market.search.listing_vectors import ListingVectors
from market.search.ranking import Hit, SearchResult
from market.search.vectors import VectorIndex


# --- Embeddings -----------------------------------------------------------------------------------
@pytest.mark.parametrize("rows_per_chunk", [2, 100])
def test_each_listing_has_its_vectors(monkeypatch: pytest.MonkeyPatch, rows_per_chunk: int) -> None:
    monkeypatch.setattr(embeddings, "ROWS_PER_CHUNK", rows_per_chunk)
    photos = ListingPhotos.build(pd.DataFrame({"position": [0, 0, 2], "photo_index": [0, 1, 2]}), 3)
    images = np.eye(4, dtype=np.float32)[:3]
    vectors = ListingVectors(
        VectorIndex.build(np.eye(3, dtype=np.float32), "Flat", 1),
        VectorIndex.build(images, "Flat", 1),
        np.zeros((3, 0), np.int32),
        photos,
    )
    kinds = [(kind, pa.list_(pa.float32(), width)) for kind, width in
             (("text", 3), ("image", 4), ("joint", 7))]  # fmt: skip
    schema = pa.schema([("product_id", pa.string()), *kinds])
    chunks = [*embeddings.embedding_chunks(["a", "b", "c"], vectors, schema)]
    assert [len(chunk) for chunk in chunks] == ([2, 1] if rows_per_chunk == 2 else [3])
    table = pa.concat_tables(chunks).cast(schema).to_pydict()
    assert table["product_id"] == ["a", "b", "c"]
    assert table["text"][1] == [0, 1, 0]
    assert table["image"][0] == pytest.approx([0.5**0.5, 0.5**0.5, 0, 0])
    assert table["image"][1] is None and table["image"][2] == [0, 0, 1, 0]
    assert table["joint"][1] == [0, 1, 0, 0, 0, 0, 0]
    assert np.linalg.norm(table["joint"], axis=1) == pytest.approx([1, 1, 1])


# --- Predictions ----------------------------------------------------------------------------------
def test_each_listing_is_predicted_once_with_all_its_photos(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(predictions, "LISTINGS_PER_CHUNK", 2)
    rows = pd.DataFrame(
        {
            "product_id": ["a", "a", "b", "c"],
            "photo_index": pd.array([2, 0, None, 1], dtype="Int64"),
        }
    )
    given: list[Any] = []

    def predict(products: pd.DataFrame, owners: pd.Series, sources: list[bytes]) -> tuple:
        given.append((products.index.tolist(), owners.tolist(), sources))
        table = products[["product_id"]].assign(category="A", price=1.5)
        return table, [None] * len(sources)

    schema = pa.schema(
        [("product_id", pa.string()), ("category", pa.string()), ("price", pa.float64())]
    )
    chunks = predictions.prediction_chunks(
        rows,
        [b"0", b"1", b"2"],  # type: ignore[arg-type]
        SimpleNamespace(predict=predict),  # type: ignore[arg-type]
        schema,
    )
    table = pa.concat_tables(chunks)
    assert table["product_id"].to_pylist() == ["a", "b", "c"]
    assert given == [([0, 1], ["a", "a"], [b"2", b"0"]), ([0], ["c"], [b"1"])]


# --- Recommendations ------------------------------------------------------------------------------
class PopularEngine:
    """Recommends p0, p1 … in this order, without the listings of the history."""

    def recommend(self, history: pd.DataFrame | None, *, limit: int) -> SearchResult:
        seen = set() if history is None else {*history["product_id"]}
        left = [name for name in ("p0", "p1", "p2") if name not in seen]
        return SearchResult([Hit(name, 0.5, {}, None) for name in left[:limit]], len(left))


LOG = pd.DataFrame(
    {
        "user_id": ["zoe", "anna", "zoe"],
        "product_id": ["p0", "p1", "p2"],
        "event": "view",
        "timestamp": pd.date_range("2024-03-01", periods=3),
    }
)


@pytest.mark.parametrize("users_per_task", [1, 10])
def test_new_users_come_first_then_all_users_of_the_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, users_per_task: int
) -> None:
    for folder in ("SEARCH_INDEX", "RANKER"):
        monkeypatch.setattr(recommendations, folder, tmp_path)
    monkeypatch.setattr(recommendations, "USERS_PER_TASK", users_per_task)
    monkeypatch.setattr(recommendations, "worker_count", lambda: 1)
    monkeypatch.setattr(recommendations, "keep", lambda name, key, build: PopularEngine())
    chunks = [*recommendations.recommendation_chunks(LoggedHistories(LOG, 9), 2)]
    assert len(chunks) == (3 if users_per_task == 1 else 1)
    table = pa.concat_tables(chunks)
    assert table.schema == recommendations.SCHEMA
    assert [tuple(row.values())[:3] for row in table.to_pylist()] == [
        (None, 1, "p0"),
        (None, 2, "p1"),
        ("anna", 1, "p0"),
        ("anna", 2, "p2"),
        ("zoe", 1, "p1"),
    ]


def test_an_empty_catalogue_gives_no_rows() -> None:
    engine = SimpleNamespace(recommend=lambda history, limit: SearchResult([], 0))
    table = recommendations.recommend_to_users(engine, [None], [None], 3)  # type: ignore[arg-type]
    assert len(table) == 0 and table.schema == recommendations.SCHEMA


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def use(**changes: Any) -> None:
        values: Input = input_settings(**changes)
        monkeypatch.setattr(recommendations, "load_params", lambda key: values)

    return use


def test_a_log_is_read_as_the_settings_say(settings: Callable[..., None], tmp_path: Path) -> None:
    settings(event_columns={"user_id": "customer"}, events={"add_to_cart": "save"})
    path = tmp_path / "tonight.csv"
    path.write_text(
        "customer,product_id,event,timestamp\nanna,p1,add_to_cart,2024-03-01\nben,p2,view,never\n"
    )
    log, rejects = recommendations.read_events(path)
    assert log[["user_id", "event"]].to_numpy().tolist() == [["anna", "save"]]
    assert rejects["id"].tolist() == ["ben"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [("anna,p1,view,never\n", "timestamp .* in row 1"), ("", "it has no rows")],
)
def test_a_log_without_an_event_is_refused(
    settings: Callable[..., None], tmp_path: Path, rows: str, message: str
) -> None:
    settings()
    path = tmp_path / "tonight.csv"
    path.write_text(f"user_id,product_id,event,timestamp\n{rows}")
    with pytest.raises(MarketError, match=f"holds no event that can be read: {message}"):
        recommendations.read_events(path)
