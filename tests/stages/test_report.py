"""The report as a page: it shows the run, needs no network, and fits every screen."""

from __future__ import annotations

import ast
import base64
import html
import json
import re
from pathlib import Path
from typing import Literal

import pandas as pd
import pytest
import yaml
from playwright.sync_api import sync_playwright
from repository import REPO

from market.reporting.headline_metrics import HEADLINE_STAGES
from market.reporting.listing_cards import MAX_CARDS
from market.reporting.report import SECTIONS
from market.reporting.search_examples import examples, reasons
from market.search.engine import Engine

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def page(ran: Path) -> str:
    return (ran / "report/index.html").read_text(encoding="utf-8")


def test_the_metrics_and_templates_that_the_report_reads_are_declared() -> None:
    dvc_yaml = yaml.safe_load((REPO / "dvc.yaml").read_text(encoding="utf-8"))
    declared = dvc_yaml["stages"]["report"]["deps"]
    metrics = {dep for dep in declared if dep.startswith("metrics/")}
    assert metrics == {f"metrics/{stage}.json" for stage in ("analyse", "clean", *HEADLINE_STAGES)}
    assert "market/reporting/report.html.j2" in declared


def test_the_page_shows_the_metrics(ran: Path, page: str) -> None:
    scores = json.loads((ran / "metrics/classify.json").read_text(encoding="utf-8"))
    assert f"On {scores['n']} test" in page and "synthetic data" in page
    assert f"{100 * scores['fused']['accuracy']:.1f} % from text and photos" in page
    predictions = pd.read_parquet(ran / "data/category/test.parquet")
    counts = [int(count) for count in re.findall(r"rgb\([^>]*>(\d+)</td>", page)]
    assert sum(counts) == scores["n"]
    wrong = int((predictions["actual"] != predictions["predicted"]).sum())
    assert f"The {min(wrong, MAX_CARDS)} most confident mistakes" in page


def test_photos_are_in_the_page_and_nothing_is_fetched(page: str) -> None:
    photos = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert photos and all(base64.b64decode(photo)[:2] == b"\xff\xd8" for photo in photos)
    assert not re.search(r'(?:src|href)="(?!data:|#)', page) and "<script" not in page


def test_ids_are_unique(page: str) -> None:
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_example_results_match_their_queries(engine: Engine) -> None:
    by_text, filtered, similar, recommended = examples(engine)
    listings = engine.listings.set_index("product_id")
    subcategory = listings["category_levels"].str[1]
    assert by_text.title.strip("“”") in set(subcategory)
    query = re.fullmatch(r"“(.+)” up to £([\d,]+) within 62 miles of (.+)", filtered.title)
    assert query and query[3] in set(listings["location"][subcategory == query[1]])
    assert filtered.result.hits
    for hit in filtered.result.hits:
        assert listings["price"][hit.product_id] <= float(query[2].replace(",", "")) + 0.5
        assert hit.distance_km is not None and hit.distance_km <= 100
    (query_id,) = similar.query_ids
    similar_ids = {hit.product_id for hit in similar.result.hits}
    group = set(listings.index[listings["group"] == listings["group"][query_id]])
    assert similar_ids and not group & similar_ids
    assert 1 <= len(recommended.query_ids) <= 3
    assert not {hit.product_id for hit in recommended.result.hits} & set(recommended.query_ids)


def test_the_page_shows_each_example_with_its_reasons(engine: Engine, page: str) -> None:
    section = page[page.index('<h2 id="search">') : page.index('<h2 id="results">')]
    text = html.unescape(section)
    for example in examples(engine):
        assert f"<h3>{example.title}</h3>" in text
        for hit in example.result.hits:
            assert engine.listing(hit.product_id)["name"] in text
            strongest = reasons(hit.why, example.labels)
            assert strongest
            for reason, share in strongest:
                assert re.search(rf"{reason}\s+<small>{100 * share:.0f} %", text)


@pytest.mark.xdist_group("page")
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: install Debian's chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_the_whole_page_at_every_width(
    ran: Path, scheme: Literal["light", "dark"]
) -> None:
    console: list[str] = []
    requests: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(color_scheme=scheme, viewport={"width": 390, "height": 844})
        page.on("console", lambda message: console.append(message.text))
        page.on("pageerror", lambda error: console.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        address = (ran / "report/index.html").as_uri()
        page.goto(address)
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 844})
            page_width = page.evaluate("document.documentElement.scrollWidth")
            assert page_width <= width, "the page scrolls sideways"
        titles = page.locator("h2").all_text_contents()
        links = page.locator("nav a").evaluate_all("all => all.map(a => a.hash)")
        for link in links:
            assert page.locator(link).count() == 1
        heights = page.locator("svg").evaluate_all("all => all.map(svg => svg.clientHeight)")
        colours = page.locator("svg text").evaluate_all(
            "all => all.map(t => getComputedStyle(t).fill)"
        )
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        browser.close()
    logged = json.loads((ran / "metrics/analyse.json").read_text(encoding="utf-8"))["searches"]
    assert titles == [title for id, title in SECTIONS.items() if id != "searches" or logged]
    assert links == [f"#{section}" for section in SECTIONS]
    assert len(heights) == 10 and min(heights) > 100
    assert set(colours) == {"rgb(90, 90, 90)" if scheme == "light" else "rgb(165, 165, 165)"}
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    assert not console
    assert not [url for url in requests if url != address and not url.startswith("data:")]


@pytest.mark.parametrize("folder", ["stages", "market", "benchmarks"])
def test_every_csv_is_read_without_pandas_names_for_missing_values(folder: str) -> None:
    for path in (REPO / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "read_csv":
                options = {option.arg: option.value for option in node.keywords}
                assert "keep_default_na" in options, f"{path.name}, line {node.lineno}"
