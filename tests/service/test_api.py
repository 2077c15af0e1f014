"""The API, over HTTP: what is asked, checked, answered, and kept."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import shutil
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient
from PIL import Image

from market import predict
from market.core.params import load_params
from market.core.torch_setup import set_up_torch
from market.data.photo_store import PhotoStore, pack_photos
from market.predict import Predictor
from market.search.engine import Engine
from market.search.ranker import SEARCH_TEXTS, SIMILAR_TEXTS
from market.service.app import PHOTOS, make_app, renew, version_of
from market.service.events import EventStore
from market.service.reasons import explain
from market.service.settings import Settings
from stages import index

pytestmark = pytest.mark.xdist_group("search_api")  # one engine and one predictor for all of them


@pytest.fixture
def store(tmp_path: Path) -> EventStore:
    return EventStore(f"sqlite:///{tmp_path}/events.sqlite")


@pytest.fixture
def client(
    ran: Path, engine: Engine, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    monkeypatch.chdir(ran)
    app = make_app(engine, PhotoStore(PHOTOS), store, Settings(max_upload_mb=1))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def get(client: TestClient, path: str, **params: Any) -> Any:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(results: dict[str, Any]) -> list[str]:
    return [hit["product_id"] for hit in results["hits"]]


def everything(client: TestClient, **filters: Any) -> list[dict[str, Any]]:
    return get(client, "/api/search", limit=100, **filters)["hits"]


def words_of(results: dict[str, Any]) -> set[str]:
    return {reason["words"] for hit in results["hits"] for reason in hit["why"]}


@pytest.fixture
def some(client: TestClient) -> dict[str, Any]:
    """A listing with photos."""
    return next(hit for hit in everything(client) if hit["photo"])


# --- Find -----------------------------------------------------------------------------------------
def test_words_find_and_every_hit_says_why(client: TestClient, some: dict[str, Any]) -> None:
    results = get(client, "/api/search", q=some["name"])
    assert some["product_id"] in ids(results)[:3]
    assert results["understood"] is None and results["unplaced"] is None
    for hit in results["hits"]:
        parts = [reason["contribution"] for reason in hit["why"]]
        assert parts == sorted(parts, reverse=True)
        assert sum(parts) == pytest.approx(hit["score"], abs=1e-4)
        assert not any("photo" in reason["words"] for reason in hit["why"]), "there was none"


def test_pages_do_not_overlap_and_end(client: TestClient) -> None:
    whole = everything(client)
    assert get(client, "/api/search")["total"] == len(whole)
    pages = [
        ids(get(client, "/api/search", limit=7, offset=offset))
        for offset in range(0, len(whole) + 7, 7)
    ]
    assert list(chain(*pages)) == [hit["product_id"] for hit in whole]
    assert pages[-1] == []


def test_filters_are_strict(client: TestClient) -> None:
    prices = sorted(hit["price"] for hit in everything(client))
    low, high = prices[len(prices) // 4], prices[len(prices) // 2]
    some = everything(client, price_min=low, price_max=high)
    assert some and all(low <= hit["price"] <= high for hit in some)

    path = some[0]["category"][0]
    within = everything(client, category=path)
    assert within and all(hit["category"][0] == path for hit in within)

    town = some[0]["location"]
    near = everything(client, near=town, radius_km=1)
    assert near and all(hit["distance_km"] <= 1 for hit in near)
    assert some[0]["product_id"] in [hit["product_id"] for hit in near]

    shown = everything(client, flagged=True)
    assert any(hit["price_flag"] == "placeholder" for hit in shown)
    assert not any(hit["price_flag"] for hit in everything(client))


def test_an_unknown_place_has_nothing_near(client: TestClient) -> None:
    results = get(client, "/api/search", near="Atlantis", radius_km=5)
    assert results["hits"] == [] and results["total"] == 0 and results["unplaced"] == "Atlantis"


HOSTILE = [
    "", " ", "'; --", "<script>", "🔥", "a" * 300, "\x00", "%%", "NaN", "../../etc/passwd",
    "${7*7}",
    "{{7*7}}", "$(reboot)", "\r\nSet-Cookie: a=b", "a\u202eb", "e\u0301" * 150, "\u0300" * 300,
    "ﷺ" * 300, "İ" * 300, "ﬀ" * 300, "\ufeff", "\ufffe", "👩‍👩‍👧‍👦" * 40, "(a+)+$" * 50, "9" * 300,
    " ".join(f"qx{n:03d}zw" for n in range(37)), "NOT AND OR NEAR " * 18, "the " * 75,
]  # fmt: skip


@pytest.mark.parametrize("q", HOSTILE)
def test_absurd_queries_are_answered(client: TestClient, q: str) -> None:
    results = get(client, "/api/search", q=q, near=q[:100], user="anna")
    assert results["unplaced"] == (q[:100] or None)
    get(client, "/api/search", q=q)
    answer = client.get("/api/search", params={"category": q, "q": "lamp"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "query",
    ["q=%ff%fe", "q=%ed%a0%80", "q=%c0%af", "q=%00", "q=%", "q=%zz", "q=a&q=b", "q[]=a", "&&="],
)
def test_broken_encodings_are_answered_in_one_line(client: TestClient, query: str) -> None:
    answer = client.get(f"/api/search?{query}")
    assert answer.status_code in (200, 422)
    if answer.status_code == 422:
        assert list(answer.json()) == ["error"]


@pytest.mark.parametrize(
    "path", ["/api/products/", "/api/similar/", "/api/recommend/", "/static/", "/api/photos/", "/"]
)
@pytest.mark.parametrize(
    "id_",
    ["..%2f..%2fparams.yaml", "%2e%2e/%2e%2e/params.yaml", "..\\..\\params.yaml", "%00",
     "/etc/passwd", "%2fetc%2fpasswd", "....//....//params.yaml", "-1", "%ff"],
)  # fmt: skip
def test_no_file_is_reached_by_a_path(client: TestClient, path: str, id_: str) -> None:
    answer = client.get(path + id_)
    assert "dataset:" not in answer.text and "root:" not in answer.text
    if path != "/api/recommend/" or id_ in ("%00", "%2e%2e/%2e%2e/params.yaml"):
        # The others may be somebody's name.
        assert answer.status_code in (404, 422), answer.text
        assert list(answer.json()) == ["error"]


def test_typing_errors_are_mended_and_said(client: TestClient) -> None:
    results = get(client, "/api/search", q="labtop")
    assert "laptop" in results["understood"]
    assert any("laptop" in hit["name"].lower() for hit in results["hits"])


def test_a_photo_finds(client: TestClient, some: dict[str, Any]) -> None:
    photo = client.get(some["photo"]).content
    answer = client.post("/api/search/photo", files={"photo": ("a.jpg", photo)})
    assert answer.status_code == 200, answer.text
    assert answer.json()["hits"]
    form = {"q": some["name"], "price_min": some["price"], "limit": 3}
    answer = client.post("/api/search/photo", files={"photo": ("a.png", photo)}, data=form)
    assert some["product_id"] in ids(answer.json())


def test_similar_is_never_the_same(client: TestClient, some: dict[str, Any]) -> None:
    results = get(client, f"/api/similar/{some['product_id']}", limit=5)
    assert results["hits"] and some["product_id"] not in ids(results)
    assert not words_of(results) & {"similar meaning", "similar to your photo"}


def test_reasons_fit_the_question_and_the_person() -> None:
    why = {
        "image_similarity": 0.5,
        "user_text_similarity": 0.3,
        "proximity": 0.25,
        "price_fairness": -0.1,
        "popularity": 0.0,
    }

    def said(words: dict[str, str], *, newcomer: bool, near: str | None) -> list[tuple[str, float]]:
        found = explain(why, words, newcomer=newcomer, near=near)
        return [(reason.words, round(reason.contribution, 2)) for reason in found]

    assert said({}, newcomer=False, near=None) == [
        ("similar to your photo", 0.5),
        ("similar to what you viewed", 0.3),
        ("near you", 0.25),
        ("a fair price", -0.1),
    ]
    assert said(SIMILAR_TEXTS, newcomer=True, near=None) == [
        ("suits somebody new", 0.55),
        ("similar photos", 0.5),
        ("a fair price", -0.1),
    ]
    assert ("near Leeds", 0.25) in said(SEARCH_TEXTS, newcomer=True, near="Leeds")


def test_anybody_gets_a_mix_and_is_told_nothing_of_themselves(client: TestClient) -> None:
    results = get(client, "/api/recommend/new-user", limit=10)
    assert len(results["hits"]) == 10 and results["total"] >= 10
    assert not [words for words in words_of(results) if "you" in words.split()]


def test_a_reason_names_the_place_asked_for(client: TestClient, some: dict[str, Any]) -> None:
    near = some["location"]
    assert f"near {near}" in words_of(get(client, "/api/search", near=near, radius_km=50))


def test_who_did_something_is_told_so(client: TestClient, some: dict[str, Any]) -> None:
    tell(client, "anna", some["product_id"])
    assert [words for words in words_of(get(client, "/api/recommend/anna")) if "you" in words]


# --- Events ---------------------------------------------------------------------------------------
def tell(client: TestClient, user: str, product: str, event: str = "view", **more: Any) -> Any:
    body = {"user_id": user, "product_id": product, "event": event, **more}
    return client.post("/api/events", json=body)


def test_an_event_changes_the_next_answer(client: TestClient, some: dict[str, Any]) -> None:
    before = ids(get(client, "/api/recommend/anna"))
    assert before == ids(get(client, "/api/recommend/ben"))
    for event in ("view", "save", "message"):
        assert tell(client, "anna", some["product_id"], event).status_code == 201
    after = ids(get(client, "/api/recommend/anna"))
    assert after != before and some["product_id"] not in after
    assert ids(get(client, "/api/recommend/ben")) == before, "nobody else's"

    plain = get(client, "/api/search", limit=30)["hits"]
    mine = get(client, "/api/search", limit=30, user="anna")["hits"]
    assert plain != mine


def test_an_event_is_kept_with_its_time(client: TestClient, store: EventStore, some: Any) -> None:
    kept = tell(client, "anna", some["product_id"], "buy", timestamp="2026-01-02T03:04:05+01:00")
    assert kept.status_code == 201 and kept.json()["id"] > 0
    tell(client, "anna", some["product_id"], timestamp=1_700_000_000)
    history = store.history("anna", 9)
    assert history["event"].tolist() == ["view", "buy"]
    assert str(history["timestamp"].iloc[1]) == "2026-01-02 02:04:05"


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"product_id": "no-such"}, 404, "there is no product 'no-such'"),
        ({"event": "look"}, 422, "event: Input should be 'view', 'save', 'message' or 'buy'"),
        ({"user_id": ""}, 422, "user_id"),
        ({"user_id": "x" * 201}, 422, "user_id"),
        ({"product_id": "a/../b"}, 422, "product_id"),
        ({"user_id": "a\x00b"}, 422, "user_id"),
        ({"timestamp": "2999-01-01"}, 422, "timestamp lies in the future"),
        ({"timestamp": "9999-12-31T23:59:59-01:00"}, 422, "timestamp lies in the future"),
        ({"timestamp": "0001-01-01T00:00:00+01:00"}, 422, "timestamp lies before 1990"),
        ({"timestamp": "0001-01-01T00:00:00"}, 422, "timestamp lies before 1990"),
        ({"timestamp": "20240105"}, 422, "timestamp lies before 1990"),
        ({"timestamp": 0}, 422, "timestamp lies before 1990"),
        ({"timestamp": "soon"}, 422, "timestamp"),
        ({"extra": 1}, 422, "extra"),
    ],
)
def test_a_wrong_event_is_refused(
    client: TestClient, store: EventStore, some: Any, change: Any, status: int, said: str
) -> None:
    body = {"user_id": "anna", "product_id": some["product_id"], "event": "view"} | change
    answer = client.post("/api/events", json=body)
    assert answer.status_code == status and said in answer.json()["error"]
    assert list(answer.json()) == ["error"]
    assert store.history("anna", 9).empty


# --- Without any photo ----------------------------------------------------------------------------
@pytest.fixture
def bare(ran: Path, tmp_path: Path) -> Path:
    """A project of which no listing has a photo, as clean, merge and embed write it, indexed."""
    project = tmp_path / "bare"
    for name in ("data/price", "models/rank", "models/embed", "models/text", "models/cnn"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).symlink_to(ran / name)
    (project / "params.yaml").symlink_to(ran / "params.yaml")
    for name in ("data/merged", "data/embeddings", "data/clean"):
        (project / name).mkdir()
    rows = pd.read_parquet(ran / "data/merged/listings.parquet").drop_duplicates("product_id")
    rows["photo_index"] = pd.Series(pd.NA, rows.index, rows["photo_index"].dtype)
    rows["image_id"] = pd.Series(pd.NA, rows.index, rows["image_id"].dtype)
    rows.drop(columns="image_array").to_parquet(project / "data/merged/listings.parquet")
    shutil.copy(ran / "data/embeddings/text.parquet", project / "data/embeddings")
    seen = np.load(ran / "data/embeddings/photo.npy")
    np.save(project / "data/embeddings/photo.npy", seen[:0])
    assert pack_photos([], project / PHOTOS, array_size=56) == 0
    with contextlib.chdir(project):
        told = CliRunner().invoke(index.main, [])
    assert told.exit_code == 0, (told.output, told.exception)
    assert "and 0 photos" in told.output
    return project


def test_listings_without_any_photo_are_indexed_and_served(
    bare: Path, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bare)
    engine = Engine.load(*(bare / f"models/{name}" for name in ("index", "rank", "embed")))
    app = make_app(engine, PhotoStore(PHOTOS), store, Settings())
    with TestClient(app, raise_server_exceptions=False) as client:
        hits = everything(client)
        assert len(hits) > 20 and not any(hit["photo"] for hit in hits)
        some = hits[0]
        assert some["product_id"] in ids(get(client, "/api/search", q=some["name"]))[:3]
        assert get(client, f"/api/similar/{some['product_id']}")["hits"]
        assert get(client, f"/api/products/{some['product_id']}")["photos"] == []
        assert client.get("/api/photos/0").status_code == 404
        assert tell(client, "anna", some["product_id"]).status_code == 201
        assert get(client, "/api/recommend/anna")["hits"]
        files = {"photo": ("a.png", encoded(20, 20, "PNG"))}
        assert client.post("/api/search/photo", files=files).json()["hits"] == []
        named = client.post("/api/search/photo", files=files, data={"q": some["name"]}).json()
        assert some["product_id"] in ids(named)[:3]


# --- Look -----------------------------------------------------------------------------------------
def test_a_product_has_all_that_its_page_shows(client: TestClient, some: dict[str, Any]) -> None:
    product = get(client, f"/api/products/{some['product_id']}")
    for name in ("name", "price", "location", "category", "photo"):
        assert product[name] == some[name]
    assert product["photos"][0] == product["photo"]
    assert isinstance(product["description"], str)


def test_a_photo_may_be_kept_by_its_full_url_only(client: TestClient, some: Any) -> None:
    answer = client.get(some["photo"])
    assert answer.headers["content-type"] == "image/jpeg"
    assert "immutable" in answer.headers["cache-control"]
    assert Image.open(io.BytesIO(answer.content)).format == "JPEG"
    bare = client.get(some["photo"].split("?")[0])
    assert bare.content == answer.content and bare.headers["cache-control"] == "no-cache"


def test_a_photos_url_never_means_another(
    client: TestClient, ran: Path, engine: Engine, some: dict[str, Any]
) -> None:
    assert client.get(some["photo"].split("?")[0] + "?v=another-run").status_code == 404
    app: Any = client.app
    again = make_app(engine, PhotoStore(ran / PHOTOS), app.state.service.events, Settings())
    with TestClient(again) as restarted:
        assert get(restarted, f"/api/products/{some['product_id']}")["photo"] == some["photo"]


def test_what_a_page_showed_before_a_reload_it_still_shows(
    client: TestClient, ran: Path, some: dict[str, Any], tmp_path: Path
) -> None:
    before = client.get(some["photo"]).content
    photos = [(f"new-{n}", encoded(20 + n, 20, "JPEG"), np.zeros((3, 56, 56), np.uint8))
              for n in range(3)]  # fmt: skip
    pack_photos(photos, tmp_path / "photos", array_size=56)
    app: Any = client.app
    service = app.state.service
    new = PhotoStore(tmp_path / "photos")
    app.state.service = renew(service, service.engine, new)
    assert client.get(some["photo"]).content == before
    assert client.get("/api/photos/0").content == photos[0][1]
    assert client.get(f"/api/photos/2?v={version_of(new)}").content == photos[2][1]
    app.state.service = service


def test_categories_and_places(client: TestClient) -> None:
    hits = everything(client)
    paths = {row["path"]: row["count"] for row in get(client, "/api/categories")}
    assert hits[0]["category"][0] in paths and all(count > 0 for count in paths.values())
    places = get(client, "/api/places")
    assert len(set(places)) == len(places) and hits[0]["location"] in places


@pytest.mark.parametrize(
    "path",
    ["/api/products/none", "/api/similar/none", "/api/photos/99999", "/api/none", "/static/none"],
)
def test_what_is_not_there_is_404(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404 and list(answer.json()) == ["error"]


# --- Predict --------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def loaded(ran: Path) -> Predictor:
    with contextlib.chdir(ran):
        return Predictor(set_up_torch(seed=0))


@pytest.fixture
def predictor(loaded: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The models are loaded once for all tests: that takes seconds."""
    monkeypatch.setattr("market.predict.Predictor", lambda device: loaded)


