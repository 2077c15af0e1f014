"""Changes of listings over the API, on a small engine without networks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from live_engine import (
    SimulatedEncoder,
    SimulatedPredictor,
    base_listings,
    colour_file,
    live_service,
    make_index,
    without_models,
)

from market.service import listing_editor, predictions
from market.service.loaded_index import Index

NDJSON = {"Content-Type": "application/x-ndjson"}
KETTLE = {"name": "Copper kettle", "description": "A lovely kettle for tea", "price": 12}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/events.sqlite"


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return make_index(tmp_path / "photos")


@pytest.fixture(autouse=True)
def simulated_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "_load_predictor", SimulatedPredictor)


@pytest.fixture
def client(index: Index, url: str) -> Iterator[TestClient]:
    with live_service(index, url) as (_, client):
        yield client


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service for requests that change nothing, which may share it."""
    folder = tmp_path_factory.mktemp("refusing")
    with live_service(make_index(folder / "photos"), f"sqlite:///{folder}/x.sqlite") as (_, client):
        yield client


def put(client: TestClient, product_id: str, fields: Any = KETTLE, **options: Any) -> Any:
    return client.put(f"/api/listings/{product_id}", json=fields, **options)


def found(client: TestClient, query: str, **params: Any) -> list[str]:
    answer = client.get("/api/search", params={"q": query, "limit": 100, **params})
    return sorted(hit["product_id"] for hit in answer.json()["hits"])


def form(fields: Any, *photos: bytes) -> dict[str, Any]:
    files = [("photos", (f"{n}.jpg", photo)) for n, photo in enumerate(photos)]
    return {"data": {"listing": json.dumps(fields)}, "files": files}


def test_new_listing_is_found_by_search_similar_and_recommend(client: TestClient) -> None:
    answer = put(client, "new%2F1")
    assert answer.status_code == 201 and answer.headers["ETag"] == '"1"'
    put(client, "other", {"name": "Steel kettle", "description": "Nothing else to say here"})
    assert found(client, "kettle") == ["new/1", "other"]
    similar = client.get("/api/similar/other").json()["hits"]
    assert [hit["product_id"] for hit in similar] == ["new/1"]
    recommended = client.get("/api/recommend/anna", params={"limit": 100}).json()["hits"]
    assert {"new/1", "other", "b0"} <= {hit["product_id"] for hit in recommended}
    listing = client.get("/api/products/new%2F1").json()
    assert (listing["name"], listing["price"], listing["price_expected"]) == (
        "Copper kettle", 12, 30,
    )  # fmt: skip


def test_same_put_again_changes_nothing(client: TestClient) -> None:
    first, again = put(client, "a"), put(client, "a")
    assert (again.status_code, again.headers["ETag"]) == (200, first.headers["ETag"])
    assert again.json() == first.json()
    assert put(client, "a", {**KETTLE, "price": 13}).headers["ETag"] == '"2"'


def test_answer_has_prediction_and_near_copies(client: TestClient) -> None:
    put(client, "a")
    answer = put(client, "b", {**KETTLE, "name": "Copper kettle!"}).json()
    assert (answer["category"], answer["category_source"]) == (["Home"], "predicted")
    assert answer["prediction"]["probabilities"] == {"Home": 0.75, "Music": 0.25}
    assert (answer["price_expected"], answer["prediction"]["price_low"]) == (30, 20)
    (copy,) = answer["duplicates"]
    assert (copy["product_id"], copy["kind"]) == ("a", "text") and copy["similarity"] > 0.9
    own = put(client, "c", {**KETTLE, "category": ["Home", "Kitchen"]}).json()
    assert (own["category"], own["category_source"]) == (["Home", "Kitchen"], "seller")
    client.delete("/api/listings/a")
    assert [copy["product_id"] for copy in put(client, "c").json()["duplicates"]] == ["b"]


