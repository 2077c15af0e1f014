"""The clean table of searches, and the events of each search."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from market.data.searches import (
    CLICK_COLUMNS,
    SEARCH_COLUMNS,
    clicks_of,
    read_searches,
    write_searches,
)


def searches_table() -> pd.DataFrame:
    """Return two searches, one of them without a user, results or a known total."""
    return pd.DataFrame(
        {
            "search_id": ["s1", "s2"],
            "user_id": pd.Series(["anna", None], dtype="str"),
            "timestamp": pd.to_datetime(["2026-01-01 10:00", "2026-01-01 11:00"]).as_unit("us"),
            "query": ["oak table", ""],
            "product_ids": [["a", "b", "c"], []],
            "kind": ["search", "photo"],
            "variant": "A",
            "offset": [0, 10],
            "total": pd.Series([3, None], dtype="Int64"),
            "filters": "{}",
            "propensities": [[0.5, 0.25, 1.0], None],
            "rules": [["b"], []],
            "suggest_id": pd.Series([None, "s1"], dtype="str"),
        }
    )


def log_of(rows: list[tuple]) -> pd.DataFrame:
    log = pd.DataFrame(rows, columns=["search_id", "product_id", "event"])
    return log.assign(timestamp=pd.Timestamp("2026-01-01 10:01"))


def test_written_searches_are_read_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "searches.parquet"
    write_searches(searches_table(), path)
    again = read_searches(path)
    pd.testing.assert_frame_equal(again.drop(columns="places"), searches_table())
    assert again["places"].tolist() == [[0, 1, 2], []]
    assert again["product_ids"].tolist() == [["a", "b", "c"], []]


def test_missing_file_holds_no_searches(tmp_path: Path) -> None:
    searches = read_searches(tmp_path / "none.parquet")
    assert searches.empty and searches.columns.tolist() == SEARCH_COLUMNS
    assert searches["timestamp"].dtype == "datetime64[us]"


def test_only_events_on_shown_listings_are_clicks_of_a_search() -> None:
    log = log_of(
        [
            ("s1", "b", "view"),
            ("s1", "b", "buy"),
            ("s1", "z", "view"),  # not shown
            ("s2", "a", "view"),  # shown by s1 alone
            ("unknown", "a", "view"),
            (None, "a", "view"),
        ]
    )
    clicks = clicks_of(searches_table(), log.assign(dwell_seconds=[4.0, None, 1, 1, 1, 1]))
    assert clicks.columns.tolist() == CLICK_COLUMNS
    assert clicks[["search_id", "product_id", "event"]].to_numpy().tolist() == [
        ["s1", "b", "view"],
        ["s1", "b", "buy"],
    ]
    assert clicks["dwell_seconds"].iloc[0] == 4.0 and clicks["dwell_seconds"].isna().iloc[1]


def test_log_without_search_ids_has_no_clicks() -> None:
    log = log_of([("s1", "b", "view")]).drop(columns="search_id")
    clicks = clicks_of(searches_table(), log)
    assert clicks.empty and clicks.columns.tolist() == CLICK_COLUMNS
