"""The table of the numbers that count, and what is written from the committed ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

import summarize
from shared.headlines import HEADLINES, Metrics, number_at, read_metrics

REPO = Path(__file__).parent.parent
FOLDER = Path("results/marketplace")
CLEAN: dict[str, Any] = {"clean": {"dataset": "mine"}}


def rows(table: str) -> list[list[str]]:
    """The cells of a Markdown table, below its head."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.fixture(scope="module")
def committed() -> list[Metrics]:
    folders = [REPO / FOLDER, *sorted((REPO / FOLDER).glob("splits/*/"))]
    return [read_metrics(folder) for folder in folders]


def test_what_could_not_be_judged_has_no_row() -> None:
    judged = {name: {"ndcg@10": 0.5, "n": 4} for name in ("model", "bm25", "popular", "random")}
    rank: dict[str, Any] = {
        "search": {"category_names": {}, "known_items": judged},
        "photo_to_photo": {},
        "personalised": {"log": judged},
    }
    found = rows(summarize.headline_table([{**CLEAN, "rank": rank}], "github"))
    assert found == [
        [title, "NDCG@10", "0.500", "0.500", "0.500", "4"]
        for title in ("search for one known listing", "what a shopper of the log took last")
    ]


def test_splits_are_averaged_where_all_have_a_score() -> None:
    splits: list[Metrics] = [
        {
            **CLEAN,
            "merge": {"seed": seed},
            "train_cnn": {"test": {"accuracy": of, "n": 10}, "majority_accuracy": 0.25},
        }
        for seed, of in ((3, 0.5), (1, 0.7))
    ]
    splits[0]["regress"] = {"model": {"rmsle": 1.0, "n": 4}}
    table = summarize.headline_table(splits, "github")
    assert table.startswith("dataset: mine; split seed 3; mean ± deviation over the splits 1, 3\n")
    photo, price = rows(table)
    assert photo == [
        "category of a photo",
        "accuracy",
        "0.500",
        "0.600 ± 0.100",
        "–",
        "0.250",
        "10",
    ]
    assert price == ["price", "RMSLE", "1.000", "–", "–", "–", "4"]


def test_the_whole_table_holds_every_number() -> None:
    splits: list[Metrics] = [
        {"merge": {"seed": seed, "groups": 1200}, "b": {"of": {"rate": rate, "name": "text"}}}
        for seed, rate in ((1, 0.25), (2, 0.75))
    ]
    assert rows(summarize.full_table(splits)) == [
        ["`merge.seed`", "1", "2", "1.500 ± 0.500"],
        ["`merge.groups`", "1,200", "1,200", "1,200.000 ± 0.000"],
        ["`b.of.rate`", "0.2500", "0.7500", "0.500 ± 0.250"],
    ]


def test_the_sample_is_said_to_be_synthetic() -> None:
    assert "synthetic" in summarize.headline_table([{"clean": {"dataset": "sample"}}], "simple")
    assert "synthetic" not in summarize.headline_table([CLEAN], "simple")


def test_the_committed_results_hold_every_headline_but_that_of_a_log(
    committed: list[Metrics],
) -> None:
    absent = {of.model for of in HEADLINES if number_at(committed[0], of.model) is None}
    assert absent == {"rank.personalised.log.model.ndcg@10"}
    given = {path for of in HEADLINES for path in (of.baseline, of.trivial, of.n) if path}
    assert all(number_at(committed[0], path) is not None for path in given if ".log." not in path)


def test_the_committed_documents_are_what_the_command_writes(committed: list[Metrics]) -> None:
    table = summarize.headline_table(committed, "github")
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    assert summarize.insert(readme, table) == readme
    everything = summarize.ALL.format(folder=FOLDER, table=summarize.full_table(committed))
    assert (REPO / FOLDER / "README.md").read_text(encoding="utf-8") == everything
    file = Path("docs/model-card.md")
    card = summarize.render_card(committed[0], FOLDER, file, table)
    assert (REPO / file).read_text(encoding="utf-8") == card


def test_metrics_that_are_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "merge.json").write_text("{}", encoding="utf-8")
    with pytest.raises(click.ClickException, match="has no metrics of clean: run"):
        read_metrics(tmp_path)
    with pytest.raises(click.ClickException, match="has no metrics of rank"):
        (tmp_path / "clean.json").write_text("{}", encoding="utf-8")
        read_metrics(tmp_path, ["clean", "rank"])