def test_listing_is_stored_without_models(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "_load_predictor", without_models)
    answer = put(client, "a")
    assert answer.status_code == 201 and answer.json()["prediction"] is None
    assert found(client, "kettle") == ["a"]


def test_patch_merges_fields(client: TestClient) -> None:
    put(client, "a", {**KETTLE, "location": "Leeds", "latitude": 1, "longitude": 2})
    patched = client.patch("/api/listings/a", json={"price": "£1,250", "description": None})
    assert patched.status_code == 200
    listing = client.get("/api/products/a").json()
    assert (listing["name"], listing["price"], listing["description"]) == (
        "Copper kettle", 1250, "",
    )  # fmt: skip
    assert client.patch("/api/listings/nobody", json={}).status_code == 404
    assert client.patch("/api/listings/a", json={"name": "Lamp"}, headers={
        "Content-Type": "application/merge-patch+json"
    }).status_code == 200  # fmt: skip
    assert found(client, "lamp") == ["a"]


def test_listing_of_the_index_keeps_its_other_fields_and_photo(client: TestClient) -> None:
    before = client.get("/api/products/b1").json()
    assert client.patch("/api/listings/b1", json={"price": 5}).status_code == 200
    after = client.get("/api/products/b1").json()
    assert after == {**before, "price": 5, "price_expected": 30}
    added = client.post("/api/listings/b1/photos", files={"photos": colour_file(9, 99, 200)})
    assert len(added.json()["photos"]) == 2 and added.json()["photos"][0] == before["photo"]
    replaced = client.put("/api/listings/b1", **form({"name": "x"}, colour_file(1, 2, 3)))
    assert replaced.status_code == 200 and len(replaced.json()["photos"]) == 1


def test_sold_listing_is_found_only_with_unavailable_ones(client: TestClient) -> None:
    put(client, "a")
    assert client.post("/api/listings/a/sold").status_code == 200
    assert found(client, "kettle") == []
    assert found(client, "kettle", include_unavailable=True) == ["a"]
    assert client.post("/api/listings/a/sold").headers["ETag"] == '"2"', "no new change"
    assert client.post("/api/listings/b0/sold").status_code == 200 and not found(client, "guitar")
    assert client.post("/api/listings/nobody/sold").status_code == 404
    put(client, "a")
    assert found(client, "kettle") == ["a"], "offered again"


def test_deleted_listing_is_gone_from_every_answer(client: TestClient) -> None:
    put(client, "a"), put(client, "twin", {"name": "kettle twin"})
    for product_id in ("a", "b0"):
        assert client.delete(f"/api/listings/{product_id}").status_code == 204
        assert client.get(f"/api/products/{product_id}").status_code == 404
        assert client.get(f"/api/similar/{product_id}").status_code == 404
        event = {"user_id": "u", "product_id": product_id, "event": "view"}
        assert client.post("/api/events", json=event).status_code == 404
        assert client.delete(f"/api/listings/{product_id}").status_code == 204, "it stays so"
        assert client.patch(f"/api/listings/{product_id}", json={}).status_code == 404
    assert found(client, "") == ["b1", "b2", "b3", "twin"]
    assert [hit["product_id"] for hit in client.get("/api/similar/twin").json()["hits"]] == []
    assert client.delete("/api/listings/never-known").status_code == 404
    assert put(client, "a").status_code == 201, "new again"


def test_listing_expires_without_another_change(client: TestClient) -> None:
    soon = time.time() + 1.2
    assert put(client, "a", {**KETTLE, "expires_at": soon}).status_code == 201
    assert found(client, "kettle") == ["a"]
    time.sleep(max(0, soon - time.time()) + 0.05)
    put(client, "other", {"name": "spade"})
    assert found(client, "kettle") == []
    client.patch("/api/listings/a", json={"expires_at": None})
    assert found(client, "kettle") == ["a"]


