"""Ids from stage clean to the page: what clean keeps can be opened."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pandas as pd
import pytest
from listening import listening
from page_client import (
    CHROMIUM,
    PATIENCE,
)
from playwright.sync_api import (
    expect,
    sync_playwright,
)
from sample_ids import ODD_IDS, REFUSED_IDS

from market.core.params import load_params
from market.core.paths import PHOTOS
from market.data.cleaning import Cleaner
from market.data.ids import ID_PATTERN
from market.data.photo_store import PhotoStore
from market.search.engine import Engine
from market.search.index import SearchIndex
from market.service.app import make_app
from market.service.events import EventStore
from market.service.settings import Settings

# Those that a browser, its address bar or the page could change; the API test above has them all.
ADDRESS_IDS = [
    "SKU/12", "https://example.com/item/5?a=1&b=2#top", "...", "%2F", "a+b c", "café 🔥",
    "\"'`<b>&amp;", "a\\b",
]  # fmt: skip
pytestmark = pytest.mark.xdist_group("search_api")  # share one engine


@pytest.fixture
def cleaned(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The output of stage clean for valid and invalid ids of products and users."""
    monkeypatch.chdir(ran)
    raw = tmp_path / "raw"
    (raw / "images").mkdir(parents=True)
    ids = [*ODD_IDS, *REFUSED_IDS]
    pd.DataFrame(
        {
            "id": ids,
            "product_name": "lamp",
            "category": "Home / Lamps",
            "product_description": "A lamp",
            "price": "£5",
            "location": "Leeds, West Yorkshire",
        }
    ).to_csv(raw / "Products.csv", index=False, lineterminator="\n")
    images = pd.DataFrame({"id": ["photo"], "product_id": ["SKU/12"]})
    images.to_csv(raw / "Images.csv", index=False)
    photo = next(path for path in sorted((ran / "data/sample/raw/images").glob("*.jpg")))
    shutil.copy(photo, raw / "images/photo.jpg")
    pd.DataFrame(
        {"user_id": ids, "product_id": "SKU/12", "event": "view", "timestamp": 1_700_000_000}
    ).to_csv(raw / "interactions.csv", index=False, lineterminator="\n")
    out = tmp_path / "out"
    out.mkdir()
    Cleaner(raw, load_params("clean"), load_params("input")).run(out)
    return out


def test_clean_keeps_valid_ids_and_rejects_the_others(cleaned: Path) -> None:
    kept = pd.read_parquet(cleaned / "products.parquet")["product_id"]
    assert sorted(kept) == sorted(ODD_IDS)
    users = pd.read_parquet(cleaned / "interactions.parquet")["user_id"]
    assert sorted(users) == sorted(ODD_IDS)
    rejects = pd.read_csv(cleaned / "rejects.csv", dtype=str, keep_default_na=False)
    for source, column in (("Products.csv", "id"), ("interactions.csv", "user_id")):
        reasons = rejects.loc[rejects["source"].eq(source), "reason"].tolist()
        assert reasons == [f"{column} {reason}" for reason in REFUSED_IDS.values()]


@pytest.fixture(scope="module")
def site(ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service whose first listings have ODD_IDS."""
    folder = tmp_path_factory.mktemp("odd")
    shutil.copytree(ran / "models/index", folder / "index")
    index = SearchIndex.load(folder / "index")
    ids = [*ODD_IDS, *index.listings["product_id"][len(ODD_IDS) :]]
    new_ids = dict(zip(index.listings["product_id"], ids, strict=True))
    replace(index, listings=index.listings.assign(product_id=ids)).save(folder / "index")
    prices = pd.read_parquet(ran / "data/price/expected.parquet")
    prices["product_id"] = prices["product_id"].map(new_ids)
    prices.to_parquet(folder / "expected.parquet", index=False)
    engine = Engine.load(
        folder / "index", ran / "models/rank", ran / "models/embed", folder / "expected.parquet"
    )
    engine.search("warm up", limit=1)
    store = EventStore(f"sqlite:///{folder}/events.sqlite")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ran)
        app = make_app(engine, PhotoStore(ran / PHOTOS), store, Settings())
    with listening(app) as site:
        yield site


@pytest.mark.parametrize("text", ODD_IDS)
def test_every_valid_id_has_a_working_url(site: str, text: str) -> None:
    part = quote(text, safe="")
    product = httpx.get(f"{site}api/products/{part}", timeout=60)
    assert product.status_code == 200 and product.json()["product_id"] == text
    similar = httpx.get(f"{site}api/similar/{part}", timeout=60)
    assert similar.status_code == 200
    assert text not in [hit["product_id"] for hit in similar.json()["hits"]]
    event = {"user_id": text, "product_id": text, "event": "view"}
    assert httpx.post(f"{site}api/events", json=event, timeout=60).status_code == 201
    recommended = httpx.get(f"{site}api/recommend/{part}", timeout=60)
    assert recommended.status_code == 200
    assert text not in [hit["product_id"] for hit in recommended.json()["hits"]], (
        "the user has viewed it"
    )


@pytest.mark.parametrize("text", REFUSED_IDS)
def test_invalid_ids_are_refused(site: str, text: str) -> None:
    event = {"user_id": text, "product_id": "SKU/12", "event": "view"}
    for invalid in (event, event | {"user_id": "a", "product_id": text}):
        answer = httpx.post(f"{site}api/events", json=invalid, timeout=60)
        assert answer.status_code == 422 and list(answer.json()) == ["error"]
        assert ID_PATTERN not in answer.text
    # Like browsers, httpx removes "." and "..", so the URL has another path.
    url = f"{site}api/products/{quote(text, safe='')}"
    opened = httpx.get(url, timeout=60, follow_redirects=True)
    assert opened.status_code in (404, 422)


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} not found: install chromium")
def test_page_opens_ids_with_special_characters(site: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        assert {*ADDRESS_IDS} <= {*ODD_IDS}
        for text in ADDRESS_IDS:
            page.goto(f"{site}?product={quote(text, safe='')}")
            expect(page.locator("#product-name:not(.wait)")).to_be_visible(timeout=PATIENCE)
            name = page.locator("#product-name").inner_text()
            expected = httpx.get(f"{site}api/products/{quote(text, safe='')}", timeout=60).json()
            assert name == (expected["name"] or "Untitled"), text
        browser.close()
