"""Headline metrics: every path leads to a number, and missing metrics are reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from repository import REPO

from market.core.errors import MarketError
from market.reporting.headline_metrics import (
    FACTS,
    HEADLINE_STAGES,
    HEADLINES,
    facts,
    read_metrics,
    value_at,
)

COMMITTED = read_metrics(REPO / "results/marketplace")
OF_A_LOG = ("evaluate.personalised.log", "evaluate.personalised.leave_last_out")


def test_the_committed_results_have_every_headline_except_those_of_an_interaction_log() -> None:
    absent = {
        headline.model for headline in HEADLINES if value_at(COMMITTED, headline.model) is None
    }
    assert absent == {f"{task}.model.ndcg@10" for task in OF_A_LOG}
    paths = {path for headline in HEADLINES for path in headline.paths()}
    paths = {path for path in paths if not path.startswith(OF_A_LOG)}
    assert not [path for path in paths if value_at(COMMITTED, path) is None]


def test_the_committed_results_have_every_fact() -> None:
    assert set(facts(COMMITTED, *FACTS)) == set(FACTS)


def test_the_stages_of_the_headlines_are_those_of_their_paths() -> None:
    assert HEADLINE_STAGES == ("classify", "classify_rf", "evaluate", "regress", "train_cnn")


def test_a_missing_fact_is_an_error_that_names_its_path() -> None:
    with pytest.raises(MarketError, match=r"no classify\.fused\.accuracy: run"):
        facts({"classify": {"fused": {}}}, "fused_accuracy")


def test_missing_metrics_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "merge.json").write_text("{}", encoding="utf-8")
    with pytest.raises(MarketError, match=r"clean\.json not found: run"):
        read_metrics(tmp_path)
    (tmp_path / "clean.json").write_text("{}", encoding="utf-8")
    with pytest.raises(MarketError, match=r"rank\.json not found: run"):
        read_metrics(tmp_path, ["clean", "rank"])
