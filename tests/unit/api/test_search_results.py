"""`Search`: histories as the caller has them, and results as tables."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from market import MarketError, Search
from market.core.formats import Formats
from market.search.filters import Filters
from market.search.ranking import Hit, SearchResult

LISTINGS: dict[str, dict[str, Any]] = {
    product_id: {
        "product_id": product_id,
        "name": f"name of {product_id}",
        "description": "",
        "location": "Leeds",
        "price_flag": "",
        "category": ["Home"],
        "price": 5.0,
        "price_expected": np.nan,
        "photos": [0],
        "created": None,
    }
    for product_id in ("p1", "p2")
}


class RecordingEngine:
    """Has two listings; remembers the arguments of a request, and returns `result`."""

    def __init__(self) -> None:
        self.result = SearchResult([Hit("p2", 1.5, {"bm25": 1.5}, 3.0)], total=9)
        self.given: dict[str, Any] = {}
        self.listings = pd.DataFrame({"product_id": [*LISTINGS]})
        self.formats = Formats("EUR", "de", "DE")
        self.catalogue = SimpleNamespace(
            positions=lambda ids: np.array([name in LISTINGS for name in ids]).astype(int) - 1
        )

    def listing(self, product_id: str) -> dict[str, Any]:
        return LISTINGS[product_id]

    def places(self) -> list[str]:
        return ["Leeds"]

    def search(self, text: str, **options: Any) -> SearchResult:
        self.given = {"text": text, **options}
        return self.result

    def similar(self, product_id: str, **options: Any) -> SearchResult:
        LISTINGS[product_id]
        return self.search(product_id, **options)

    def recommend(self, history: pd.DataFrame | None, **options: Any) -> SearchResult:
        return self.search("", history=history, **options)


@pytest.fixture
def recorder() -> RecordingEngine:
    return RecordingEngine()


@pytest.fixture
def search(recorder: RecordingEngine, root: Path) -> Search:
    search = Search.__new__(Search)
    search.engine, search.root = recorder, root  # type: ignore[assignment]
    return search


def test_a_result_is_a_table_of_listings_and_scores(
    search: Search, recorder: RecordingEngine
) -> None:
    table = search("oak", near="Leeds", price_max=100, limit=3)
    assert recorder.given["filters"] == Filters(near="Leeds", price_max=100)
    assert (recorder.given["text"], recorder.given["limit"]) == ("oak", 3)
    row = table.iloc[0]
    assert [row[name] for name in ("product_id", "price", "score", "distance_km")] == [
        "p2", 5.0, 1.5, 3.0,
    ]  # fmt: skip
    assert row["why"] == {"bm25": 1.5}
    assert table.attrs == {"total": 9, "corrected_query": None, "currency": "EUR"}


def test_an_empty_result_has_the_same_columns_and_types(
    search: Search, recorder: RecordingEngine
) -> None:
    full = search("oak")
    recorder.result = SearchResult([], total=0)
    empty = search("oak")
    assert empty.empty and list(empty) == list(full)
    numbers = ["price", "price_expected", "score", "distance_km"]
    assert [kind.kind for kind in empty[numbers].dtypes] == ["f"] * 4
    assert [kind.kind for kind in full[numbers].dtypes] == ["f"] * 4


def test_ids_count_as_views_in_their_order(search: Search, recorder: RecordingEngine) -> None:
    search.recommend(["p2", "p1"])
    history = recorder.given["history"]
    assert history["product_id"].tolist() == ["p2", "p1"]
    assert history["event"].tolist() == ["view", "view"]
    assert history["timestamp"].dtype.kind == "M" and history["timestamp"].isna().all()


def test_events_are_sorted_by_time_in_utc(search: Search, recorder: RecordingEngine) -> None:
    events = pd.DataFrame(
        {
            "product_id": ["p1", "p2"],
            "event": ["save", "buy"],
            "timestamp": ["2024-03-01T12:00:00+02:00", "2024-03-01T09:00:00Z"],
        }
    )
    search.similar("p1", history=events)
    history = recorder.given["history"]
    assert history["event"].tolist() == ["buy", "save"]
    assert history["timestamp"].iloc[1] == pd.Timestamp("2024-03-01T10:00")


def test_a_new_user_has_no_history(search: Search, recorder: RecordingEngine) -> None:
    search.recommend()
    assert recorder.given["history"] is None


def test_a_history_of_other_listings_is_a_warning(search: Search) -> None:
    with pytest.warns(UserWarning, match="no listing of the history \\(such as '12'\\)"):
        search.recommend([12])


def test_an_empty_neighbourhood_is_a_warning(search: Search, recorder: RecordingEngine) -> None:
    recorder.result = SearchResult([], total=0, empty_place="Hull")
    with pytest.warns(UserWarning, match="no listing lies within reach of 'Hull'"):
        search("oak", near="Hull")


def test_a_photo_may_be_an_image(search: Search, recorder: RecordingEngine) -> None:
    search(photo=Image.new("CMYK", (40, 20)))
    assert recorder.given["photo"].mode == "RGB"


def test_faults_of_a_request_name_the_remedy(
    search: Search, recorder: RecordingEngine, tmp_path: Path
) -> None:
    for message, request in {
        "history is the text 'anna'": lambda: search.recommend("anna"),
        "no column 'product_id' \\(found: id\\)": lambda: search.recommend(
            pd.DataFrame({"id": []})
        ),
        "no listing 'p3'": lambda: search.similar("p3"),
        "the photo cannot be used: not one of": lambda: search(photo=b"no photo"),
        "the photo cannot be used: unreadable": lambda: search(photo=tmp_path / "absent.jpg"),
    }.items():
        with pytest.raises(MarketError, match=message):
            request()
    recorder.result = SearchResult([], total=0, unknown_place="Atlantis")
    with pytest.raises(MarketError, match=r"near is 'Atlantis', .* such as 'Leeds'"):
        search("oak", near="Atlantis")