def test_conditions_guard_against_lost_updates(client: TestClient) -> None:
    tag = put(client, "a").headers["ETag"]
    assert client.get("/api/products/a").headers["ETag"] == tag
    old = client.get("/api/products/b0").headers["ETag"]
    assert client.patch("/api/listings/b0", json={"price": 1}, headers={"If-Match": old}).is_success
    for method, path, headers in (
        ("PATCH", "b0", {"If-Match": old}),
        ("PUT", "a", {"If-Match": '"9", "10"'}),
        ("PUT", "a", {"If-None-Match": "*"}),
        ("PUT", "new", {"If-Match": "*"}),
        ("DELETE", "a", {"If-Match": '"9"'}),
    ):
        body = None if method == "DELETE" else {"name": "lost"}
        answer = client.request(method, f"/api/listings/{path}", json=body, headers=headers)
        assert answer.status_code == 412 and answer.json()["error"], (method, path)
    assert put(client, "new", headers={"If-None-Match": "*"}).status_code == 201
    assert client.delete("/api/listings/a", headers={"If-Match": f"W/{tag}"}).status_code == 204


def test_photos_are_served_and_unusable_ones_are_named(client: TestClient) -> None:
    uploads = form(KETTLE, colour_file(250, 0, 0, (1600, 900)), b"junk")
    answer = client.put("/api/listings/a", **uploads).json()
    assert [(fault["photo"], fault["reason"][:6]) for fault in answer["unusable"]] == [
        (2, "not on")
    ]
    (photo,) = answer["photos"]
    small = client.get(f"/{photo}")
    assert small.headers["Content-Type"] == "image/jpeg"
    assert len(client.get(f"/{photo}".replace("480", "1200")).content) > len(small.content)
    assert client.get("/api/products/a").json()["photos"] == [photo]
    put(client, "a", {**KETTLE, "price": 1})
    assert client.get("/api/products/a").json()["photo"] == photo, "a PUT of JSON keeps photos"
    client.delete("/api/listings/a")
    assert client.get(f"/{photo}").status_code == 404


def test_an_edit_that_loses_a_race_decodes_its_photos_once(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    read_uploads, former = listing_editor.read_uploads, listing_editor.ListingEditor.former
    others = [{"name": "Faster kettle"}]

    def read(files: Any, settings: Any) -> Any:
        decoded.append(len(files))
        return read_uploads(files, settings)

    def former_then_another(self: Any, product_id: str) -> Any:
        state = former(self, product_id)
        if others:
            put(client, product_id, others.pop())
        return state

    monkeypatch.setattr(listing_editor, "read_uploads", read)
    monkeypatch.setattr(listing_editor.ListingEditor, "former", former_then_another)
    answer = client.put("/api/listings/a", **form(KETTLE, colour_file(200, 30, 30)))
    assert answer.status_code == 200 and sorted(decoded) == [0, 1]
    assert client.get("/api/products/a").json()["name"] == "Copper kettle"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": 1}, "name: Input should be a valid string"),
        ({"nme": "x"}, "unknown field 'nme' (known: name, description"),
        ({"nme": "x"}, "remove it, or rename it to 'name'"),
        ({"wheels": 3, "name": 1}, 'or state it as an attribute: "attributes": {"wheels": …}'),
        ({}, "name: is missing: a listing needs a name, a description or a photo"),
        ({"name": "x", "price": "$5"}, "price is not an amount in pounds, but in $"),
        ({"name": "x", "price": -1}, "price is negative"),
        ({"name": "x", "category": " / "}, "category is missing"),
        ({"name": "x", "latitude": 1}, "latitude and longitude: give both or neither"),
        ({"name": "x", "latitude": 99, "longitude": 0}, "latitude cannot be read: '99'"),
        ({"name": "x", "created": "yesterday"}, "created cannot be read: 'yesterday'"),
        ({"name": "x", "attributes": {"size": 1}}, "attributes.size: no such attribute"),
        ({"name": "x", "expires_at": "soon"}, "expires_at: Input should be a valid datetime"),
        ([1], "not a JSON object"),
    ],
)
def test_faulty_listing_gets_one_line(refusing: TestClient, fields: Any, message: str) -> None:
    answer = put(refusing, "a", fields)
    assert answer.status_code == 422 and message in answer.json()["error"]
    assert refusing.get("/api/products/a").status_code == 404


