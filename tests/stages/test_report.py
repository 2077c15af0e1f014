"""The report: what the run says, whole, in a browser, and safe whatever a listing says."""

from __future__ import annotations

import ast
import base64
import html
import json
import re
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest
from playwright.sync_api import sync_playwright
from repository import REPO

from market.search.engine import Engine
from stages import report

CHROMIUM = Path("/usr/bin/chromium")

PRODUCTS = pd.DataFrame(
    {
        "price": [5.0, 5.0, 5.0, 1.0, 1234.0, float("nan")],
        "price_is_placeholder": [False, False, False, True, True, False],
    }
)
CLEAN = {
    "products": {"read": 5, "missing_values": {"price": 1}},
    "photos": {"kept": 4},
    "interactions": {"read": 0},
    "rejected": {"empty": 1, "damaged": 3},
}


@pytest.fixture(scope="module")
def page(ran: Path) -> str:
    return (ran / "report/index.html").read_text(encoding="utf-8")


def test_the_surest_mistakes_come_first() -> None:
    answers = pd.DataFrame(
        {
            "product_id": ["a", "b", "c", "d"],
            "actual": ["x", "x", "y", "y"],
            "predicted": ["y", "x", "x", "x"],
            "confidence": [0.6, 0.99, 0.9, 0.7],
        }
    )
    found = report.most_confident_mistakes(answers, 2)
    assert found["product_id"].tolist() == ["c", "d"]
    assert found["category"].tolist() == ["y", "y"] and found["sure"].tolist() == [0.9, 0.7]


def test_the_page_shows_what_the_metrics_say(ran: Path, page: str) -> None:
    scores = json.loads((ran / "metrics/classify.json").read_text(encoding="utf-8"))
    assert f"{100 * scores['fused']['accuracy']:.1f} % of {scores['n']} test products" in page
    assert "synthetic data" in page
    answers = pd.read_parquet(ran / "data/category/test.parquet")
    counts = [int(count) for count in re.findall(r"rgb\([^>]*>(\d+)</td>", page)]
    assert sum(counts) == scores["n"]
    wrong = int((answers["actual"] != answers["predicted"]).sum())
    assert f"The {min(wrong, report.SHOWN)} most confident mistakes" in page


def test_photos_are_in_the_page_and_nothing_is_fetched(page: str) -> None:
    photos = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert photos and all(base64.b64decode(photo)[:2] == b"\xff\xd8" for photo in photos)
    assert not re.search(r'(?:src|href)="(?!data:|#)', page) and "<script" not in page


def test_a_listings_text_never_becomes_html() -> None:
    evil = "<script>alert(1)</script>"
    row = {"title": evil, "photo": "", "category": evil, "suggested": "b", "sure": 0.9}
    scores = {"accuracy": 0.5, "ece": 0.1}
    calibration = pd.DataFrame({"confidence": [0.9], "accuracy": [0.5], "n": [1]})
    found = {"title": evil, "price": 1, "photo": "", "away": None, "reasons": [(evil, 0.5)]}
    page = report.render(
        {
            "dataset": "mine",
            "scores": {
                **{name: scores for name in ("fused", "text", "photo")},
                **{"n": 1, "majority_accuracy": 0.1, "seed": 1, "label_errors": 1},
            },
            **{"counts": {evil: 1}, "rejected": {evil: 1}, "missing": {evil: 0}},
            "price_chart": report.price_histogram(PRODUCTS),
            "placeholders": [(1.0, 2)],
            "classes": [{"name": evil, "n": 1, "share": 1.0, "photos": [""]}],
            "curves": {},
            **report.matrix(pd.DataFrame({"actual": [evil], "predicted": ["b"]})),
            "calibration": calibration.to_dict("records"),
            "calibration_chart": report.calibration_chart(calibration),
            "mistakes": [row],
            "errors": [row],
            "price_charts": {},
            "searches": [{"title": evil, "total": 1, "asked": [found], "found": [found]}],
            "results": [{"title": evil, "runs": [[0.5, None, None, 1], [None] * 4]}],
        }
    )
    assert "<script" not in page and page.count("&lt;script&gt;alert(1)") >= 14
    assert "synthetic" not in page
    assert page.startswith("<!doctype html>")


def test_the_histogram_holds_every_priced_product_and_sets_placeholders_apart() -> None:
    bars = report.price_histogram(PRODUCTS)["bars"]
    heights = [sum(bar[3] for bar in bars if bar[4] == group) for group in (0, 1)]
    assert heights[0] / heights[1] == pytest.approx(3 / 2, rel=0.01)
    assert report.audit(CLEAN, PRODUCTS)["placeholders"] == [(1.0, 1), (1234.0, 1)]


def test_rejects_are_named_the_commonest_first() -> None:
    found = report.audit(CLEAN, PRODUCTS)
    assert list(found["rejected"].items()) == [("damaged", 3), ("empty", 1)]
    assert found["counts"] == {"products: read": 5, "photos: kept": 4, "log: read": 0}
    assert found["missing"] == {"price": 1}


