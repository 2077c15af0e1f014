"""The committed documents are what `python -m market.summarize` writes from results/marketplace."""

from __future__ import annotations

from pathlib import Path

import pytest
from repository import REPO

from market.reporting.headline_metrics import Metrics, read_metrics
from market.reporting.model_card import render_card
from market.reporting.tables import README_TABLE, headline_table, insert_table, results_readme

FOLDER = Path("results/marketplace")
CARD = Path("docs/model-card.md")


@pytest.fixture(scope="module")
def committed() -> list[Metrics]:
    folders = [REPO / FOLDER, *sorted((REPO / FOLDER).glob("splits/*/"))]
    return [read_metrics(folder) for folder in folders]


def test_readme_has_the_headline_metrics(committed: list[Metrics]) -> None:
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    table = headline_table(committed, "github")
    assert insert_table(readme, README_TABLE, table) == readme


def test_the_results_folder_lists_every_metric(committed: list[Metrics]) -> None:
    readme = (REPO / FOLDER / "README.md").read_text(encoding="utf-8")
    assert readme == results_readme(committed, FOLDER)


def test_the_model_card_is_generated(committed: list[Metrics]) -> None:
    card = render_card(committed[0], FOLDER, CARD, headline_table(committed, "github"))
    assert (REPO / CARD).read_text(encoding="utf-8") == card


def test_the_model_card_shows_the_metrics(committed: list[Metrics]) -> None:
    card = render_card(committed[0], FOLDER, CARD, "THE TABLE")
    assert "THE TABLE" in card and f"--readme {FOLDER} --card {CARD}" in card
    accuracy = committed[0]["classify"]["fused"]["accuracy"]
    assert f"{100 * accuracy:.0f} % from text and photos" in card
    assert "Target coverage of the price interval is 80 %" in card
