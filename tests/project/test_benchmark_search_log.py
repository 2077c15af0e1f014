"""The benchmark on a log of searches: joining events to searches, the split, and counts."""

from __future__ import annotations

import gzip
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from repository import REPO

from market.core.errors import MarketError
from market.core.params import load_params
from market.data.searches import clicks_of
from market.search.impressions import Impressions

with (
    pytest.MonkeyPatch.context() as patch
):  # as for a script, whose folder is where it imports from
    patch.syspath_prepend(str(REPO / "benchmarks"))
    data, counts, tables, models, maker = map(
        importlib.import_module,
        ("search_log_data", "search_log_counts", "search_log_tables", "search_log_models",
         "make_search_log"),
    )  # fmt: skip

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


def test_events_of_searches_without_words_count_but_those_of_other_queries_do_not() -> None:
    log = make_log(1400)
    log.searches.loc[0, "query"] = ""
    parts = split(log)
    earlier = log.before(parts.cutoff, parts.fitting)
    words = log.searches["query"].ne("")
    others = set(log.searches["search_id"][words]) - set(parts.fitting["search_id"])
    assert "s0" in set(earlier.events["search_id"])
    assert not others & set(earlier.events["search_id"])


def test_a_log_without_words_or_clicks_is_refused() -> None:
    log = make_log(20)
    with pytest.raises(MarketError, match="no interaction is with"):
        split(data.SearchLog(log.searches, log.events, log.clicks.iloc[:0], True))
    log.searches["query"] = " "
    with pytest.raises(MarketError, match="no search has words"):
        split(log)


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


def test_times_that_are_no_dates_are_seconds() -> None:
    searches = pd.DataFrame({"search_id": ["s1", "s2"], "timestamp": ["0", "86400.5"]})
    events = pd.DataFrame({"search_id": ["s1"], "timestamp": ["12"]})
    notes: list[str] = []
    assert data.complete_times(searches, events, notes) and len(notes) == 1
    assert pd.to_datetime(searches["timestamp"], format="ISO8601").tolist() == [
        data.FIRST_TIME,
        data.FIRST_TIME + pd.Timedelta(seconds=86400.5),
    ]


def test_a_session_stands_in_for_a_missing_user() -> None:
    searches = pd.DataFrame({"user_id": ["ann", None], "session_id": ["1", "2"]})
    events = pd.DataFrame({"session_id": ["2"]})
    data.complete_sessions(searches, events)
    assert searches["user_id"].tolist() == ["ann", "session 2"]
    assert events["user_id"].tolist() == ["session 2"]


@pytest.mark.parametrize(("searches", "events"), [(["query"], ["search_id"]), (["query"], [])])
def test_an_event_that_cannot_find_its_search_is_refused(
    searches: list[str], events: list[str]
) -> None:
    given = (pd.DataFrame(columns=columns) for columns in (searches, events))
    with pytest.raises(MarketError, match="search_id"):
        data.complete_searches(*given, Path("log"))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("interactions.csv", "user_id,product_id,event\nann,a,view\n"),
        ("Interactions.csv", "visitor;item;event type\nann;a;click\n"),
        ("interactions.tsv", "\tUSER_ID\tPRODUCT_ID\tEVENT\n0\tann\ta\tclick\n"),
        ("interactions.csv.gz", "userId,itemId,action\nann,a,impression\nann,a,clicked\n"),
    ],
)
def test_foreign_interactions_are_read(file: str, text: str, tmp_path: Path) -> None:
    content = text.encode()
    (tmp_path / file).write_bytes(gzip.compress(content) if file.endswith(".gz") else content)
    notes: list[str] = []
    table = tables.read_events_table(tmp_path, load_params("input"), notes)
    assert table[["user_id", "product_id", "event"]].to_numpy().tolist() == [["ann", "a", "view"]]
    assert len(notes) == text.count("click") + text.count("impression")


def test_a_table_of_which_there_are_two_is_named(tmp_path: Path) -> None:
    for name in ("searches.tsv", "searches.csv.gz"):
        (tmp_path / name).touch()
    with pytest.raises(MarketError, match=r"searches\.csv\.gz and searches\.tsv"):
        tables.find_table(tmp_path, "searches.csv")
    with pytest.raises(MarketError, match="does not exist"):
        tables.find_table(tmp_path, "Products.csv")


@pytest.mark.parametrize(
    "written",
    ["7 12", "7,12", "7, 12", "7|12", "7>12", "7:12", "7-12", "7_12", "[7, 12]", "{7,12}",
     "(7, 12)", "[7.0, 12.0]", "'7' '12'", '"7","12"', "['7', '12']", "['7' '12']", "7.0 12.0"],
)  # fmt: skip
def test_lists_of_ids_are_read_in_any_form(written: str) -> None:
    searches = pd.DataFrame({"search_id": ["1", "2"], "product_ids": [written, None]})
    events = pd.DataFrame({"product_id": ["12.0", "99"], "search_id": ["1.0", None]})
    tables.match_ids(searches, events, ["7", "12"])
    assert json.loads(searches["product_ids"][0]) == ["7", "12"]
    assert searches["product_ids"].isna()[1]
    assert events["product_id"].tolist() == ["12", "99"]
    assert events["search_id"].fillna("").tolist() == ["1", ""]


def test_counts_are_of_earlier_events_within_a_window_or_of_other_folds() -> None:
    past = counts.PastCounts(np.array([0, 0, 0, 2]), np.array([100, 200, 200, 150]))
    codes = np.array([0, 0, 0, 1, 2])
    times = np.array([100, 200, 900, 900, 200])
    assert past.before(codes, times).tolist() == [0, 1, 3, 0, 1]
    assert past.within(codes, times, 90).tolist() == [0, 0, 0, 0, 1]
    folds = counts.PastCounts(np.array([0, 0, 1]), np.array([0, 3, 3]))
    assert folds.elsewhere(np.array([0, 0, 1]), np.array([0, 5, 3])).tolist() == [1, 2, 0]


def test_the_order_of_the_features_does_not_change_the_scores_of_trees() -> None:
    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.random((400, 2)), columns=["telling", "random"])
    search = np.repeat(np.arange(100), 4)
    gain = (features["telling"] > 0.8).to_numpy(float)
    impressions = Impressions(
        features, search, np.tile(np.arange(4), 100), gain, np.arange(100), np.ones(400)
    )
    part = models.Part(impressions, None)
    comparison = models.Comparison(None, None, part, part, seed=0)
    scores = [
        comparison._lambdamart(features, features[columns])
        for columns in (["telling", "random"], ["random", "telling"])
    ]
    np.testing.assert_array_equal(*scores)
    assert scores[0][gain > 0].mean() > scores[0][gain == 0].mean()


def test_a_made_log_clicks_what_it_showed() -> None:
    products, searches, events = maker.make_tables(80, 50, times=False, seed=0)
    assert len(products) == 80 and products["id"].is_unique and len(searches) == 50
    shown = searches.set_index("search_id")["product_ids"].str.split()
    assert len(events)
    for search_id, product_id in zip(events["search_id"], events["product_id"], strict=True):
        assert product_id in shown[search_id]
    assert {*searches["timestamp"].str.len()} == {10}