@pytest.mark.usefixtures("predictor")
def test_predict_is_what_the_stage_says(client: TestClient, ran: Path, tmp_path: Path) -> None:
    """One listing, by the service and by `python stages/predict.py`."""
    bad = ("b.jpg", b"<html>")
    photo = (ran / "data/sample/raw/images").glob("*.jpg")
    good = next(path for path in sorted(photo) if path.stat().st_size > 5000)
    listing = {
        "name": "Oak bedside table, brown",
        "description": "Solid wood. Call 07700 900123",
        "location": "Reading, Berkshire",
        "price": "1234567",
    }
    files = [("photos", bad), ("photos", ("a.jpg", good.read_bytes()))]
    answer = client.post("/api/predict", data=listing, files=files)
    assert answer.status_code == 200, answer.text
    found = answer.json()

    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.jpg").write_bytes(good.read_bytes())
    columns = {"name": "product_name", "description": "product_description"}
    row = {"id": "1", **{columns.get(name, name): text for name, text in listing.items()}}
    pd.DataFrame([row]).to_csv(tmp_path / "Products.csv", index=False)
    images = {"id": ["a"], "product_id": ["1"]}
    pd.DataFrame(images).to_csv(tmp_path / "Images.csv", index=False)
    told = CliRunner().invoke(
        predict.main, ["--raw", str(tmp_path), "--out", str(tmp_path / "out.csv")]
    )
    assert told.exit_code == 0, told.output
    (expected,) = pd.read_csv(tmp_path / "out.csv").to_dict("records")

    for name in ("category", "price", "price_low", "price_high", "price_flag"):
        assert found[name] == expected[name], name
    for name, probability in found["probabilities"].items():
        assert probability == pytest.approx(expected[f"p_{name}"], abs=1e-6)
    assert sum(found["probabilities"].values()) == pytest.approx(1)
    assert found["coverage"] == load_params("regress").coverage
    assert found["unusable"] == [{"photo": 1, "reason": "not one of JPEG, PNG, WEBP, GIF, BMP"}]


