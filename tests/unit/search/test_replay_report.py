"""The report of a replay, on searches over a small shop."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from search_logs import NO_LOG, make_clicks, make_searches

from market.core.errors import MarketError
from market.search.engine import Engine
from market.search.ranking_models import RankingModels
from market.search.replay_report import ReplayReport, replay, shown_share

SEARCHES = 16
WORDS = ("guitar", "bagpipe", "bicycle", "tent")


def reverse(engine: Engine) -> RankingModels:
    weights = {name: -weight for name, weight in engine.ranker.weights.items()}
    return RankingModels(engine.ranker.with_weights(weights))


def report(
    engine: Engine, *, explored: bool = False, old: RankingModels | None = None
) -> ReplayReport:
    """Replay searches whose users clicked what the ranker had last, with the reverse ranker."""
    new = reverse(engine)
    searches, clicks = [], []
    for number in range(SEARCHES):
        word = f"lovely {WORDS[number % len(WORDS)]}"
        hits = [hit.product_id for hit in engine.search(word, limit=6).hits]
        propensities = [1.0, *[0.5] * (len(hits) - 1)] if explored else None
        searches.append({"query": word, "product_ids": hits, "propensities": propensities})
        clicks.append((f"s{number}", hits[-1]))
    return replay(
        engine, new, old, make_searches(*searches), make_clicks(*clicks), NO_LOG,
        k=1, max_searches=999, seed=1,
    )  # fmt: skip


def test_a_replay_reports_every_estimate_with_its_difference(
    shop: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("market.search.replay_report.MIN_EXPLORED", SEARCHES)
    result = report(shop, explored=True)
    names = ["shown", "ips", "snips", "doubly_robust"]
    names += ["matches", "matches_snips", "matches_doubly_robust"]
    assert [(row.reward, row.estimate.name) for row in result.rows] == [
        *(("clicks@1", name) for name in names),
        *(("purchases@1", name) for name in names),
        ("ndcg@10", "corrected"),
        ("rise", "by_query"),
    ]
    values = {row.estimate.name: row.estimate.estimate.value for row in result.rows[:4]}
    assert values["ips"] > values["shown"]
    summary = json.loads(json.dumps(result.summary()))
    assert summary["searches"] == SEARCHES and summary["queries"] == len(WORDS)
    assert summary["compared_with"] == "the order that was shown"
    assert any("exploration could show only" in warning for warning in summary["warnings"])


def test_models_replayed_against_themselves_differ_in_nothing(shop: Engine) -> None:
    result = report(shop, old=reverse(shop))
    for row in result.rows:
        if row.difference is not None:
            assert not row.difference.values.any() and row.difference.estimate.value == 0
    # Four queries are too few for an interval.
    assert not any(row.has_interval for row in result.rows)
    for estimate in result.summary()["estimates"]:
        assert estimate["new"]["value"] is not None and estimate["new"]["interval"] is None
    assert any("clicks for 4 queries" in warning for warning in result.warnings)


def replay_clicks(engine: Engine, *places: int) -> ReplayReport:
    """Replay a search for each of these places, at which it has a click."""
    hits = [hit.product_id for hit in engine.search("lovely guitar", limit=6).hits]
    searches = [{"query": "lovely guitar", "product_ids": hits} for _ in places]
    clicks = [(f"s{number}", [*hits, "gone"][place]) for number, place in enumerate(places)]
    return replay(
        engine, reverse(engine), None, make_searches(*searches), make_clicks(*clicks), NO_LOG,
        k=3, max_searches=999, seed=1,
    )  # fmt: skip


def test_clicks_at_the_first_place_alone_are_warned_of(shop: Engine) -> None:
    def is_warned(result: ReplayReport) -> bool:
        return any("are below the first place" in warning for warning in result.warnings)

    assert is_warned(replay_clicks(shop, *[0] * 6))
    assert not is_warned(replay_clicks(shop, *[0, 1, 2] * 2))


def test_one_search_has_estimates_without_a_value(shop: Engine) -> None:
    summary = replay_clicks(shop, 0).summary()
    assert {estimate["new"]["value"] for estimate in summary["estimates"]} == {None}


def test_a_log_without_a_click_on_a_known_listing_is_one_line(shop: Engine) -> None:
    with pytest.raises(MarketError, match="nothing to replay"):
        replay_clicks(shop, -1)


def test_support_is_the_share_that_was_shown(shop: Engine) -> None:
    best = [hit.product_id for hit in shop.search("lovely guitar", limit=4).hits]
    searches = make_searches({"query": "lovely guitar", "product_ids": [*best[:2], "p99", "p98"]})
    assert shown_share(shop, searches, NO_LOG, k=2, seed=0) == 1
    assert shown_share(shop, searches, NO_LOG, k=4, seed=0) == 0.5
    assert shown_share(replace(shop), searches.iloc[:0], NO_LOG, k=4, seed=0) == 0
