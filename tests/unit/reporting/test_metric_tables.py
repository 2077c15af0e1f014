"""Tables of metrics: the headline metrics, the full table, and their place in README.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from market.core.errors import MarketError
from market.reporting.headline_metrics import HEADLINES, Metrics
from market.reporting.tables import (
    full_table,
    headline_table,
    insert_table,
    results_readme,
)

CLEAN: dict[str, Any] = {"clean": {"dataset": "mine"}}


def rows(table: str) -> list[list[str]]:
    """Return the cells of a Markdown table, without its header."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_headlines_without_a_score_have_no_row() -> None:
    scores = {name: {"ndcg@10": 0.5, "n": 4} for name in ("model", "bm25", "popular", "random")}
    evaluation: dict[str, Any] = {
        "search": {"category_names": {}, "known_items": scores},
        "photo_to_photo": {},
        "personalised": {"log": scores},
    }
    assert rows(headline_table([{**CLEAN, "evaluate": evaluation}], "github")) == [
        ["known-item search", "NDCG@10", "0.500", "0.500 (BM25)", "0.500", "4"],
        ["next-item recommendation, time split", "NDCG@10", "0.500", "0.500 (popular)", "0.500",
         "4"],
    ]  # fmt: skip


def test_the_best_of_several_baselines_is_shown_with_its_name() -> None:
    scores = {"model": 0.575, "bm25": 0.484, "embedding": 0.514, "reciprocal_rank_fusion": 0.577}
    by_name = {name: {"ndcg@10": score, "n": 195} for name, score in scores.items()}
    evaluation: dict[str, Any] = {"search": {"category_names": by_name}}
    (row,) = rows(headline_table([{**CLEAN, "evaluate": evaluation}], "github"))
    assert row[2:4] == ["0.575", "0.577 (RRF)"]


def test_simulated_users_are_a_sanity_check_below_the_table() -> None:
    by_length = {
        f"after_{events}": {"model": {"ndcg@10": events / 100, "n": 1000}} for events in (0, 10, 3)
    }
    evaluation: dict[str, Any] = {"personalised": {"simulated": by_length}}
    table = headline_table([{**CLEAN, "evaluate": evaluation}], "github")
    assert rows(table) == []
    assert "simulated" not in "".join(headline.title for headline in HEADLINES)
    assert table.endswith(
        "NDCG@10 of 1,000 simulated users after 0, 3, 10 events: 0.000, 0.030, 0.100."
    )
    assert "Sanity check" not in headline_table([CLEAN], "github")


def test_mean_and_deviation_need_a_score_in_every_split() -> None:
    splits: list[Metrics] = [
        {
            **CLEAN,
            "merge": {"seed": seed},
            "train_cnn": {"test": {"accuracy": accuracy, "n": 10}, "majority_accuracy": 0.25},
        }
        for seed, accuracy in ((3, 0.5), (1, 0.7))
    ]
    splits[0]["regress"] = {"model": {"rmsle": 1.0, "n": 4}}
    table = headline_table(splits, "github")
    assert table.startswith(
        "dataset: mine; split seed 3; mean ± standard deviation over the split seeds 1, 3; "
        "settings were chosen on split 3 only\n"
    )
    photo, price = rows(table)
    assert photo == [
        "category from one photo", "accuracy", "0.500", "0.600 ± 0.141", "–", "0.250", "10"
    ]  # fmt: skip
    assert price == ["price", "RMSLE", "1.000", "–", "–", "–", "4"]


def test_the_full_table_has_every_number() -> None:
    splits: list[Metrics] = [
        {"merge": {"seed": seed, "groups": 1200}, "b": {"c": {"rate": rate, "name": "text"}}}
        for seed, rate in ((1, 0.25), (2, 0.75))
    ]
    expected = [
        ["`merge.seed`", "1", "2", "1.500 ± 0.707"],
        ["`merge.groups`", "1,200", "1,200", "1,200.000 ± 0.000"],
        ["`b.c.rate`", "0.2500", "0.7500", "0.500 ± 0.354"],
    ]
    assert rows(full_table(splits)) == expected
    readme = results_readme(splits, Path("results/mine"))
    assert rows(readme) == expected and "--readme results/mine`" in readme


def test_the_sample_is_labelled_as_synthetic() -> None:
    assert "synthetic" in headline_table([{"clean": {"dataset": "sample"}}], "simple")
    assert "synthetic" not in headline_table([CLEAN], "simple")


def test_a_table_replaces_the_text_between_its_markers() -> None:
    document = "above\n<!-- a: begin -->\nold\n<!-- a: end -->\nbelow\n"
    assert insert_table(document, "a", "new") == document.replace("old", "new")
    for broken in (document.replace("begin", "start"), document.replace("end", "stop")):
        with pytest.raises(MarketError, match="add both"):
            insert_table(broken, "a", "new")
