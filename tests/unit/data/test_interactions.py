"""The log of interactions: times and columns that are read, and rows that are rejected."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from market.core.errors import MarketError
from market.data.interactions import (
    EVENTS,
    IMPLAUSIBLE,
    UNREAD,
    check_interactions,
    read_times,
    unknown_events,
)
from market.data.rejects import REJECT_COLUMNS
from market.data.tables import read_table
from market.search.collaborative import EVENT_WEIGHTS


def read_interactions(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    return check_interactions(read_table(path), path)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2022-03-01T10:00:00", "2022-03-01 10:00:00"),
        ("2022-03-01 10:00", "2022-03-01 10:00:00"),
        ("2022-03-01T10:00:00+02:00", "2022-03-01 08:00:00"),
        ("2022-03-01T10:00:00.5Z", "2022-03-01 10:00:00.5"),
        ("2022-03-01", "2022-03-01"),
        ("1646128800", "2022-03-01 10:00:00"),
        (" 1646128800.5 ", "2022-03-01 10:00:00.5"),
        ("1646128800000", "2022-03-01 10:00:00"),
        ("1646128800000000", "2022-03-01 10:00:00"),
        ("1646128800000000000", "2022-03-01 10:00:00"),
        ("631152000000", "1990-01-01"),
        ("20240305", "2024-03-05"),
        ("202403051030", "2024-03-05 10:30:00"),
        ("20240305103000", "2024-03-05 10:30:00"),
        ("20240305T103000Z", "2024-03-05 10:30:00"),
        ("2021-06-10 09:00:00+01", "2021-06-10 08:00:00"),
        ("2022-03-01 10:00:00 UTC", "2022-03-01 10:00:00"),
        ("2022/03/01", "2022-03-01"),
    ],
)
def test_times_are_read(tmp_path: Path, written: str, expected: str) -> None:
    path = write(tmp_path, f"user_id,product_id,event,timestamp\n1,2,view,{written}\n")
    log, rejects = read_interactions(path)
    assert log["timestamp"].tolist() == [pd.Timestamp(expected)]
    assert rejects.empty


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        *((text, UNREAD) for text in (
            "05/03/2024", "24-03-05", "2024-02-30", "2024-03-05T25:00", "now", "today",
            "inf", "nan", "２０２４-03-05", "March 2024",
        )),
        *((text, IMPLAUSIBLE) for text in (
            "0", "3", "-5", "2024", "20241399", "99999999", "631151999", "4102444800", "1e30",
            "2611-05-21", "9999-12-31", "0001-01-01T00:00:00+01:00", "1989-12-31",
            "2099-12-31T23:59:59-05:00",
        )),
    ],
)  # fmt: skip
def test_an_unreadable_time_is_rejected_with_the_reason(written: str, fault: str) -> None:
    times, faults = read_times(pd.Series([written, "2024-03-05"], dtype="str"))
    assert times.isna().tolist() == [True, False]
    assert faults.tolist() == [fault, ""]


def test_offsets_may_differ_and_be_absent() -> None:
    written = ["2021-01-10 09:00:00+00", "2021-06-10 09:00:00+01", "2021-06-10 08:00:00", None]
    times, faults = read_times(pd.Series(written, dtype="str"))
    expected = ["2021-01-10 09:00", "2021-06-10 08:00", "2021-06-10 08:00", None]
    assert times.tolist() == pd.to_datetime(pd.Series(expected)).tolist()
    assert faults.eq("").all() and times.dtype == "datetime64[us]"


def test_events_without_a_weight_are_counted() -> None:
    events = ["view", "click", "buy", "click", "4.5", "3", "Purchase", "save", "message"]
    assert unknown_events(pd.DataFrame({"event": events})) == {"click": 2, "Purchase": 1}
    assert set(EVENTS) == set(EVENT_WEIGHTS)


def test_rows_come_in_order_of_time_and_ties_as_in_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "timestamp,event,user_id,product_id,more\n1000000005,buy,b,007,x\n1000000003,view,a,2,\n"
        "1000000005,view,a,1,\n",
    )
    log, _ = read_interactions(path)
    assert log.to_numpy()[:, :3].tolist() == [
        ["a", "2", "view"], ["b", "007", "buy"], ["a", "1", "view"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "header",
    ["user_id,product_id,rating,timestamp", "userId,movieId,rating,timestamp",
     "user_id,item_id,rating,timestamp"],
)  # fmt: skip
def test_ratings_stand_for_events(tmp_path: Path, header: str) -> None:
    log, _ = read_interactions(write(tmp_path, f"{header}\n1,31,2.5,1260759144\n"))
    assert log.columns.tolist() == ["user_id", "product_id", "event", "timestamp"]
    assert log.iloc[0].tolist()[:3] == ["1", "31", "2.5"]


def test_a_log_may_have_both_a_rating_and_an_event_or_neither(tmp_path: Path) -> None:
    both = "user_id,product_id,rating,event,timestamp\n1,2,5,buy,1000000003\n"
    assert read_interactions(write(tmp_path, both))[0]["event"].tolist() == ["buy"]
    neither = "user_id,product_id,timestamp\n1,2,1000000003\n"
    assert read_interactions(write(tmp_path, neither))[0]["event"].tolist() == ["view"]

    twice = "user_id,product_id,item_id,movieId,timestamp\n1,2,5,6,1000000003\n"
    assert read_interactions(write(tmp_path, twice))[0]["product_id"].tolist() == ["2"]
    aliases = "user_id,item_id,movieId,timestamp\n1,5,6,1000000003\n"
    assert read_interactions(write(tmp_path, aliases))[0]["product_id"].tolist() == ["5"]


def test_unusable_rows_are_listed_as_rejects(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "user_id,product_id,event,timestamp\n"
        "1,2,view,1000000003\n,2,view,1000000004\n1, ,view,1000000005\n1,2,,1000000006\n"
        "1,2,view,\n1,2,view,soon\n1,2,view,inf\n"
        ",,,x\n,,,\n",
    )
    log, rejects = read_interactions(path)
    assert len(log) == 1
    assert rejects.columns.tolist() == REJECT_COLUMNS
    assert rejects["record"].tolist() == [2, 3, 4, 5, 6, 7, 8]
    # The last line is empty and counts as no row.
    unread = "timestamp is neither ISO 8601 nor unix seconds"
    assert rejects["reason"].tolist() == [
        "user_id is missing", "product_id is missing", "event is missing", "timestamp is missing",
        unread, unread, "user_id is missing",
    ]  # fmt: skip
    assert rejects["source"].eq("log.csv").all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("user,product_id,timestamp\n1,2,3\n", "no column 'user_id' (found: 'user')"),
        ("user_id,product_id,event,timestamp\n1,2,view,soon\n", "holds no interaction"),
        ("user_id,product_id,event,timestamp\n", "holds no interaction"),
        ("", "is not a UTF-8 CSV table"),
        ("user_id,product_id,timestamp\n1,2,3\n1,2,3,4\n", "is not a UTF-8 CSV table"),
        ("user_id,product_id,timestamp\n1,2,3,4\n", "more fields than its header"),
    ],
)
def test_a_fault_of_the_whole_file_is_reported_in_one_line(
    tmp_path: Path, content: str, message: str
) -> None:
    with pytest.raises(MarketError) as error:
        read_interactions(write(tmp_path, content))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match=r"none\.csv does not exist"):
        read_interactions(tmp_path / "none.csv")
