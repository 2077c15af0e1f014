"""Invalid, damaged and oversized requests."""

from __future__ import annotations

import io
import os
import resource
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from api_client import encoded
from fastapi.testclient import TestClient
from page_client import (
    PATIENCE,
)
from PIL import Image

from market.search.engine import Engine

pytestmark = pytest.mark.xdist_group("search_api")  # share one engine


@pytest.mark.parametrize(
    ("params", "message"),
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
        ({"colour": "red"}, "remove it, or filter by an attribute with attr.colour"),
        ({"limit": ["many", "5"]}, "limit: given more than once"),
    ],
)
def test_invalid_parameters_give_one_line_errors(
    client: TestClient, params: Any, message: str
) -> None:
    answer = client.get("/api/search", params=params)
    assert answer.status_code == 422
    assert list(answer.json()) == ["error"] and message in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    "query",
    ["q=%ff%fe", "q=%ed%a0%80", "q=%c0%af", "q=%00", "q=%", "q=%zz", "q=a&q=b", "q[]=a", "&&="],
)
def test_broken_encodings_give_one_line_errors(client: TestClient, query: str) -> None:
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
def test_paths_reach_no_files(client: TestClient, path: str, id_: str) -> None:
    answer = client.get(path + id_)
    assert "dataset:" not in answer.text and "root:" not in answer.text
    if path != "/api/recommend/" or id_ in ("%00", "%2e%2e/%2e%2e/params.yaml"):
        # The others are valid user ids.
        assert answer.status_code in (404, 422), answer.text
        assert list(answer.json()) == ["error"]


# --- Photos ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"", 422, "photo: empty file"),
        (b"<html>", 422, "photo: not one of JPEG"),
        (encoded(20, 20, "ICO"), 422, "photo: not one of JPEG"),
        (encoded(1, 1, "PNG"), 422, "photo: a side under 8 pixels"),
        (encoded(20_000, 20_000, "PNG"), 422, "photo: over 50 megapixels"),
        (encoded(64, 64, "BMP")[:80], 422, "photo: damaged"),
        (bytes(1_000_001), 413, "over 1 MB"),
    ],
)
def test_unusable_photo_is_refused(
    client: TestClient, content: bytes, status: int, message: str
) -> None:
    answer = client.post("/api/search/photo", files={"photo": ("a.jpg", content)})
    assert answer.status_code == status and message in answer.json()["error"]


def damaged(photo: bytes, rng: np.random.Generator) -> bytes:
    """Return a photo cut off, with wrong bytes, with a wrong header, or with a repeated part."""
    data = bytearray(photo)
    damage = rng.integers(4)
    if damage == 0:
        return bytes(data[: rng.integers(len(data))])
    if damage == 1:
        for place in rng.integers(len(data), size=rng.integers(1, 40)):
            data[place] = rng.integers(256)
    elif damage == 2:  # the header has sizes, tables and counts
        for place in rng.integers(min(len(data), 300), size=rng.integers(1, 12)):
            data[place] = rng.choice([0, 1, 127, 128, 255])
    else:
        start, end = sorted(rng.integers(len(data), size=2))
        data[start:end] = data[start:end] * int(rng.integers(3))
    return bytes(data)


def search_by_damaged_photos(client: TestClient, count: int) -> Counter[int]:
    """Search by `count` damaged photos of all formats; return the counts of statuses."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    photos = []
    for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP"):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, form)
        photos.append(out.getvalue())
    statuses: Counter[int] = Counter()
    for number in range(count):
        photo = damaged(photos[number % len(photos)], rng)
        answer = client.post("/api/search/photo?", files={"photo": ("a.jpg", photo)})
        assert answer.status_code in (200, 422), (number, answer.text)
        if answer.status_code == 422:
            assert list(answer.json()) == ["error"] and "\n" not in answer.json()["error"]
        statuses[answer.status_code] += 1
    return statuses


def test_damaged_photos_give_one_line_errors(client: TestClient) -> None:
    assert search_by_damaged_photos(client, 60)[422] > 20


@pytest.mark.campaign
def test_campaign_of_damaged_photos(client: TestClient) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    statuses = search_by_damaged_photos(client, int(os.environ.get("PHOTOS", "2000")))
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"\n{statuses.total()} damaged photos: {dict(statuses)}; memory grew by {growth:.0f} MB")
    assert growth < 500


def test_search_by_photo_requires_a_photo(client: TestClient) -> None:
    assert "photo" in client.post("/api/search/photo", data={"q": "x"}).json()["error"]


# --- Bodies ---------------------------------------------------------------------------------------


def test_body_without_a_length_is_limited(client: TestClient) -> None:
    pieces = (bytes(100_000) for _ in range(30))
    form = {"content-type": "multipart/form-data; boundary=x"}
    answer = client.post("/api/search/photo", content=pieces, headers=form)
    assert answer.status_code == 413


JSON = '{"name": "Oak bedside table", "q": "lamp", "price": 90}'


INCOMPLETE_FORM = '--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nOak'


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
        (INCOMPLETE_FORM, "multipart/form-data; boundary=x", 400),
        (INCOMPLETE_FORM, "multipart/form-data; boundary=y", 400),
    ],
)
def test_body_that_is_not_a_form_is_refused(
    client: TestClient, path: str, content: Any, media_type: str | None, status: int
) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    answer = client.post(path, content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"] and "\n" not in answer.json()["error"]


# --- HEAD -----------------------------------------------------------------------------------------


def test_head_answers_like_get(serve: Callable[..., str], engine: Engine) -> None:
    site = serve()
    known = engine.listings["product_id"][0]
    paths = httpx.get(f"{site}openapi.json").json()["paths"]
    readable = [path for path, methods in paths.items() if "get" in methods]
    values = {"{product_id}": known, "{user_id}": "anna", "{number}": "0"}
    paths_to_check = ["/", "/docs", "/openapi.json", "/metrics", "/static/app.js", "/nowhere"]
    for path in readable:
        for name, value in values.items():
            path = path.replace(name, value)
        paths_to_check.append(path)
    assert len(paths_to_check) >= 14
    # Each answer has a search_id of its own, so that compressed lengths differ.
    plain = {"Accept-Encoding": "identity"}
    with httpx.Client(base_url=site, timeout=PATIENCE, headers=plain) as client:
        for path in paths_to_check:
            head, get = client.head(path), client.get(path)
            assert head.status_code == get.status_code, path
            assert head.content == b"" and head.headers.keys() == get.headers.keys()
            if path != "/metrics":  # it counts the requests in between
                assert head.headers["content-length"] == get.headers["content-length"], path
        refused = client.head("/api/events")
        assert refused.status_code == 405 and refused.headers["allow"] == "POST"
        assert client.put("/api/places").headers["allow"] == "GET, HEAD"
