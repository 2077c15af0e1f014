"""The table of the numbers that count, and what is written from the committed ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from repository import REPO

from market import summarize
from market.core.errors import MarketError
from market.reporting.headline_metrics import HEADLINES, Metrics, number_at, read_metrics

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
    found = rows(summarize.headline_table([{**CLEAN, "evaluate": rank}], "github"))
    assert found == [
        ["search for one known listing", "NDCG@10", "0.500", "0.500 (BM25)", "0.500", "4"],
        ["next-item recommendation, split by time", "NDCG@10", "0.500", "0.500 (popular)", "0.500",
         "4"],
    ]  # fmt: skip


def test_the_simpler_way_is_the_best_and_named() -> None:
    scores = {"model": 0.575, "bm25": 0.484, "embedding": 0.514, "reciprocal_rank_fusion": 0.577}
    judged = {name: {"ndcg@10": score, "n": 195} for name, score in scores.items()}
    rank: dict[str, Any] = {"search": {"category_names": judged}}
    (row,) = rows(summarize.headline_table([{**CLEAN, "evaluate": rank}], "github"))
    assert row[2:4] == ["0.575", "0.577 (RRF)"]


def test_simulated_users_are_a_sanity_check_below_the_table() -> None:
    lengths = {
        f"after_{events}": {"model": {"ndcg@10": events / 100, "n": 1000}} for events in (0, 10, 3)
    }
    rank: dict[str, Any] = {"personalised": {"simulated": lengths}}
    table = summarize.headline_table([{**CLEAN, "evaluate": rank}], "github")
    assert rows(table) == [] and "simulated" not in "".join(of.title for of in HEADLINES)
    assert table.endswith("NDCG@10 for 1,000 of them after 0, 3, 10 events: 0.000, 0.030, 0.100.")
    assert "Sanity check" not in summarize.headline_table([CLEAN], "github")


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
    assert table.startswith(
        "dataset: mine; split seed 3; mean ± deviation (n − 1) over the splits 1, 3; "
        "settings were chosen on split 3 only\n"
    )
    photo, price = rows(table)
    assert photo == [
        "category of a photo",
        "accuracy",
        "0.500",
        "0.600 ± 0.141",
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
        ["`merge.seed`", "1", "2", "1.500 ± 0.707"],
        ["`merge.groups`", "1,200", "1,200", "1,200.000 ± 0.000"],
        ["`b.of.rate`", "0.2500", "0.7500", "0.500 ± 0.354"],
    ]


def test_the_sample_is_said_to_be_synthetic() -> None:
    assert "synthetic" in summarize.headline_table([{"clean": {"dataset": "sample"}}], "simple")
    assert "synthetic" not in summarize.headline_table([CLEAN], "simple")


def test_the_committed_results_hold_every_headline_but_that_of_a_log(
    committed: list[Metrics],
) -> None:
    absent = {of.model for of in HEADLINES if number_at(committed[0], of.model) is None}
    of_a_log = {"evaluate.personalised.log", "evaluate.personalised.leave_last_out"}
    assert absent == {f"{of}.model.ndcg@10" for of in of_a_log}
    given = {path for of in HEADLINES for path in (of.trivial, of.n) if path}
    for of in HEADLINES:
        given |= {of.baseline} - {""} if isinstance(of.baseline, str) else {*of.baseline.values()}
    given = {path for path in given if not path.startswith(tuple(of_a_log))}
    assert all(number_at(committed[0], path) is not None for path in given)


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
    with pytest.raises(MarketError, match="has no metrics of clean: run"):
        read_metrics(tmp_path)
    with pytest.raises(MarketError, match="has no metrics of evaluate"):
        (tmp_path / "clean.json").write_text("{}", encoding="utf-8")
        read_metrics(tmp_path, ["clean", "evaluate"])
