"""The log of interactions: what is read, what is rejected, and who is judged by what."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from market.core.errors import MarketError
from market.data.interactions import (
    EVENTS,
    IMPLAUSIBLE,
    UNREAD,
    after,
    check_interactions,
    cutoff_time,
    earlier_holdouts,
    histories,
    last_out,
    leave_last_out,
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
    ("written", "meant"),
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
def test_times_are_read(tmp_path: Path, written: str, meant: str) -> None:
    path = write(tmp_path, f"user_id,product_id,event,timestamp\n1,2,view,{written}\n")
    log, rejects = read_interactions(path)
    assert log["timestamp"].tolist() == [pd.Timestamp(meant)]
    assert rejects.empty


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        *((text, UNREAD) for text in (
            "05/03/2024", "24-03-05", "2024-3-5", "2024-02-30", "2024-03-05T25:00", "now", "today",
            "inf", "nan", "２０２４-03-05", "March 2024",
        )),
        *((text, IMPLAUSIBLE) for text in (
            "0", "3", "-5", "2024", "20241399", "99999999", "631151999", "4102444800", "1e30",
            "2611-05-21", "9999-12-31", "0001-01-01T00:00:00+01:00", "1989-12-31",
            "2099-12-31T23:59:59-05:00",
        )),
    ],
)  # fmt: skip
def test_a_time_that_is_none_is_refused_with_the_reason(written: str, fault: str) -> None:
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


def test_bad_rows_are_listed_not_dropped(tmp_path: Path) -> None:
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
    # The last is no row: nothing is in it.
    unread = "timestamp is neither ISO 8601 nor unix seconds"
    assert rejects["reason"].tolist() == [
        "user_id is missing", "product_id is missing", "event is missing", "timestamp is missing",
        unread, unread, "user_id is missing",
    ]  # fmt: skip
    assert rejects["source"].eq("log.csv").all()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("user,product_id,timestamp\n1,2,3\n", "no column 'user_id' (found: 'user')"),
        ("user_id,product_id,event,timestamp\n1,2,view,soon\n", "holds no interaction"),
        ("user_id,product_id,event,timestamp\n", "holds no interaction"),
        ("", "is not a UTF-8 CSV table"),
        ("user_id,product_id,timestamp\n1,2,3\n1,2,3,4\n", "is not a UTF-8 CSV table"),
        ("user_id,product_id,timestamp\n1,2,3,4\n", "more fields than its header"),
    ],
)
def test_a_fault_of_the_whole_is_one_line(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(MarketError) as error:
        read_interactions(write(tmp_path, content))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match=r"none\.csv does not exist"):
        read_interactions(tmp_path / "none.csv")


def make_log(**visits: str) -> pd.DataFrame:
    """make_log(ann="abc") is a log of one letter a second."""
    rows = [(name, product, second) for name, all_ in visits.items()
            for second, product in enumerate(all_)]  # fmt: skip
    log = pd.DataFrame(rows, columns=["user_id", "product_id", "timestamp"])
    return log.sort_values("timestamp", kind="stable", ignore_index=True)


@pytest.mark.parametrize(
    ("visits", "parts"),
    [
        ("abcd", "0012"),
        ("abcdd", "00122"),  # what comes after the judged event is in no history
        ("abcad", "00112"),  # a known product again: history of the judged one, after the tuned one
        ("aab", "002"),  # two products: nothing to tune with
        ("aaa", "000"),  # one product: nobody to judge
        ("a", "0"),
        ("abcaaa", "012222"),
    ],
)
def test_the_last_new_product_is_held_out(visits: str, parts: str) -> None:
    log = make_log(ann=visits, bob="xyz")
    found = leave_last_out(log)
    assert "".join(map(str, found[log["user_id"] == "ann"])) == parts


def test_each_person_is_judged_by_one_product() -> None:
    log = make_log(ann="abcaddb", bob="aabb", cy="a")
    for part, wanted in ((2, {"ann": "d", "bob": "b"}), (1, {"ann": "c"})):
        fit, judged = last_out(log, part)
        rows = log.iloc[judged].set_index("user_id")["product_id"]
        assert rows.to_dict() == wanted
        assert fit.tolist() == (leave_last_out(log) < part).tolist()


@pytest.mark.parametrize(
    ("seconds", "share", "cutoff"),
    [
        (range(10), 0.2, 8),
        (range(10), 0.001, 9),  # some events after it
        (range(10), 0.999, 1),  # and some before
        ([0, 0, 0, 1], 0.2, 1),
        ([0, 1, 1, 1], 0.2, 1),
        ([0, 0, 1, 1, 2, 2, 2, 2], 0.7, 1),
        ([5, 5, 5], 0.2, None),
        ([], 0.2, None),
    ],
)
def test_the_cutoff_leaves_a_share_of_the_events(
    seconds: list[int], share: float, cutoff: int | None
) -> None:
    found = cutoff_time(pd.Series(pd.to_datetime(list(seconds), unit="s")), share)
    assert found == (None if cutoff is None else pd.Timestamp(cutoff, unit="s"))


def in_time(**visits: str) -> pd.DataFrame:
    log = make_log(**visits)
    return log.assign(timestamp=pd.to_datetime(log["timestamp"], unit="s"))


def test_after_a_cutoff_the_first_new_product_judges() -> None:
    log = in_time(ann="abcd", bob="aaaabc", cy="abab", dan="ab")
    late = pd.DataFrame({"user_id": "eve", "product_id": "z", "timestamp": log["timestamp"].max()},
                        index=[0])  # fmt: skip
    log = pd.concat([log, late], ignore_index=True)
    cutoff = pd.Timestamp(2, unit="s")
    fit, judged = after(log, cutoff)
    assert fit.tolist() == (log["timestamp"] < cutoff).tolist()
    rows = log.iloc[judged]
    assert dict(zip(rows["user_id"], rows["product_id"], strict=True)) == {
        "ann": "c", "bob": "b", "eve": "z",
    }  # fmt: skip
    past = dict(zip(rows["user_id"], histories(log, judged), strict=True))
    written = {user: "".join(of["product_id"]) for user, of in past.items()}
    assert written == {"ann": "ab", "bob": "aaaa", "eve": ""}, "also what came after the cut-off"
    for user, of in past.items():
        assert (of["user_id"] == user).all()
    until = after(log, cutoff, pd.Timestamp(3, unit="s")).judged
    assert log["user_id"].iloc[until].tolist() == ["ann"]


def test_earlier_holdouts_lie_one_before_the_other() -> None:
    log = in_time(ann="abcdefghij", bob="klmnopqrst")
    end = pd.Timestamp(8, unit="s")
    found = earlier_holdouts(log, end, 0.3, enough=99, most=3)
    assert len(found) == 3
    for fit, judged in found:
        times = log["timestamp"]
        assert (times[fit].max() < times.iloc[judged]).all()
        assert (times.iloc[judged] < end).all()
        end = times.iloc[judged].min()
    assert len(earlier_holdouts(log, pd.Timestamp(8, unit="s"), 0.3, enough=2, most=3)) == 1
    assert earlier_holdouts(log, pd.Timestamp(0), 0.3, enough=2, most=3) == []