@pytest.mark.usefixtures("predictor")
def test_predict_takes_what_there_is(client: TestClient) -> None:
    nothing = client.post("/api/predict", data={"name": ""})
    assert nothing.status_code == 200 and nothing.json()["price_flag"] is None
    named = client.post("/api/predict", data={"name": "Gaming laptop"}).json()
    assert named["probabilities"] != nothing.json()["probabilities"]
    for wrong in (
        {"price": "-1"}, {"name": "a" * 501}, {"colour": "red"}, {"price": ["cheap", ""]},
    ):  # fmt: skip
        answer = client.post("/api/predict", data=wrong)
        assert answer.status_code == 422 and list(answer.json()) == ["error"]


def test_predict_without_models_says_so(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = client.post("/api/predict", data={"name": "Gaming laptop"})
    assert answer.status_code == 503 and "dvc repro" in answer.json()["error"]


# --- Bounds ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"limit": 101}, "limit: Input should be less than or equal to 100"),
        ({"limit": 0}, "limit"),
        ({"offset": -1}, "offset"),
        ({"price_min": 5, "price_max": 4}, "price_min is above price_max"),
        ({"price_min": "nan"}, "price_min"),
        ({"price_min": -1}, "price_min"),
        ({"price_max": "cheap"}, "price_max"),
        ({"radius_km": 5}, "radius_km needs near"),
        ({"near": "Reading", "radius_km": 0}, "radius_km"),
        ({"q": "a" * 301}, "q: String should have at most 300 characters"),
        ({"user": "a\tb"}, "user: has a control character"),
        ({"user": ".."}, "user: has a control character or the path segment"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"limit": ["many", "5"]}, "limit: given more than once"),
    ],
)
def test_wrong_parameters_are_one_line(client: TestClient, params: Any, said: str) -> None:
    answer = client.get("/api/search", params=params)
    assert answer.status_code == 422
    assert list(answer.json()) == ["error"] and said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def encoded(width: int, height: int, form: str) -> bytes:
    out = io.BytesIO()
    Image.new("1", (width, height)).save(out, form)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"", 422, "photo: empty file"),
        (b"<html>", 422, "photo: not one of JPEG"),
        (encoded(20, 20, "TIFF"), 422, "photo: not one of JPEG"),
        (encoded(1, 1, "PNG"), 422, "photo: a side under 8 pixels"),
        (encoded(20_000, 20_000, "PNG"), 422, "photo: over 50 megapixels"),
        (encoded(64, 64, "BMP")[:80], 422, "photo: damaged"),
        (bytes(1_000_001), 413, "over 1 MB"),
    ],
)
def test_a_file_that_is_no_photo_is_refused(
    client: TestClient, content: bytes, status: int, said: str
) -> None:
    answer = client.post("/api/search/photo", files={"photo": ("a.jpg", content)})
    assert answer.status_code == status and said in answer.json()["error"]


