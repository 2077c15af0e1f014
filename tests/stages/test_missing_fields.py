"""An export with nothing but ids and names: every stage runs, and says what it left out."""

from __future__ import annotations

import contextlib
import importlib
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from market.core import paths
from market.core.settings import FIELDS
from market.core.stage import pipeline_stages
from market.search.engine import Engine
from market.summarize import main as summarize

pytestmark = pytest.mark.xdist_group("names_only")  # the project is built once
NAMES = {"id": "id", "name": "product_name"}


@pytest.fixture(scope="module")
def names_only(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[..., Path]) -> Path:
    """A project on names alone, in which every stage has run."""
    columns = {field: NAMES.get(field) for field in FIELDS}
    changes = {"input.columns": columns, "input.images": "", "input.interactions": ""}
    project = make_project(tmp_path_factory.mktemp("names"), changes)
    raw = project / paths.raw_folder("sample")
    listings = pd.read_csv(raw / "Products.csv", dtype=str, lineterminator="\n")[[*NAMES.values()]]
    for path in raw.glob("*.csv"):
        path.unlink()
    listings.to_csv(raw / "Products.csv", index=False)
    with contextlib.chdir(project):
        for stage in pipeline_stages():
            if stage == "sample":
                continue
            main = importlib.import_module(f"stages.{stage}").main
            result = CliRunner().invoke(main, catch_exceptions=False)
            assert result.exit_code == 0, f"{stage}: {result.output}"
    return project


def _metrics(project: Path, stage: str) -> dict:
    return json.loads((project / f"metrics/{stage}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("stage", ["classify_rf", "train_cnn", "train_text", "classify"])
def test_metrics_say_that_categories_are_missing(names_only: Path, stage: str) -> None:
    metrics = _metrics(names_only, stage)
    assert (metrics["n"], metrics["skipped"]) == (0, "no listing has a category")


def test_metrics_say_that_prices_are_missing(names_only: Path) -> None:
    assert _metrics(names_only, "regress")["skipped"] == "no listing has a price"


def test_every_listing_is_kept(names_only: Path) -> None:
    counts = _metrics(names_only, "clean")["products"]
    assert counts["kept"] == counts["read"] > 0


def test_search_and_recommendation_work(names_only: Path) -> None:
    engine = Engine.load(
        names_only / paths.SEARCH_INDEX,
        names_only / paths.RANKER,
        names_only / paths.PHOTO_EMBEDDER,
        names_only / paths.EXPECTED_PRICES,
    )
    listing = engine.listings.iloc[0]
    assert engine.search(listing["name"]).hits[0].product_id == listing["product_id"]
    assert engine.categories() == []
    history = pd.DataFrame({"product_id": [listing["product_id"]], "event": ["view"]})
    history["timestamp"] = pd.Timestamp("2024-01-01")
    assert engine.recommend(history, limit=5).hits


def test_the_report_leaves_out_what_is_missing(names_only: Path) -> None:
    page = (names_only / paths.REPORT).read_text(encoding="utf-8")
    assert "Stage <code>regress</code> was skipped: no listing has a price" in page
    assert 'id="search"' in page
    assert 'id="prices"' not in page and 'id="confusion"' not in page


def test_the_table_of_scores_leaves_out_what_is_missing(names_only: Path) -> None:
    with contextlib.chdir(names_only):
        result = CliRunner().invoke(summarize, catch_exceptions=False)
    assert result.exit_code == 0 and "category from text" not in result.output


def test_predictions_are_empty(names_only: Path) -> None:
    predict = importlib.import_module("market.predict").main
    with contextlib.chdir(names_only):
        arguments = ["--raw", str(paths.raw_folder("sample")), "--out", "predictions.csv"]
        CliRunner().invoke(predict, arguments, catch_exceptions=False)
        predictions = pd.read_csv("predictions.csv")
    assert len(predictions) == _metrics(names_only, "clean")["products"]["kept"]
    assert predictions[["category", "price", "price_flag"]].isna().all(axis=None)