def test_ticks_are_round_and_within_the_data() -> None:
    ticks = report.Scale(0.0, 1.0, 0, 100).ticks()
    assert [(tick["label"], tick["at"]) for tick in ticks] == [
        ("0", 0), ("0.2", 20), ("0.4", 40), ("0.6", 60), ("0.8", 80), ("1", 100)
    ]  # fmt: skip
    labels = [tick["label"] for tick in report.Scale(-1.3, 2.1, 0, 100).ticks()]
    assert labels == ["-1", "0", "1", "2"]
    assert report.Scale(3.0, 3.0, 0, 100).ticks()  # one epoch only


def test_a_score_that_a_run_has_not_is_left_open() -> None:
    ours: dict[str, dict[str, Any]] = {
        "evaluate": {"photo_to_photo": {}},
        "regress": {"model": {"rmsle": 1.5, "n": 3}},
    }
    found = {row["title"]: row["runs"] for row in report.compare(ours, {})}
    assert found["price, RMSLE"] == [[1.5, None, None, 3], [None] * 4]
    assert found["a product's other photo by one, recall@1"] == [[None] * 4] * 2


def test_reasons_are_the_strongest_that_have_words() -> None:
    why = {
        "recency": 0.5,
        "bm25": 3.0,
        "next_item": 9.0,
        "text_similarity": 1.5,
        "price_fairness": -1.0,
        "image_similarity": 1.0,
    }
    words = {
        name: name.upper()
        for name in ("bm25", "text_similarity", "image_similarity", "recency", "price_fairness")
    }
    assert report.reasons(why, words) == [
        ("WORDS", 3 / 6), ("MEANING", 1.5 / 6), ("LOOKS", 1 / 6)
    ]  # fmt: skip
    assert report.reasons({"next_item": 1.0}, words) == []


def test_searches_find_within_what_was_asked(engine: Engine) -> None:
    found_by = list(report.searches(engine))
    assert len(found_by) == report.SEARCHES
    by_words, filtered, similar, personal = found_by
    listings = engine.listings.set_index("product_id")
    subcategory = listings["category_levels"].str[1]
    assert by_words.title.strip("“”") in set(subcategory)
    match = re.fullmatch(r"“(.+)” up to £([\d,]+) within 100 km of (.+)", filtered.title)
    assert match and match[3] in set(listings["location"][subcategory == match[1]])
    assert filtered.answer.hits
    for hit in filtered.answer.hits:
        assert listings["price"][hit.product_id] <= float(match[2].replace(",", "")) + 0.5
        assert hit.distance_km is not None and hit.distance_km <= 100
    (asked,) = similar.asked
    found = {hit.product_id for hit in similar.answer.hits}
    assert found and not set(listings.index[listings["group"] == listings["group"][asked]]) & found
    assert len(personal.asked) == 3
    assert not {hit.product_id for hit in personal.answer.hits} & set(personal.asked)
    for of in (by_words, filtered, similar, personal):
        assert all(report.reasons(hit.why, of.words) for hit in of.answer.hits)


def test_the_page_shows_each_search_with_its_reasons(engine: Engine, page: str) -> None:
    section = page[page.index('<h2 id="search">') : page.index('<h2 id="results">')]
    text = html.unescape(section)
    for of in report.searches(engine):
        assert f"<h3>{of.title}</h3>" in text
        for hit in of.answer.hits:
            assert engine.listing(hit.product_id)["name"] in text
            for words, share in report.reasons(hit.why, of.words):
                assert re.search(rf"{words}\s+<small>{100 * share:.0f} %", text)


@pytest.mark.xdist_group("page")
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: install Debian's chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_it_whole_at_every_width(
    ran: Path, scheme: Literal["light", "dark"]
) -> None:
    complaints: list[str] = []
    requests: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(color_scheme=scheme, viewport={"width": 390, "height": 844})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        address = (ran / "report/index.html").as_uri()
        page.goto(address)
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 844})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, "the page scrolls sideways"
        titles = page.locator("h2").all_text_contents()
        links = page.locator("nav a").evaluate_all("all => all.map(a => a.hash)")
        for link in links:
            assert page.locator(link).count() == 1
        sizes = page.locator("svg").evaluate_all("all => all.map(svg => svg.clientHeight)")
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        browser.close()
    assert titles == list(report.SECTIONS.values())
    assert links == [f"#{section}" for section in report.SECTIONS]
    assert len(sizes) == 8 and min(sizes) > 100
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    assert not complaints
    assert not [url for url in requests if url != address and not url.startswith("data:")]


def test_only_an_empty_field_of_an_output_is_missing(tmp_path: Path) -> None:
    """A product or a category may be called as pandas calls what is missing."""
    names = ["NA", "null", "None", "nan", "-inf", "007", "N/A"]
    table = pd.DataFrame({"product_id": names, "category": names, "p": [0.5, *[None] * 6]})
    table.to_csv(tmp_path / "t.csv", index=False)
    read = report.read_output(tmp_path / "t.csv", text=["product_id", "category"])
    assert read["product_id"].tolist() == read["category"].tolist() == names
    assert read["p"].isna().sum() == 6 and read["p"].dtype == float


@pytest.mark.parametrize("folder", ["stages", "search", "benchmarks"])
def test_every_csv_is_read_without_words_for_what_is_missing(folder: str) -> None:
    for path in (REPO / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "read_csv":
                options = {option.arg: option.value for option in node.keywords}
                assert "keep_default_na" in options, f"{path.name}, line {node.lineno}"
