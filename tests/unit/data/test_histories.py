"""User histories from the log and the event store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from market.data.histories import LoggedHistories, merge_histories


def to_history(rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    history = pd.DataFrame(rows, columns=["product_id", "event", "timestamp"])
    return history.astype({"timestamp": "datetime64[us]"})


def rows_of(history: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(history["product_id"], history["event"], strict=True))


@pytest.mark.parametrize("last", [1, 3, 1000])
def test_log_keeps_the_last_events_of_each_user_in_order_of_time(tmp_path: Path, last: int) -> None:
    rng = np.random.default_rng(0)
    count = 500
    log = pd.DataFrame(
        {
            "user_id": rng.choice(["anna", "ben", "café 🔥", "0"], count),
            "product_id": [f"p{number}" for number in rng.integers(40, size=count)],
            "event": rng.choice(["view", "save", "4.0"], count),
            "timestamp": pd.Timestamp("2026-01-01")
            + pd.to_timedelta(rng.integers(300, size=count), unit="min"),
        }
    )
    log.to_parquet(tmp_path / "log.parquet", index=False)
    histories = LoggedHistories.load(tmp_path / "log.parquet", last)
    assert len(histories) == 4
    for user, events in log.groupby("user_id"):
        expected = events.sort_values("timestamp", kind="stable").tail(last)
        kept = histories.history(str(user))
        assert rows_of(kept) == rows_of(expected)
        assert kept["timestamp"].tolist() == expected["timestamp"].tolist()
        assert kept["timestamp"].dtype == "datetime64[us]"
    unknown = histories.history("unknown")
    assert unknown.empty and unknown.dtypes.equals(histories.history("anna").dtypes)


def test_empty_log_has_no_users(tmp_path: Path) -> None:
    columns = {"user_id": "str", "product_id": "str", "event": "str", "timestamp": "datetime64[us]"}
    empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
    empty.to_parquet(tmp_path / "log.parquet")
    histories = LoggedHistories.load(tmp_path / "log.parquet", 5)
    assert len(histories) == len(LoggedHistories.empty()) == 0
    assert histories.history("anna").empty and LoggedHistories.empty().history("anna").empty


def test_histories_merge_by_time_and_keep_the_last_events() -> None:
    logged = to_history([("a", "view", "2026-01-01 10:00"), ("c", "view", "2026-01-01 12:00")])
    stored = to_history([("b", "save", "2026-01-01 11:00"), ("d", "buy", "2026-01-01 13:00")])
    assert [row[0] for row in rows_of(merge_histories(logged, stored, 9))] == list("abcd")
    assert [row[0] for row in rows_of(merge_histories(logged, stored, 3))] == list("bcd")
    empty = logged.iloc[:0]
    assert rows_of(merge_histories(empty, stored, 9)) == rows_of(stored)
    assert rows_of(merge_histories(logged, empty, 9)) == rows_of(logged)
    assert rows_of(merge_histories(empty, stored, 1)) == [("d", "buy")]


@pytest.mark.parametrize("logged_time", ["2026-01-01 10:00:05.123456", "2026-01-01 10:00:05"])
def test_event_in_both_the_log_and_the_store_counts_once(logged_time: str) -> None:
    stored = to_history(
        [
            ("a", "view", "2026-01-01 10:00:05.123456"),
            ("a", "save", "2026-01-01 10:00:05.123456"),
            ("b", "view", "2026-01-01 10:00:05.123456"),
            ("a", "view", "2026-01-01 10:00:07"),
        ]
    )
    merged = merge_histories(to_history([("a", "view", logged_time)]), stored, 9)
    assert sorted(rows_of(merged)) == [("a", "save"), ("a", "view"), ("a", "view"), ("b", "view")]
    assert rows_of(merge_histories(stored, stored, 9)) == rows_of(stored)
