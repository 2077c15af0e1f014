"""The tables of stage analyse."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from logged import make_clicks, make_searches

from market.search.analytics import SearchAnalytics
from market.search.analytics_tables import AnalyticsTables


def make_tables(rows: list[dict[str, object]]) -> AnalyticsTables:
    clicks = make_clicks([("s0", "p2", "buy", 9)] if rows else [])
    return AnalyticsTables.of(SearchAnalytics.of(make_searches(rows), clicks), min_users=1)


@pytest.mark.parametrize("is_logged", [True, False])
def test_tables_are_read_as_they_were_written(tmp_path: Path, is_logged: bool) -> None:
    queries = ["", "007", "lamp, oak", "na", "nan"]
    rows = [{"query": query, "user_id": query, "total": n} for n, query in enumerate(queries)]
    tables = make_tables([*rows, {"kind": "similar"}] if is_logged else [])
    tables.save(tmp_path / "tables")
    loaded = AnalyticsTables.load(tmp_path / "tables")
    for name in ("rates", "without_results"):
        expected = getattr(tables, name)
        pd.testing.assert_frame_equal(getattr(loaded, name), expected, check_dtype=False)
    assert loaded.rows("query", "search")["group"].tolist() == queries * is_logged
    assert loaded.rows()["kind"].tolist() == ["search", "similar"] * is_logged


def test_the_summary_has_the_rates_by_kind() -> None:
    summary = make_tables([{}, {"kind": "similar"}]).summary()
    assert summary["search"]["ctr"]["value"] == 1 and summary["search"]["searches"] == 1
    assert summary["similar"]["click_place"] == {"value": None, "n": 0, "low": None, "high": None}
    assert make_tables([]).summary() == {}
