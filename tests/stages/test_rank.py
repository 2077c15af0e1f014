"""The stages rank and evaluate, with a log of interactions and without."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from market.search.engine import Engine
from market.search.feature_names import QUERY_FEATURES
from market.search.ranking_models import EvaluationModels, RankingModels
from stages import evaluate, rank

SCORES = {
    "ndcg@10", "mrr", "recall@1", "recall@10", "recall@50", "ndcg@10_low", "ndcg@10_high", "n",
}  # fmt: skip


def read_metrics(project: Path, stage: str) -> dict[str, Any]:
    return json.loads((project / f"metrics/{stage}.json").read_text(encoding="utf-8"))


def check_metrics(project: Path, personalised: set[str]) -> None:
    learned, metrics = read_metrics(project, "rank"), read_metrics(project, "evaluate")
    assert set(learned) == {
        "learned", "n", "relevance", "rules", "searches", "seed", "weights"
    }  # fmt: skip
    assert not learned["learned"] and learned["rules"]["active"] == 0
    assert set(learned["weights"]) == set(QUERY_FEATURES)
    assert set(metrics) == {"search", "searches", "shown", "photo_to_photo", "personalised", "seed"}
    for kinds in (learned["relevance"], metrics["shown"]):
        assert all({"model", "all_matches"} == set(kind) for kind in kinds.values())
    assert set(metrics["personalised"]) == personalised
    methods = {"model", "bm25", "embedding", "reciprocal_rank_fusion", "random"}
    for kind in metrics["search"].values():
        assert set(kind) == methods
        assert all(set(scores) == SCORES for scores in kind.values())
        assert len({scores["n"] for scores in kind.values()}) == 1
    known_items = metrics["search"]["known_items"]
    assert known_items["model"]["n"] == 10
    assert known_items["model"]["ndcg@10"] > 0.5 > known_items["random"]["ndcg@10"]
    assert set(metrics["photo_to_photo"]) == {"model", "random"}


def test_metrics_stand_beside_their_baselines(ran: Path) -> None:
    personalised = read_metrics(ran, "evaluate")["personalised"]
    protocols = set(personalised)
    assert {"log", "leave_last_out"} <= protocols <= {"log", "new_users", "leave_last_out"}
    check_metrics(ran, protocols)
    for scores in personalised.values():
        assert set(scores) == {"model", "unpersonalised", "popular", "recent_popular", "random"}


def test_the_served_models_have_learned_from_the_whole_log(ran: Path) -> None:
    models = RankingModels.load(ran / "models/rank")
    weights = {name: models.ranker.weights[name] for name in QUERY_FEATURES}
    assert weights == read_metrics(ran, "rank")["weights"]
    assert models.collaborative is not None
    log = pd.read_parquet(ran / "data/clean/interactions.parquet")
    assert set(models.collaborative.products) == set(log["product_id"])


def test_the_evaluated_models_have_not_learned_from_held_out_events(ran: Path) -> None:
    log = pd.read_parquet(ran / "data/clean/interactions.parquet")
    protocols = EvaluationModels.load(ran / "models/rank").protocols
    assert set(protocols) == {"log", "leave_last_out"}
    for protocol in protocols.values():
        train = log[protocol.holdout(log).train]
        assert 0 < len(train) < len(log)
        assert protocol.models.collaborative is not None
        assert set(protocol.models.collaborative.products) == set(train["product_id"])


def test_without_a_log_users_are_simulated(
    ran: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("models/index", "models/embed"):
        shutil.copytree(ran / name, tmp_path / name)
    tables = ("merged/listings", "clean/interactions", "price/expected")
    for name in ("params.yaml", "rules.yaml", *(f"data/{table}.parquet" for table in tables)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ran / name, tmp_path / name)
    path = tmp_path / "data/clean/interactions.parquet"
    pd.read_parquet(path)[:0].to_parquet(path, index=False)
    monkeypatch.chdir(tmp_path)
    rank.main(args=[], standalone_mode=False)
    assert "prior weights" in capsys.readouterr().out
    evaluate.main(args=[], standalone_mode=False)
    check_metrics(tmp_path, {"simulated"})
    after_3 = read_metrics(tmp_path, "evaluate")["personalised"]["simulated"]["after_3"]
    assert set(after_3) == {"model", "unpersonalised", "popular", "random", "gain"}
    assert EvaluationModels.load(tmp_path / "models/rank").protocols == {}
    alone = Engine.load(*(tmp_path / f"models/{name}" for name in ("index", "rank", "embed")))
    assert alone.collaborative is None and alone.recommend(None).hits


def test_the_last_line_names_parts_without_enough_data() -> None:
    assert "too little data" in evaluate.describe({}, "mrr")
    assert evaluate.describe({"model": {"mrr": 0.5, "n": 2}}, "mrr") == "0.500 (n = 2)"
