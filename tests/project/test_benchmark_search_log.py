"""The benchmark on a log of searches: joining events to searches, the split, and counts."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from repository import REPO

from market.core.errors import MarketError
from market.data.searches import clicks_of

with (
    pytest.MonkeyPatch.context() as patch
):  # as for a script, whose folder is where it imports from
    patch.syspath_prepend(str(REPO / "benchmarks"))
    data, counts, maker = map(
        importlib.import_module, ("search_log_data", "search_log_counts", "make_search_log")
    )

NOON = pd.Timestamp("2024-03-01 12:00")


def make_log(n: int, *, timed: bool = True) -> Any:
    """Return a log of n searches an hour apart, for ten queries; each shows a, b, and b is clicked.

    One further event follows no search.
    """
    times = NOON + pd.to_timedelta(np.arange(n), unit="h")
    searches = pd.DataFrame(
        {
            "search_id": [f"s{number}" for number in range(n)],
            "user_id": "ann",
            "timestamp": times,
            "query": [f"query {number % 10}" for number in range(n)],
            "kind": "search",
            "product_ids": [["a", "b"]] * n,
        }
    )
    events = pd.DataFrame(
        {
            "user_id": "ann",
            "product_id": "b",
            "event": "view",
            "timestamp": [*(times + pd.Timedelta(minutes=1)), NOON],
            "search_id": [*searches["search_id"], None],
        }
    )
    return data.SearchLog(searches, events, clicks_of(searches, events), timed)


def split(log: Any, seed: int = 0) -> Any:
    keys = log.searches["query"]
    return data.split_searches(log, keys, judged_share=0.5, later_share=0.5, seed=seed)


def test_judged_queries_are_others_and_later() -> None:
    log = make_log(1400)
    parts = split(log)
    assert not {*parts.fitting["query"]} & {*parts.judged["query"]}
    assert parts.fitting["timestamp"].max() < parts.cutoff <= parts.judged["timestamp"].min()
    earlier = log.before(parts.cutoff, parts.fitting)
    assert {*earlier.clicks["search_id"]} <= {*parts.fitting["search_id"]}
    assert earlier.events["search_id"].isna().sum() == 1  # it followed no search
    assert (earlier.events["timestamp"] < parts.cutoff).all()


def test_the_seed_decides_which_queries_are_judged() -> None:
    log = make_log(1400)
    judged = [{*split(log, seed).judged["query"]} for seed in (0, 0, 1)]
    assert judged[0] == judged[1] != judged[2]


@pytest.mark.parametrize(("n", "timed"), [(1400, False), (100, True)])
def test_without_times_or_with_few_searches_the_split_is_by_query(n: int, timed: bool) -> None:
    parts = split(make_log(n, timed=timed))
    assert parts.cutoff is None and len(parts.fitting) + len(parts.judged) == n
    assert not {*parts.fitting["query"]} & {*parts.judged["query"]}


def test_searches_without_words_or_choice_are_in_neither_part() -> None:
    log = make_log(100)
    log.searches.loc[0, "query"] = ""
    log.searches.at[1, "product_ids"] = ["a"]
    parts = split(log)
    assert not {"s0", "s1"} & {*parts.fitting["search_id"], *parts.judged["search_id"]}


def test_events_without_search_id_follow_the_latest_search_of_their_user() -> None:
    searches = make_log(2).searches
    events = pd.DataFrame(
        {
            "user_id": ["ann", "ann", "bob", "ann", "ann"],
            "product_id": ["a", "b", "a", "z", "a"],
            "timestamp": NOON + pd.to_timedelta([10, 65, 10, 10, 45], unit="min"),
        }
    )
    matched = data.match_searches(searches, events)
    assert matched.fillna("").tolist() == ["s0", "s1", "", "", ""]


def test_events_with_dates_alone_follow_a_search_of_the_same_day() -> None:
    searches = make_log(2).searches.assign(timestamp=pd.to_datetime(["2024-03-01", "2024-03-02"]))
    events = pd.DataFrame(
        {
            "user_id": "ann",
            "product_id": "a",
            "timestamp": pd.to_datetime(["2024-03-01", "2024-03-03"]),
        }
    )
    assert data.match_searches(searches, events).fillna("").tolist() == ["s0", ""]


def test_an_event_without_user_gets_that_of_its_search_or_one_of_its_own() -> None:
    searches = pd.DataFrame({"search_id": ["s1", "s2"], "user_id": ["ann", None]})
    events = pd.DataFrame({"search_id": ["s1", "s2", "s2"], "user_id": [None, None, "cy"]})
    notes: list[str] = []
    data.complete_users(searches, events, notes)
    assert events["user_id"].tolist() == ["ann", "search s2", "cy"] and len(notes) == 1


def test_times_that_one_table_lacks_come_from_the_other() -> None:
    searches = pd.DataFrame({"search_id": ["s1"], "timestamp": ["2024-03-01"]})
    events = pd.DataFrame({"search_id": ["s1", "s9"]})
    assert data.complete_times(searches, events, [])
    assert events["timestamp"].fillna("").tolist() == ["2024-03-01", ""]


def test_without_times_and_search_ids_all_rows_are_of_one_day() -> None:
    searches, events = (pd.DataFrame({"user_id": ["ann", "bob"]}) for _ in range(2))
    assert not data.complete_times(searches, events, [])
    assert {*searches["timestamp"], *events["timestamp"]} == {str(data.FIRST_TIME)}
    with pytest.raises(MarketError, match="interactions have neither"):
        data.complete_times(searches, pd.DataFrame({"user_id": ["ann"]}), [])


def test_counts_are_of_earlier_events_within_a_window_or_of_other_folds() -> None:
    past = counts.PastCounts(np.array([0, 0, 0, 2]), np.array([100, 200, 200, 150]))
    codes = np.array([0, 0, 0, 1, 2])
    times = np.array([100, 200, 900, 900, 200])
    assert past.before(codes, times).tolist() == [0, 1, 3, 0, 1]
    assert past.within(codes, times, 90).tolist() == [0, 0, 0, 0, 1]
    folds = counts.PastCounts(np.array([0, 0, 1]), np.array([0, 3, 3]))
    assert folds.elsewhere(np.array([0, 0, 1]), np.array([0, 5, 3])).tolist() == [1, 2, 0]


def test_a_made_log_clicks_what_it_showed() -> None:
    products, searches, events = maker.make_tables(80, 50, times=False, seed=0)
    assert len(products) == 80 and products["id"].is_unique and len(searches) == 50
    shown = searches.set_index("search_id")["product_ids"].str.split()
    assert len(events)
    for search_id, product_id in zip(events["search_id"], events["product_id"], strict=True):
        assert product_id in shown[search_id]
    assert {*searches["timestamp"].str.len()} == {10}
