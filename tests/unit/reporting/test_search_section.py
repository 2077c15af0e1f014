"""The report's section on the searches of users."""

from __future__ import annotations

import pytest
from handmade import Handmade
from logged import make_clicks, make_searches

from market.reporting.headline_metrics import Metrics
from market.reporting.report import overview
from market.reporting.search_section import search_section
from market.search.analytics import SearchAnalytics
from market.search.analytics_tables import AnalyticsTables


def test_the_section_shows_no_query_of_few_users() -> None:
    rows = [
        {"query": query, "user_id": f"u{number}", "at": 86400 * (number % 3), "total": total}
        for query, total, users in (("sofa", 3, 9), ("xylophone", 0, 5), ("my secret", 0, 4))
        for number in range(users)
    ]
    analytics = SearchAnalytics.of(make_searches(rows), make_clicks([("s0", "p1", "buy", 9)]))
    section = search_section(AnalyticsTables.of(analytics, min_users=5), Handmade().engine())
    titles = [row["title"] for row in section["queries"]]
    assert titles == ["sofa", "xylophone", "(1 queries of few users)"]
    assert [(row["query"], row["searches"]) for row in section["unmet"]] == [("xylophone", 5)]
    assert section["kinds"][0]["ctr"]["n"] == 18 and len(section["variants"]) == 1
    counts, rates = section["search_charts"]
    assert "18 searches from 2026-03-01 to 2026-03-03" in counts.description
    assert "5.6 % of searches with a click, 50.0 % without results" in rates.description


@pytest.mark.parametrize(("searches", "is_shown"), [(0, False), (9, True)])
def test_the_section_needs_a_log(searches: int, is_shown: bool) -> None:
    metrics: Metrics = {"clean": {"dataset": "mine"}, "analyse": {"searches": searches}}
    metrics["classify"] = {"skipped": "no categories"}
    assert ("searches" in overview(metrics)["sections"]) == is_shown
