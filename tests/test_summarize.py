"""The table of all metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

import summarize


def test_what_could_not_be_judged_has_no_row() -> None:
    scores = {"ndcg@10": 0.5, "recall@1": 0.25, "recall@10": 0.75, "n": 4}
    judged = {name: scores for name in ("model", "bm25", "popular", "random")}
    rank: dict[str, Any] = {
        "search": {"category_names": {}, "known_items": judged},
        "photo_to_photo": {},
        "personalised": {"log": judged},
        "seed": 1,
    }
    titles = [row[0] for row in summarize.rows({"rank": rank})]
    named = ["search, known items"] * 3 + ["recommendation, next product of the log"] * 3
    assert titles == named


def test_splits_are_averaged_where_all_have_a_score() -> None:
    splits: list[dict[str, Any]] = [
        {"merge": {"seed": seed}, "train_cnn": {"test": {"accuracy": of, "n": 10 * seed}}}
        for seed, of in ((3, 0.5), (1, 0.7))
    ]
    splits[0]["regress"] = {"model": {"rmsle": 1.0, "n": 4}}
    mean, std = summarize.spread_rows(splits)
    title = "category, per photo, 2 splits"
    assert mean == [title, "accuracy, mean", pytest.approx(0.6), None, None, 10, "1, 3"]
    assert std[:3] == [title, "accuracy, std", pytest.approx(0.1)]


def test_the_committed_model_card_is_what_the_command_writes() -> None:
    repo, folder = Path(__file__).parent.parent, Path("results/marketplace")
    metrics = summarize.read_metrics(repo / folder)
    splits = [summarize.read_metrics(of) for of in sorted((repo / folder).glob("splits/*/"))]
    file = Path("docs/model-card.md")
    table = summarize.render(metrics, "github", splits)
    card = summarize.render_card(metrics, folder, file, table)
    assert (repo / file).read_text(encoding="utf-8") == card


def test_metrics_without_those_of_clean_are_none(tmp_path: Path) -> None:
    (tmp_path / "merge.json").write_text("{}", encoding="utf-8")
    with pytest.raises(click.ClickException, match="has no metrics"):
        summarize.read_metrics(tmp_path)
