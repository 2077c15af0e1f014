"""Fitting from a log: held-out events do not affect the models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from logs import START, make_log

from market.data.interactions import after, cutoff_time
from market.search import fitting
from market.search.engine import Engine
from market.search.evaluation import evaluate_log
from market.search.fitting import RECENT_DAYS, fit_protocols
from market.search.ranking_models import FittedProtocol
from market.search.simulation import simulate_log

N_USERS = 20


@pytest.fixture
def few_choices_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ranker learn from a log as small as the ones here."""
    monkeypatch.setattr(fitting, "MIN_CHOICES", N_USERS // 4)


def fit_and_evaluate(
    engine: Engine, log: pd.DataFrame
) -> tuple[dict[str, Any], dict[str, FittedProtocol]]:
    protocols = fit_protocols(engine, log, test_share=0.2, max_users=99, seed=0)
    return evaluate_log(engine, log, protocols, max_users=99, seed=0), protocols


def weekly_log(listings: pd.DataFrame, users: int = N_USERS) -> pd.DataFrame:
    """Simulate users who come one hour after another, and come back every week."""
    log = simulate_log(listings, users=users, events=6, seed=0)
    week = log.groupby("user_id").cumcount()
    hour = log["user_id"].str[-4:].astype(int)
    log["timestamp"] = pd.Timestamp("2022-03-01") + pd.to_timedelta(hour + 24 * 7 * week, unit="h")
    return log.sort_values("timestamp", kind="stable", ignore_index=True)


@pytest.mark.usefixtures("few_choices_suffice")
def test_events_after_the_cutoff_do_not_affect_the_models(shop: Engine, tmp_path: Path) -> None:
    log = weekly_log(shop.listings)
    cutoff = cutoff_time(log["timestamp"], 0.2)
    assert cutoff is not None
    unused = sorted(set(shop.listings["product_id"]) - set(log["product_id"]))[0]
    poisoned = log.copy()
    poisoned.loc[log["timestamp"] >= cutoff, ["product_id", "event"]] = [unused, "buy"]
    saved = []
    for name, variant in {"clean": log, "poisoned": poisoned}.items():
        scores, protocols = fit_and_evaluate(shop, variant)
        assert protocols["log"].learned and protocols["log"].cutoff == cutoff
        protocols["log"].models.save(tmp_path / name)
        saved.append([file.read_bytes() for file in sorted((tmp_path / name).rglob("*.*"))])
    assert saved[0] == saved[1]
    assert (
        scores["log"]["popular"]["recall@50"] == 0 == scores["log"]["recent_popular"]["recall@50"]
    )


@pytest.mark.usefixtures("few_choices_suffice")
def test_a_log_is_evaluated_by_time_and_by_user(shop: Engine) -> None:
    log = weekly_log(shop.listings)
    log.loc[log["user_id"].eq("simulated-0003"), "timestamp"] += pd.Timedelta(days=99)  # a new user
    log = log.sort_values("timestamp", kind="stable", ignore_index=True)
    cutoff = cutoff_time(log["timestamp"], 0.2)
    assert cutoff is not None
    returning = len(after(log, cutoff).judged) - 1
    scores, protocols = fit_and_evaluate(shop, log)
    assert set(scores) == {"log", "new_users", "leave_last_out"} and protocols["log"].learned
    methods = {"model", "unpersonalised", "popular", "recent_popular", "random"}
    for protocol, n in {"log": returning, "new_users": 1, "leave_last_out": N_USERS}.items():
        assert set(scores[protocol]) == methods
        assert all(values["n"] == n for values in scores[protocol].values())
    assert scores["new_users"]["model"] == scores["new_users"]["unpersonalised"]
    assert scores["log"]["recent_popular"]["days"] in RECENT_DAYS


@pytest.mark.parametrize(
    ("sequences", "protocols"),
    [
        ({}, set()),
        ({"u": "a"}, set()),
        ({"u": "ab", "v": "bc"}, {"log", "leave_last_out"}),
        ({"u": "abc"}, {"log", "leave_last_out"}),
    ],
)
def test_a_log_too_small_to_learn_from_is_still_evaluated(
    shop: Engine, sequences: dict[str, str], protocols: set[str]
) -> None:
    log = make_log(sequences)
    log["timestamp"] = pd.to_datetime(log["timestamp"])
    names = dict(zip("abc", shop.listings["product_id"], strict=False))
    log["product_id"] = log["product_id"].map(names).astype(str)
    scores, fitted = fit_and_evaluate(shop, log)
    assert set(scores) == set(fitted) == protocols
    assert not any(protocol.learned for protocol in fitted.values())
    assert len(shop.recommend(None, limit=5).hits) == 5


def test_a_log_of_one_moment_is_evaluated_by_user_only(shop: Engine) -> None:
    log = weekly_log(shop.listings, 5).assign(timestamp=START)
    scores, _ = fit_and_evaluate(shop, log)
    assert set(scores) == {"leave_last_out"}