def damaged(photo: bytes, rng: np.random.Generator) -> bytes:
    """A photo that was cut off, or has wrong bytes, a wrong size, or something else behind it."""
    data = bytearray(photo)
    way = rng.integers(4)
    if way == 0:
        return bytes(data[: rng.integers(len(data))])
    if way == 1:
        for place in rng.integers(len(data), size=rng.integers(1, 40)):
            data[place] = rng.integers(256)
    elif way == 2:  # its head, where sizes, tables and counts are
        for place in rng.integers(min(len(data), 300), size=rng.integers(1, 12)):
            data[place] = rng.choice([0, 1, 127, 128, 255])
    else:
        start, end = sorted(rng.integers(len(data), size=2))
        data[start:end] = data[start:end] * int(rng.integers(3))
    return bytes(data)


def ask_with_damaged(client: TestClient, count: int) -> Counter[int]:
    """Search by so many damaged photos of every format; return how often each status came."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    whole = []
    for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP"):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, form)
        whole.append(out.getvalue())
    statuses: Counter[int] = Counter()
    for number in range(count):
        photo = damaged(whole[number % len(whole)], rng)
        answer = client.post("/api/search/photo?", files={"photo": ("a.jpg", photo)})
        assert answer.status_code in (200, 422), (number, answer.text)
        if answer.status_code == 422:
            assert list(answer.json()) == ["error"] and "\n" not in answer.json()["error"]
        statuses[answer.status_code] += 1
    return statuses


def test_damaged_photos_are_refused_in_one_line(client: TestClient) -> None:
    assert ask_with_damaged(client, 60)[422] > 20


@pytest.mark.campaign
def test_campaign_of_damaged_photos(client: TestClient) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    statuses = ask_with_damaged(client, int(os.environ.get("PHOTOS", "2000")))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"\n{statuses.total()} damaged photos: {dict(statuses)}; memory grew by {grown:.0f} MB")
    assert grown < 500


def test_a_body_without_a_length_is_bounded_too(client: TestClient) -> None:
    pieces = (bytes(100_000) for _ in range(30))
    form = {"content-type": "multipart/form-data; boundary=x"}
    answer = client.post("/api/search/photo", content=pieces, headers=form)
    assert answer.status_code == 413


JSON = '{"name": "Oak bedside table", "q": "lamp", "price": 90}'
CUT_OFF = '--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nOak'


@pytest.mark.usefixtures("predictor")
@pytest.mark.parametrize("path", ["/api/predict", "/api/search/photo"])
@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (JSON, "application/json", 415),
        (JSON, "Application/LD+JSON; charset=utf-8", 415),
        (JSON, "text/plain", 415),
        (JSON, "multipart/mixed; boundary=x", 415),
        (JSON, "", 415),
        (JSON, None, 415),
        ("", "application/json", 415),
        ([JSON.encode()], None, 415),
        (JSON, "application/x-www-form-urlencoded", 422),
        (JSON, "multipart/form-data", 400),
        (JSON, "multipart/form-data; boundary=x", 400),
        (CUT_OFF, "multipart/form-data; boundary=x", 400),
        (CUT_OFF, "multipart/form-data; boundary=y", 400),
    ],
)
def test_what_is_no_form_is_not_taken_for_an_empty_one(
    client: TestClient, path: str, content: Any, media_type: str | None, status: int
) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    answer = client.post(path, content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"] and "\n" not in answer.json()["error"]


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_what_is_no_json_is_no_event(
    client: TestClient, some: dict[str, Any], media_type: str | None
) -> None:
    event = {"user_id": "a", "product_id": some["product_id"], "event": "view"}
    headers = {} if media_type is None else {"Content-Type": media_type}
    answer = client.post("/api/events", content=json.dumps(event), headers=headers)
    assert answer.status_code == 415 and "application/json" in answer.json()["error"]
    headers = {"Content-Type": "application/vnd.event+json; charset=utf-8"}
    assert client.post("/api/events", content=json.dumps(event), headers=headers).is_success


def test_a_photo_is_needed(client: TestClient) -> None:
    assert "photo" in client.post("/api/search/photo", data={"q": "x"}).json()["error"]


# --- Run ------------------------------------------------------------------------------------------
def test_health_is_the_stores_too(client: TestClient, store: EventStore) -> None:
    assert get(client, "/healthz") == {"status": "ok"}
    database = Path(str(store._engine.url.database))
    store.close()
    database.unlink()
    database.mkdir()
    answer = client.get("/healthz")
    assert answer.status_code == 503 and "event store" in answer.json()["error"]
    asked = client.get("/api/recommend/anna")
    assert asked.status_code == 503 and asked.headers["retry-after"]
    assert get(client, "/api/search")["hits"], "who is not known by name can search"


def test_metrics_count_requests_and_events(client: TestClient, some: dict[str, Any]) -> None:
    tell(client, "anna", some["product_id"], "save")
    text = client.get("/metrics").text
    assert 'search_events_total{event="save"} 1.0' in text
    assert 'handler="/api/search"' in text and "process_resident_memory_bytes" in text
    assert some["product_id"] not in text, "a path is counted by its template"


def test_the_api_describes_itself_without_other_sites(client: TestClient) -> None:
    schema = get(client, "/openapi.json")
    endpoints = [
        (path, method, about)
        for path, methods in schema["paths"].items()
        for method, about in methods.items()
    ]
    assert len(endpoints) >= 10
    for path, _, about in endpoints:
        assert about["summary"] and about["tags"], path
        faults = {code for code in about["responses"] if code >= "400"}
        for code in faults:
            content = about["responses"][code]["content"]["application/json"]
            assert content["schema"]["$ref"].endswith("/Fault"), path
    page = client.get("/docs")
    assert "http" not in page.text.replace("http-equiv", "")
    assert client.get("/static-offline-docs/swagger-ui-bundle.js").status_code == 200


def test_a_fault_of_ours_is_one_line_too(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "places", lambda: 1 / 0)
    answer = client.get("/api/places")
    assert answer.status_code == 500 and list(answer.json()) == ["error"]
    assert "ZeroDivision" not in answer.text


def test_no_script_but_the_pages_own_may_run(client: TestClient) -> None:
    for path in ("/", "/static/style.css", "/api/places"):
        headers = client.get(path).headers
        assert "script-src 'self';" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
