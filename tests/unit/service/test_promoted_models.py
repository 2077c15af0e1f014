"""Promoted ranking models serve without a restart, and models that do not fit change nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from random_catalogues import make_engine, make_table

from market.core.errors import MarketError
from market.data.histories import LoggedHistories
from market.search.ranking_models import RankingModels
from market.service.app import serve_index
from market.service.events import EventStore
from market.service.loaded_index import Index
from market.service.settings import Settings

NO_PHOTOS: Any = SimpleNamespace(nominal_sizes=(480, 1200), version=lambda: "v")
ROW: dict[str, Any] = {
    "path": ("Home", "Lamps"), "flag": "", "town": (53.80, -1.55), "brand": "Sony", "width": 5,
    "seller": "s0", "status": "", "price": 50,
}  # fmt: skip
PATIENCE = 20  # seconds: the machine may be busy


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_promotion_reaches_the_running_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{**ROW, "group": number, "day": f"2024-01-0{number + 1}"} for number in range(3)]
    engine = make_engine(make_table(rows), ["red lamp"] * 3)
    promoted: dict[str, Any] = {"stamp": None, "models": None}

    def load_served() -> tuple[str, RankingModels]:
        if promoted["models"] is None:
            raise MarketError("the models do not fit")
        return "v1.0.0", promoted["models"]

    monkeypatch.setattr("market.service.app.promotion_stamp", lambda: promoted["stamp"])
    monkeypatch.setattr("market.service.loaded_index.load_served_models", load_served)
    monkeypatch.setattr("market.service.reload.WATCH_SECONDS", 0.01)
    index = Index(engine, NO_PHOTOS, LoggedHistories.empty())
    store = EventStore(f"sqlite:///{tmp_path}/events.sqlite")
    with TestClient(serve_index(index, store, Settings(), load=lambda: index)) as client:

        def first() -> str:
            return client.get("/api/search", params={"q": "lamp"}).json()["hits"][0]["product_id"]

        def reloads(outcome: str) -> bool:
            return f'search_reloads_total{{outcome="{outcome}"}} 1.0' in client.get("/metrics").text

        assert first() == "p02" and client.get("/healthz").json()["version"] == "latest"
        promoted["stamp"] = 1
        wait_until(lambda: reloads("failed"))
        assert first() == "p02" and client.get("/healthz").json()["version"] == "latest"
        oldest_first = engine.ranker.with_weights({"recency": -0.3})
        promoted |= {"stamp": 2, "models": RankingModels(oldest_first)}
        wait_until(lambda: reloads("done"))
        assert first() == "p00" and client.get("/healthz").json()["version"] == "v1.0.0"
