"""Nothing that the gate does not show is in any answer of the engine or of the service."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from handmade import past, photo_of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from overlaid import PACKED, Shop

from market.search.engine import Engine
from market.search.filters import Filters
from market.search.query import Query
from market.search.rules import Rules
from market.search.suggesting import suggest
from market.service.app import make_app
from market.service.events import EventStore
from market.service.settings import Settings

NOW = pd.Timestamp.now("UTC").tz_localize(None)
GONE, LATER = NOW - pd.Timedelta(hours=1), NOW + pd.Timedelta(days=1)
FATES = ("kept", "changed", "sold", "expired", "expires later", "removed", "hidden", "excluded",
         "of an excluded seller", "flagged")  # fmt: skip
SHOWN = {"kept", "changed", "expires later"}  # in any answer
EXIST = SHOWN | {"sold", "flagged", "excluded", "of an excluded seller"}  # if asked for by id
FILTERS = Filters(exclude=(), exclude_seller=("outcast",))
FATES_OF_LISTINGS = st.lists(st.sampled_from(FATES), min_size=60, max_size=60)
FEW = settings(
    max_examples=2, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate]
)


@dataclass(frozen=True)
class Case:
    """An engine whose listings have met their fates, by id."""

    engine: Engine
    fates: dict[str, str]

    def ids(self, fates: set[str]) -> set[str]:
        return {product_id for product_id, fate in self.fates.items() if fate in fates}

    @property
    def filters(self) -> Filters:
        return Filters(exclude=tuple(self.ids({"excluded"})), exclude_seller=("outcast",))


CHANGES: dict[str, dict[str, Any]] = {
    "changed": {"name": "red lamp and guitar", "status": "live"},
    "sold": {"status": "sold"},
    "expired": {"expires": GONE, "status": "live", "location": "Nowhere"},
    "expires later": {"expires": LATER, "status": "live"},
    "of an excluded seller": {"seller_id": "outcast", "status": "live"},
    "flagged": {"status": "live"},
}
SHOP = Shop()


def make_case(fates: list[str]) -> Case:
    """Return an engine in which every handmade listing has a fate, some by a change."""
    SHOP.changed.clear()
    SHOP.removed.clear()
    by_id = dict(zip(SHOP.listings["product_id"], fates, strict=True))
    for product_id, fate in by_id.items():
        if fate == "removed":
            SHOP.delete(product_id)
        elif fate in CHANGES:
            SHOP.put(product_id, category_levels=[fate], **CHANGES[fate])
    changes = SHOP.changes()
    changes.listings["price_flag"] = [
        "placeholder" if by_id[product_id] == "flagged" else ""
        for product_id in changes.listings["product_id"]
    ]
    kept = [product_id for product_id, fate in by_id.items() if fate == "kept"]
    for row, product_id in enumerate(SHOP.listings["product_id"]):
        if product_id in kept and (SHOP.listings["status"][row] == "sold" or row in (30, 41)):
            by_id[product_id] = "sold"  # or flagged: in no answer that does not ask for it
    hidden = [product_id for product_id, fate in by_id.items() if fate == "hidden"]
    engine = SHOP.engine.with_changes(changes)
    if hidden:
        entry = {"name": "recall", "listings": {"ids": hidden}}
        engine = engine.with_rules(Rules.parse(json.dumps({"hidden": [entry]})))
    return Case(engine, by_id)


def hits(result: Any) -> set[str]:
    return {hit.product_id for hit in (*result.hits, *result.related)}


def answers(case: Case) -> Iterator[tuple[str, set[str], set[str]]]:
    """Yield, for each public method, its name, the ids that it shows, and those it may show."""
    engine, filters, shown = case.engine, case.filters, case.ids(SHOWN)
    every: Any = {"limit": 100, "filters": filters}
    yield "search", hits(engine.search("red guitar or lamp", **every)), shown
    yield "search", hits(engine.search(photo=photo_of(20), **every)), shown
    yield "search", hits(engine.search(**every, history=past(*range(60)))), shown
    for sort in ("price", "newest"):
        yield "search", hits(engine.search(**every, sort=sort)), shown
    for product_id in sorted(case.ids(EXIST))[:3]:
        yield "similar", hits(engine.similar(product_id, **every)), shown
        yield "search", hits(engine.search(like=product_id, **every)), shown
    yield "recommend", hits(engine.recommend(None, **every)), shown
    yield "recommend", hits(engine.recommend(past(1, 2, 3), **every)), shown
    allowed = engine.allowed(filters)
    yield "allowed", set(engine.catalogue.ids(np.flatnonzero(allowed))), shown
    query = engine.build_query("red guitar")
    for asked in (query, Query()):
        positions, _ = engine.candidates(asked, allowed)
        yield "candidates", set(engine.catalogue.ids(positions)), shown
    typed = ("re", "la", "old", "red gui")
    suggested = {each.product_id for text in typed for each in suggest(engine, text, 30)}
    ids = {product_id for product_id in suggested if product_id is not None}
    yield "suggestions", ids, case.ids(EXIST - {"sold"})
    listed = {each for each in case.fates if works(engine.listing, each)}
    yield "listing", listed, case.ids(EXIST)
    found = {each for each in case.fates if works(engine.position, each)}
    yield "position", found, case.ids(EXIST)
    some = [*case.fates][::6]
    similar = {each for each in some if works(lambda each: engine.similar(each, limit=1), each)}
    yield "similar", similar, case.ids(EXIST)
    photos = engine.catalogue.photos
    owners = dict(zip(photos.photo_index, engine.catalogue.ids(photos.owner), strict=True))
    shown_photos = {owner for index, owner in owners.items() if engine.shows_photo(index)}
    yield "shows_photo", shown_photos, case.ids(EXIST)


# Methods that return no listing, but models, other engines, words, numbers or vectors.
NO_LISTINGS = {
    "load", "with_ranker", "with_collaborative", "with_rules", "with_changes", "daily_rules",
    "with_relevance", "with_end", "relevance", "encode_ahead", "build_query", "photo_vectors",
    "place", "place_of", "correct", "understand", "index", "rules", "formats", "rules_day",
    "suggestion_source", "with_models",
}  # fmt: skip
# Listings that an answer leaves out, and the raw table that stages read.
RAW = {"listings", "already_seen", "same_product"}
COUNTED = {"categories", "places"}  # see the test below


def works(call: Callable[[str], object], product_id: str) -> bool:
    try:
        call(product_id)
    except KeyError:
        return False
    return True


@given(fates=FATES_OF_LISTINGS)
@FEW
def test_no_method_shows_what_the_gate_does_not(fates: list[str]) -> None:
    case = make_case(fates)
    for name, ids, may_show in answers(case):
        assert ids <= may_show, (name, {case.fates[product_id] for product_id in ids - may_show})
    engine = case.engine
    assert set(engine.catalogue.ids(np.flatnonzero(engine.allowed(case.filters)))) == case.ids(
        SHOWN
    ), "the gate shows all others"
    categories = dict(engine.categories())
    assert not {"expired", "sold"} & {*categories}
    assert "Nowhere" not in engine.places()
    counts = engine.search(filters=case.filters, limit=1, facets=True).facets
    assert counts is not None
    for column in counts.attributes:
        assert column.listings <= len(case.ids(SHOWN))


def test_every_public_method_of_the_engine_is_checked() -> None:
    public = {name for name, _ in inspect.getmembers(Engine) if not name.startswith("_")}
    checked = {name for name, _, _ in answers(make_case(["kept"] * 60))}
    assert public - NO_LISTINGS == checked | RAW | COUNTED, (
        "add a new method of Engine to `answers` if it returns listings, else to NO_LISTINGS"
    )


def test_expiry_is_judged_at_the_moment_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(["expires later"] * 60)
    assert case.engine.search(limit=1).total == 60 and case.engine.listing("p07")
    tomorrow = SimpleNamespace(now=lambda zone: (LATER + pd.Timedelta(hours=1)).tz_localize(zone))
    monkeypatch.setattr("market.search.gate.pd.Timestamp", tomorrow)
    assert case.engine.search(limit=1).total == 0
    with pytest.raises(KeyError):
        case.engine.listing("p07")


# --- Routes ---------------------------------------------------------------------------------------
class Photos:
    """Photos of any number."""

    nominal_sizes = (480, 1200)

    def version(self) -> str:
        return "v"

    def __len__(self) -> int:
        return 2 * PACKED

    def sizes(self, number: int) -> tuple[int, int, int, int]:
        return 48, 48, 120, 120

    def read(self, number: int, size: int) -> bytes:
        return b"jpeg"


ROUTES: dict[str, list[dict[str, Any]]] = {
    "/api/search": [{"q": "red guitar"}, {"facets": True}, {"sort": "newest"}, {"user": "ann"}],
    "/api/recommend/{user_id:path}": [{}],
    "/api/similar/{product_id:path}": [{}],
    "/api/products/{product_id:path}": [{}],
    "/api/photos/{number}": [{}],
}
NO_LISTING_ROUTES = {
    "/api/events", "/api/predict", "/api/places", "/api/categories", "/api/attributes",
    "/api/suggest",  # see the test of the engine
    "/api/settings", "/healthz", "/metrics", "/api/users/{user_id}/data",
    # What users were shown and did, in numbers.
    "/api/analytics", "/api/analytics/no-results", "/api/experiments",
    "/api/photos/live/{sha256}",  # asks the store of changes: see the tests of the live catalogue
}  # fmt: skip


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[Engine], TestClient]:
    store = EventStore(f"sqlite:///{tmp_path}/events.sqlite")

    def start(engine: Engine) -> TestClient:
        return TestClient(make_app(engine, Photos(), store, Settings()))  # type: ignore[arg-type]

    return start


def test_no_route_shows_what_the_gate_does_not(serve: Callable[[Engine], TestClient]) -> None:
    case = make_case([FATES[number % len(FATES)] for number in range(60)])
    exclusions = {"exclude": sorted(case.ids({"excluded"})), "exclude_seller": ["outcast"]}
    client, shown, exist = serve(case.engine), case.ids(SHOWN), case.ids(EXIST)
    for route, queries in ROUTES.items():
        for parameters in queries if route != "/api/products/{product_id:path}" else []:
            if "number" in route:
                continue
            for product_id in sorted(exist)[:4] if "product_id" in route else ["ann"]:
                path = route.replace("{product_id:path}", product_id)
                path = path.replace("{user_id:path}", product_id)
                answer = client.get(path, params={**parameters, **exclusions, "limit": 100})
                assert answer.status_code == 200, answer.text
                assert {hit["product_id"] for hit in answer.json()["hits"]} <= shown, route
    batch = {"searches": [{"q": "lamp", "limit": 100, **exclusions}]}
    results = client.post("/api/search/batch", json=batch).json()["results"]
    assert {hit["product_id"] for hit in results[0]["hits"]} <= shown
    for product_id in [*case.fates][:20]:  # each fate twice
        answer = client.get(f"/api/products/{product_id}")
        assert (answer.status_code == 200) == (product_id in exist), case.fates[product_id]
        answer = client.get(f"/api/similar/{product_id}", params={"limit": 1})
        assert (answer.status_code == 200) == (product_id in exist), case.fates[product_id]
    photos = SHOP.engine.catalogue.photos
    for number, owner in [*zip(photos.photo_index, photos.owner, strict=True)][:20]:
        product_id = SHOP.listings["product_id"][owner]
        answer = client.get(f"/api/photos/{number}")
        assert (answer.status_code == 200) == (product_id in exist), case.fates[product_id]
    names = json.dumps([client.get(path).json() for path in ("/api/categories", "/api/places")])
    assert "expired" not in names and '"sold"' not in names and "Nowhere" not in names


def test_every_route_that_returns_listings_is_checked(
    serve: Callable[[Engine], TestClient],
) -> None:
    schema = serve(SHOP.engine).get("/openapi.json").json()
    reading = {path for path, methods in schema["paths"].items() if "get" in methods}
    assert reading - NO_LISTING_ROUTES == {route.replace(":path", "") for route in ROUTES}, (
        "add a new route to ROUTES if it returns listings, else to NO_LISTING_ROUTES"
    )
