"""Experiments over HTTP: who gets which ranking, pages of mixed rankings, and the results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from random_catalogues import make_engine, make_table

from market.core.errors import MarketError
from market.data.histories import LoggedHistories
from market.search.engine import Engine
from market.search.exploration import seed_of, swap_pairs
from market.search.ranking_models import RankingModels
from market.search.rules import Rules
from market.service.app import serve_index
from market.service.events import EventStore
from market.service.loaded_index import Index
from market.service.search_log import RecordedSearch, SearchLog
from market.service.settings import Settings
from market.service.variants import Experiment

NO_PHOTOS: Any = SimpleNamespace(nominal_sizes=(480, 1200), version=lambda: "v")
ROW: dict[str, Any] = {
    "path": ("Home", "Lamps"), "flag": "", "town": (53.80, -1.55), "brand": "Sony", "width": 5,
    "seller": "s0", "status": "",
}  # fmt: skip
LISTINGS = 20
SPLIT = {"variant_b": "new", "experiment": "lamps"}
MIXED = SPLIT | {"variant_mode": "interleave", "variant_share": 1.0}
KEYS = SecretStr(
    "[{name: page, key: page-key-0123456789, scopes: [read, events]}, "
    "{name: shop, key: shop-key-0123456789, scopes: [read, catalogue]}]"
)


@pytest.fixture(scope="module")
def shop() -> Engine:
    """Lamps of the same words, which recency alone ranks: the last listing is the newest."""
    rows = [
        {**ROW, "price": 50, "group": number, "day": f"2024-01-{number + 1:02d}"}
        for number in range(LISTINGS)
    ]
    return make_engine(make_table(rows), ["red lamp"] * LISTINGS)


@pytest.fixture
def serve(shop: Engine, tmp_path: Path) -> Callable[..., TestClient]:
    """Return serve(**settings): a service whose variant B ranks the oldest listing first."""
    ranker = shop.ranker.with_weights({"recency": -0.3})
    store = EventStore(f"sqlite:///{tmp_path}/events.sqlite")

    def make(engine: Engine = shop, **settings: Any) -> TestClient:
        index = Index(engine, NO_PHOTOS, LoggedHistories.empty())
        if "variant_b" in settings:
            index = replace(index, models_b=RankingModels(ranker))
        return TestClient(serve_index(index, store, Settings(**settings)))

    return make


def get(client: TestClient, path: str = "/api/search", **parameters: Any) -> dict[str, Any]:
    answer = client.get(path, params={"q": "lamp"} | parameters if "search" in path else parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(answer: dict[str, Any]) -> list[str]:
    return [hit["product_id"] for hit in answer["hits"]]


def recorded(client: TestClient) -> pd.DataFrame:
    state = client.app.state.service  # type: ignore[attr-defined]
    state.recorder.write()
    return SearchLog(state.events.database).all_searches()


def user_with(client: TestClient, variant: str) -> str:
    """Return a user who gets a variant."""
    of = client.app.state.service.variant_of  # type: ignore[attr-defined]
    return next(f"u{number}" for number in range(100) if of(f"u{number}").name == variant)


# --- Split ----------------------------------------------------------------------------------------
def test_users_keep_their_variant_on_every_page_and_kind(serve: Callable[..., TestClient]) -> None:
    client = serve(**SPLIT)
    a, b = (user_with(client, name) for name in "AB")
    newest_first = [f"p{number:02d}" for number in reversed(range(LISTINGS))]
    for user, order in ((a, newest_first), (b, newest_first[::-1])):
        first = get(client, user=user, limit=10)
        assert ids(first) == order[:10]
        second = get(client, user=user, limit=10, cursor=first["next_cursor"])
        assert ids(second) == order[10:20] and second["total"] == LISTINGS
        assert ids(get(client, user=user, limit=10, offset=20)) == order[20:]
    assert get(client, user=b)["variant"] == get(client, f"/api/recommend/{b}")["variant"] == "B"
    assert get(client)["variant"] == "A"  # without a user
    searches = recorded(client)
    assert searches["variant"].tolist() == ["A"] * 3 + ["B"] * 5 + ["A"]
    assert searches["experiment"].tolist() == ["lamps"] * 8 + [None]


def test_without_variant_b_everything_is_a(serve: Callable[..., TestClient]) -> None:
    client = serve()
    assert {get(client, user=f"u{number}")["variant"] for number in range(4)} == {"A"}
    assert recorded(client)["experiment"].isna().all()
    with pytest.raises(MarketError, match="needs VARIANT_B"):
        Experiment.from_settings(Settings(experiment="lamps"))


def test_only_a_key_for_the_catalogue_chooses_the_variant(
    serve: Callable[..., TestClient],
) -> None:
    client = serve(**SPLIT, api_keys=KEYS)
    page, shop = ({"X-API-Key": f"{name}-key-0123456789"} for name in ("page", "shop"))
    user = user_with(client, "A")
    query = {"q": "lamp", "user": user, "variant": "B"}
    assert client.get("/api/search", params=query, headers=shop).json()["variant"] == "B"
    refused = client.get("/api/search", params=query, headers=page)
    assert refused.status_code == 403 and "variant" in refused.json()["error"]
    batch = client.post("/api/search/batch", json={"searches": [query]}, headers=page).json()
    assert "variant" in batch["results"][0]["error"]
    assert recorded(client)["experiment"].tolist() == [None]  # a test is no part of the experiment
    assert (
        client.get("/api/search", params=query | {"variant": "C"}, headers=shop).status_code == 422
    )


# --- Interleaving ---------------------------------------------------------------------------------
def test_pages_of_mixed_rankings_show_every_listing_once(serve: Callable[..., TestClient]) -> None:
    client = serve(**MIXED)
    user = "u1"
    by_offset = [
        listing
        for offset in range(0, LISTINGS, 11)
        for listing in ids(get(client, user=user, limit=11, offset=offset))
    ]
    assert sorted(by_offset) == [f"p{number:02d}" for number in range(LISTINGS)]
    page = get(client, user=user, limit=11)
    assert {*ids(page)[:2]} == {"p00", "p19"} and page["variant"] == "A+B"
    by_cursor = ids(page)
    while page["next_cursor"]:
        page = get(client, user=user, limit=11, cursor=page["next_cursor"])
        by_cursor += ids(page)
    assert sorted(by_cursor) == sorted(by_offset)
    for search in recorded(client).itertuples():
        assert len(search.teams) == len(search.product_ids) and search.experiment == "lamps"
    first = recorded(client).iloc[0]
    team_of = dict(zip(first["product_ids"], first["teams"], strict=True))
    assert (team_of["p00"], team_of["p19"]) == ("B", "A")


def test_mixing_ends_after_some_pages_without_repeats(
    serve: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("market.service.variants.MAX_INTERLEAVED", 8)
    client = serve(**MIXED)
    everything = [f"p{number:02d}" for number in range(LISTINGS)]
    pages = [ids(get(client, user="u1", limit=6, offset=n)) for n in range(0, LISTINGS, 6)]
    assert sorted(chain.from_iterable(pages)) == everything
    page = get(client, user="u1", limit=6)
    shown, variants = ids(page), [page["variant"]]
    while page["next_cursor"]:
        page = get(client, user="u1", limit=6, cursor=page["next_cursor"])
        shown += ids(page)
        variants.append(page["variant"])
    assert sorted(shown) == everything and variants == ["A+B", "A", "A", "A"]


def test_searches_that_cannot_be_mixed_get_a_outside_of_the_experiment(
    shop: Engine, serve: Callable[..., TestClient]
) -> None:
    client = serve(**MIXED)
    for parameters in ({"sort": "newest"}, {"collapse": True}, {"explain": True}):
        assert get(client, user="u1", **parameters)["variant"] == "A"
    assert get(client, "/api/recommend/u1")["variant"] == "A"
    pinned = Rules.parse("pins: [{name: top, listing: p07, place: 1, queries: [lamp]}]")
    answer = get(serve(shop.with_rules(pinned), **MIXED), user="u1")
    assert answer["variant"] == "A" and ids(answer)[0] == "p07"
    assert recorded(client)["experiment"].isna().all()


# --- Exploration ----------------------------------------------------------------------------------
def test_exploration_records_exact_propensities_and_keeps_pages_whole(
    serve: Callable[..., TestClient],
) -> None:
    client = serve(exploration=0.4)
    page = get(client, user="u1", limit=9)
    shown = ids(page)
    while page["next_cursor"]:
        page = get(client, user="u1", limit=9, cursor=page["next_cursor"])
        shown += ids(page)
    assert sorted(shown) == [f"p{number:02d}" for number in range(LISTINGS)]
    assert shown[0] == "p19" and shown != sorted(shown, reverse=True)
    first = recorded(client).iloc[0]
    order, propensities = swap_pairs(np.zeros(9, bool), 0, 0.4, seed_of("0", first["search_id"]))
    assert first["propensities"] == propensities.tolist()
    assert first["product_ids"] == [f"p{LISTINGS - 1 - number:02d}" for number in order]
    assert ids(get(client, sort="price", limit=5)) == ids(get(client, sort="price", limit=5))
    assert recorded(client).iloc[-1]["propensities"] is None


# --- Results --------------------------------------------------------------------------------------
def test_results_of_an_experiment(serve: Callable[..., TestClient]) -> None:
    client = serve(**SPLIT)
    state = client.app.state.service  # type: ignore[attr-defined]
    when = datetime(2026, 3, 1)
    names = {f"u{number}": state.variant_of(f"u{number}").name for number in range(300)}
    SearchLog(state.events.database).add(
        [
            RecordedSearch(f"s{user}", user, when, "lamp", ["p00", "p01"], variant=name,
                           experiment="lamps")
            for user, name in names.items()
        ]
        + [RecordedSearch("later", "u1", when, "lamp", ["p02"], offset=2, experiment="lamps")]
        + [RecordedSearch("old", "u1", when, "lamp", ["p00"], experiment="earlier")]
    )  # fmt: skip
    for number, (user, name) in enumerate(names.items()):
        if number % (4 if name == "A" else 2) == 0:
            state.events.add(user, "p00", "view", when, search_id=f"s{user}")
    report = get(client, "/api/experiments")
    assert report["is_running"] and report["experiment"] == "lamps"
    assert sum(report["searches"].values()) == 300 and report["share_p_value"] > 0.001
    clicks, conversions = report["comparisons"]
    assert clicks["verdict"] == "B" and clicks["interval"][0] > 0
    assert clicks["b"]["value"] == pytest.approx(0.5, abs=0.15)
    assert conversions["interval"] is None and conversions["verdict"] == "open"
    none = get(serve(), "/api/experiments")
    assert none["experiment"] is None and none["recorded"] == ["earlier", "lamps"]
    assert none["comparisons"] == [] and none["interleaving"] is None
    earlier = get(client, "/api/experiments", experiment="earlier")
    assert not earlier["is_running"] and earlier["share_p_value"] is None
    missing = client.get("/api/experiments", params={"experiment": "other"})
    assert missing.status_code == 404 and "recorded: earlier, lamps" in missing.json()["error"]