@pytest.mark.parametrize("product_id", ["%2E%2E", "a%0Ab", "x" * 201])
def test_invalid_id_is_refused(refusing: TestClient, product_id: str) -> None:
    assert put(refusing, product_id).status_code in (404, 422)


def test_bulk_has_a_result_for_each_line(client: TestClient) -> None:
    lines = [
        {"product_id": "a", **KETTLE},
        {"product_id": "b", "name": "spade", "price": "$3"},
        "junk",
        {"name": "no id"},
        {"product_id": "a", "action": "sold"},
        {"product_id": "b0", "action": "delete"},
        {"product_id": "nobody", "action": "delete"},
        {"product_id": "b1", "action": "patch", "price": 3},
    ]
    body = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    answer = client.post("/api/listings/bulk", content=f"{body}\n\n", headers=NDJSON)
    results = [json.loads(line) for line in answer.text.splitlines()]
    assert [result["status"] for result in results] == [201, 422, 422, 422, 200, 204, 404, 200]
    assert [result["line"] for result in results] == [*range(1, 9)]
    assert results[1]["error"] == "price is not an amount in pounds, but in $"
    assert results[3]["error"] == "product_id: Field required"
    assert found(client, "kettle", include_unavailable=True) == ["a"]
    assert found(client, "guitar") == []
    wrong_type = client.post("/api/listings/bulk", content=body)
    assert wrong_type.status_code == 415 and "application/x-ndjson" in wrong_type.json()["error"]


def wait_until(condition: Any, seconds: float = 10) -> float:
    """Return the seconds until `condition()` holds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() < started + seconds
        time.sleep(0.01)
    return time.monotonic() - started


def test_other_process_finds_changes_by_itself(index: Index, url: str) -> None:
    with live_service(index, url) as (_, writer), live_service(index, url) as (_, reader):
        put(writer, "a")
        wait_until(lambda: found(reader, "kettle") == ["a"])
        writer.delete("/api/listings/a")
        wait_until(lambda: found(reader, "kettle") == [])
        assert reader.get("/api/products/a").status_code == 404


def test_restart_rebuilds_without_encoding_again(index: Index, url: str) -> None:
    with live_service(index, url) as (_, client):
        client.put("/api/listings/a", **form(KETTLE, colour_file(5, 200, 5)))
        client.delete("/api/listings/b0")
        before = client.get("/api/products/a").json()

    class Probed(SimulatedEncoder):
        def encode(self, listings: Any, photos: Any) -> Any:
            assert "identify the encoder" in listings["name"].iloc[0]
            return super().encode(listings, photos)

    with live_service(replace(index, encoder=Probed()), url) as (_, client):
        assert found(client, "") == ["a", "b1", "b2", "b3"]
        assert client.get("/api/products/a").json() == before


def test_reload_takes_only_later_changes(index: Index, url: str, tmp_path: Path) -> None:
    """The next index has the listings of `index`, and the kettle as the pipeline made it."""
    with live_service(index, url) as (app, client):
        put(client, "b4", {"name": "sofa in the store", "category": "Things / Sofa", "price": 1})
        put(client, "rejected", {"name": "spade that stage clean rejected"})
        client.delete("/api/listings/b0")
        folded = make_index(tmp_path / "next", count=5, changes_through=3)
        put(client, "later", {"name": "lamp after the fold"})
        app.state.service.catalogue.replace_index(folded)
        assert client.get("/api/products/b4").json()["name"] == base_listings(5)["name"][4]
        assert found(client, "") == ["b1", "b2", "b3", "b4", "later", "rejected"]
        assert app.state.service.view.live_photos == ()
        assert client.get("/api/products/b4").headers["ETag"] == '"1"'
