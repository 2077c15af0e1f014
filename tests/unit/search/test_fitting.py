"""Fitting to a log: no model learns from held-out events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from logs import START, make_log

from market.data.holdouts import cutoff_time, hold_out_after
from market.search import fitting
from market.search.engine import Engine
from market.search.evaluation import evaluate_log
from market.search.fitting import RECENT_DAYS, fit_protocols
from market.search.ranking_models import FittedProtocol
from market.search.simulation import simulate_log

pytestmark = pytest.mark.slow

N_USERS = 20


@pytest.fixture
def few_choices_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ranker learn from logs as small as those of these tests."""
    monkeypatch.setattr(fitting, "MIN_CHOICES", N_USERS // 4)


def fit_and_evaluate(
    engine: Engine, log: pd.DataFrame
) -> tuple[dict[str, Any], dict[str, FittedProtocol]]:
    protocols = fit_protocols(engine, log, test_share=0.2, max_users=99, seed=0)
    return evaluate_log(engine, log, protocols, max_users=99, seed=0), protocols


def simulate_returning_users(listings: pd.DataFrame, users: int, seed: int) -> pd.DataFrame:
    """Return a simulated log whose users begin one hour apart and return every week."""
    log = simulate_log(listings, users=users, events=6, seed=seed)
    number = log.groupby("user_id").cumcount()
    user = log["user_id"].str[-4:].astype(int)
    hours = user + 24 * 7 * number
    log["timestamp"] = pd.Timestamp("2022-03-01") + pd.to_timedelta(hours, unit="h")
    return log.sort_values("timestamp", kind="stable", ignore_index=True)


@pytest.mark.usefixtures("few_choices_suffice")
def test_events_after_the_cutoff_change_no_evaluated_model(shop: Engine, tmp_path: Path) -> None:
    log = simulate_returning_users(shop.listings, N_USERS, 0)
    cutoff = cutoff_time(log["timestamp"], 0.2)
    assert cutoff is not None
    before_cutoff = log["timestamp"] < cutoff
    never = sorted(set(shop.listings["product_id"]) - set(log["product_id"]))[0]
    poisoned = log.copy()
    poisoned.loc[~before_cutoff, ["product_id", "event"]] = [never, "buy"]
    written = []
    for number, each in enumerate((log, poisoned)):
        scores, protocols = fit_and_evaluate(shop, each)
        protocol, summary = protocols["log"], scores["log"]
        assert protocol.learned and protocol.cutoff == cutoff
        folder = tmp_path / str(number)
        protocol.models.save(folder)
        written.append([file.read_bytes() for file in sorted(folder.rglob("*.*"))])
    assert written[0] == written[1]
    assert summary["popular"]["recall@50"] == 0 == summary["recent_popular"]["recall@50"]


@pytest.mark.usefixtures("few_choices_suffice")
def test_a_log_is_evaluated_by_time_and_by_user(shop: Engine) -> None:
    log = simulate_returning_users(shop.listings, N_USERS, 0)
    late = log["user_id"].eq("simulated-0003")
    log.loc[late, "timestamp"] += pd.Timedelta(days=99)  # a new user
    log = log.sort_values("timestamp", kind="stable", ignore_index=True)
    cutoff = cutoff_time(log["timestamp"], 0.2)
    assert cutoff is not None
    returning = len(hold_out_after(log, cutoff).targets) - 1
    summaries, fitted = fit_and_evaluate(shop, log)
    assert set(summaries) == {"log", "new_users", "leave_last_out"} and fitted["log"].learned
    methods = {"model", "unpersonalised", "popular", "recent_popular", "random"}
    for protocol, n in {"log": returning, "new_users": 1, "leave_last_out": N_USERS}.items():
        assert set(summaries[protocol]) == methods
        assert all(means["n"] == n for means in summaries[protocol].values())
    assert summaries["new_users"]["model"] == summaries["new_users"]["unpersonalised"]
    assert summaries["log"]["recent_popular"]["days"] in RECENT_DAYS


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
    summaries, fitted = fit_and_evaluate(shop, log)
    assert set(summaries) == set(fitted) == protocols
    assert not any(protocol.learned for protocol in fitted.values())
    assert len(shop.recommend(None, limit=5).hits) == 5


def test_a_log_of_one_moment_is_evaluated_by_user_only(shop: Engine) -> None:
    log = simulate_returning_users(shop.listings, 5, 0).assign(timestamp=START)
    summaries, _ = fit_and_evaluate(shop, log)
    assert set(summaries) == {"leave_last_out"}
