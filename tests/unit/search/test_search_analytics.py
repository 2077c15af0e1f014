"""Rates of clicks, conversions, empty results and reformulations of logged searches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logged import START, make_clicks, make_searches
from scipy.stats import binomtest

from market.search.analytics import OTHER, SearchAnalytics, wilson_interval
from market.search.search_outcomes import search_outcomes

Row = dict[str, Any]
Event = tuple[str, str, str, float]


def outcomes_of(rows: Sequence[Row], clicks: Sequence[Event] | None = None) -> pd.DataFrame:
    table = search_outcomes(make_searches(rows), make_clicks(clicks or []))
    return table.sort_values("timestamp", kind="stable", ignore_index=True)


def analytics_of(rows: Sequence[Row], clicks: Sequence[Event] | None = None) -> SearchAnalytics:
    return SearchAnalytics.of(make_searches(rows), make_clicks(clicks or []))


def rates_of(analytics: SearchAnalytics, kind: str = "search") -> pd.Series:
    return analytics.rates().set_index("kind").loc[kind]


# --- One search -----------------------------------------------------------------------------------
def test_first_click_decides_the_place_and_any_click_the_conversion() -> None:
    clicks = [("s0", "p3", "view", 5), ("s0", "p1", "buy", 9), ("s1", "p2", "save", 70)]
    rows = outcomes_of([{}, {"at": 60, "query": "sofa", "offset": 0}, {"at": 90}], clicks)
    assert rows["clicked"].tolist() == [True, True, False]
    assert rows["converted"].tolist() == [True, False, False]
    assert rows["first_place"].fillna(0).tolist() == [3, 2, 0]


def test_events_on_listings_that_were_not_shown_are_no_clicks() -> None:
    rows = outcomes_of([{}], [("s0", "p9", "buy", 5), ("unknown", "p1", "buy", 5)])
    assert not rows["clicked"].any() and not rows["converted"].any()


def test_pages_of_a_search_count_once_and_their_places_go_on() -> None:
    later: Row = {"offset": 3, "product_ids": ["p4", "p5"]}
    pages: list[Row] = [{"query": "Oak  lamp"}, {"at": 20, "query": "oak lamp", **later}]
    rows = outcomes_of(pages, [("s1", "p5", "view", 25)])
    assert len(rows) == 1 and rows["clicked"].all() and rows["first_place"].tolist() == [5]


@pytest.mark.parametrize(
    "other",
    [{"user_id": "ben"}, {"filters": '{"price_max": 5}'}, {"variant": "B"}, {"query": "sofa"},
     {"at": 7200}, {"kind": "photo"}, {"offset": 0}],
)  # fmt: skip
def test_pages_of_different_searches_count_apart(other: Row) -> None:
    assert len(outcomes_of([{}, {"at": 20, "offset": 3, **other}])) == 2


def test_suggestions_for_one_text_being_typed_count_once() -> None:
    typed = [("l", 0), ("la", 1), ("lam", 2), ("la", 3), ("lamp", 4), ("sofa", 5), ("sofas", 60)]
    rows: list[Row] = [{"kind": "suggest", "query": text, "at": at} for text, at in typed]
    rows.append({"kind": "suggest", "query": "lamps", "at": 4, "user_id": "ben"})
    assert sorted(outcomes_of(rows)["query"]) == ["lamp", "lamps", "sofa", "sofas"]


def test_suggestions_are_used_if_they_lead_to_a_search_or_a_listing() -> None:
    rows: list[Row] = [
        {"kind": "suggest", "query": "la", "search_id": "g0"},
        {"kind": "suggest", "query": "lam", "search_id": "g1", "at": 1},
        {"suggest_id": "g0", "search_id": "led", "at": 5},
        {"kind": "suggest", "query": "sofa", "search_id": "g2", "at": 60},
        {"kind": "suggest", "query": "oak", "search_id": "g3", "at": 90},
    ]
    clicks = [("led", "p1", "buy", 9), ("g2", "p2", "view", 65)]
    rates = rates_of(analytics_of(rows, clicks), "suggest")
    assert rates["searches"] == 3 and rates["ctr"] == pytest.approx(2 / 3)
    assert rates["conversion"] == pytest.approx(1 / 3)
    assert rates["click_place"] == 2 and rates["click_place_n"] == 1


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"total": 0, "product_ids": []}, 1),
        ({"total": 0}, 1),  # what it shows is only loosely related
        ({"total": 3, "product_ids": []}, 0),
        ({"total": None, "product_ids": []}, 1),
        ({"total": None}, 0),
        ({"total": None, "product_ids": [], "offset": 20}, 0),
        ({"total": None, "product_ids": [], "kind": "suggest"}, np.nan),
        ({"total": 0, "product_ids": [], "kind": "suggest"}, 1),
    ],
)
def test_search_without_results(row: Row, expected: float) -> None:
    assert outcomes_of([row])["without_results"].tolist() == pytest.approx([expected], nan_ok=True)


@pytest.mark.parametrize(
    ("rows", "clicks", "expected"),
    [
        ([{}, {"at": 60, "query": "sofa"}], [], [1, 0]),
        ([{}, {"at": 299, "query": "sofa"}], [], [1, 0]),
        ([{}, {"at": 301, "query": "sofa"}], [], [0, 0]),
        ([{}, {"at": 60, "query": " LAMP "}], [], [0, 0]),
        ([{}, {"at": 60, "query": ""}], [], [0, np.nan]),
        ([{}, {"at": 60, "query": "sofa", "user_id": "ben"}], [], [0, 0]),
        ([{"user_id": None}, {"at": 60, "query": "sofa", "user_id": None}], [], [np.nan] * 2),
        ([{}, {"at": 60}, {"at": 90, "query": "sofa"}], [], [1, 1, 0]),
        ([{}, {"at": 60, "query": "sofa"}], [("s0", "p1", "view", 30)], [0, 0]),
        ([{}, {"at": 60, "query": "sofa"}], [("s0", "p1", "view", 90)], [1, 0]),
        ([{}, {"at": 60, "kind": "photo", "query": ""}], [], [1, 0]),
        ([{"kind": "recommendation", "query": ""}, {"at": 60}], [], [1, 0]),
        ([{}, {"at": 60, "kind": "recommendation", "query": ""}], [], [0, 0]),
    ],
)
def test_reformulation(rows: Sequence[Row], clicks: Sequence[Event], expected: list[float]) -> None:
    assert outcomes_of(rows, clicks)["reformulated"].tolist() == pytest.approx(
        expected, nan_ok=True
    )


# --- Rates of groups ------------------------------------------------------------------------------
def test_rates_have_their_n_and_a_wilson_interval() -> None:
    rows: list[Row] = [{"user_id": f"u{number}"} for number in range(9)] + [{"user_id": None}]
    rates = rates_of(analytics_of(rows, [(f"s{n}", "p1", "message", n) for n in (0, 1, 9)]))
    expected = binomtest(3, 10).proportion_ci(method="wilson")
    for name in ("ctr", "conversion"):
        assert rates[name] == 0.3 and rates[f"{name}_n"] == 10
        assert rates[f"{name}_low"] == pytest.approx(expected.low)
        assert rates[f"{name}_high"] == pytest.approx(expected.high)
    assert rates["reformulation_n"] == 9 and rates["users"] == 9
    assert rates["click_place"] == 1 and rates["click_place_low"] == 1


@given(st.integers(0, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=30)
def test_wilson_interval_is_the_one_of_scipy(case: tuple[int, int]) -> None:
    positive, n = case
    low, high = wilson_interval(np.array([positive]), np.array([n]))
    if n == 0:
        assert np.isnan([low, high]).all()
    else:
        expected = binomtest(positive, n).proportion_ci(method="wilson")
        assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_groups_by_day_and_variant() -> None:
    rows: list[Row] = [{}, {"at": 3599}, {"at": 3601, "variant": "B"}]
    analytics = analytics_of(rows, [("s2", "p1", "view", 3700)])
    by_day = analytics.rates("day").set_index("day")
    assert by_day["searches"].to_dict() == {"2026-03-01": 2, "2026-03-02": 1}
    assert by_day["ctr"].to_dict() == {"2026-03-01": 0, "2026-03-02": 1}
    assert analytics.rates("variant").set_index("variant")["ctr"].to_dict() == {"A": 0, "B": 1}


def test_kinds_are_reported_apart_and_photos_with_searches() -> None:
    kinds = ["search", "photo", "recommendation", "similar", "suggest"]
    rates = analytics_of([{"kind": kind} for kind in kinds]).rates().set_index("kind")
    assert rates["searches"].to_dict() == {
        "recommendation": 1, "search": 2, "similar": 1, "suggest": 1,
    }  # fmt: skip


def test_queries_of_few_users_are_pooled() -> None:
    rows: list[Row] = [{"query": "Lamp", "user_id": f"u{number}"} for number in range(5)]
    rows += [{"query": "my secret", "user_id": "anna", "at": 900 * n} for n in range(9)]
    rows += [{"query": "secret", "user_id": f"u{n}"} for n in range(4)]
    rows += [{"query": "unknown user", "user_id": None, "at": n} for n in range(9)]
    rows += [{"query": OTHER, "user_id": f"u{number}", "at": 60} for number in range(5)]
    rows += [{"query": "", "user_id": "anna"}]
    table = analytics_of(rows).rates("query")
    found = list(zip(table["query"], table["pooled"], table["searches"], strict=True))
    assert found == [(OTHER, 3, 22), ("lamp", 0, 5), (OTHER, 0, 5), ("", 0, 1)]


def test_queries_without_results_are_a_table() -> None:
    empty: Row = {"total": 0, "product_ids": []}
    rows: list[Row] = [{"query": "Sauna", "user_id": f"u{n}", "at": n, **empty} for n in range(6)]
    rows += [{"query": "sauna", "at": 50, "filters": '{"price_max": 5}', **empty}]
    rows += [{"query": "sauna", "at": 51, "filters": '{"sort": "price"}', **empty}]
    rows += [{"query": "sauna", "user_id": "ben"}, {"query": "sauna", "user_id": "carl"}]
    rows += [{"query": "private", "user_id": f"u{n}", **empty} for n in range(4)]
    rows += [{"query": "", "user_id": f"u{n}", "at": 9, **empty} for n in range(9)]
    table = analytics_of(rows).queries_without_results(min_users=5)
    assert table.to_dict("records") == [
        {"query": "sauna", "searches": 8, "users": 7, "last_seen": START + timedelta(seconds=51),
         "share": 0.8, "with_filters": 1}
    ]  # fmt: skip


def test_days_can_be_joined() -> None:
    rows: list[Row] = [{"user_id": f"u{number}", "at": 3600 * (number % 2)} for number in range(6)]
    whole = analytics_of(rows)
    days = [analytics_of(rows[:3]), analytics_of(rows[3:]), SearchAnalytics.join([])]
    joined = SearchAnalytics.join(days)
    pd.testing.assert_frame_equal(joined.rates("query"), whole.rates("query"))
    assert SearchAnalytics.join([]).rates("day").empty
    assert SearchAnalytics.join([]).queries_without_results().empty


# --- Against a loop -------------------------------------------------------------------------------
ROW = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["anna", "ben", None]),
        "query": st.sampled_from(["", "l", "la", "lamp", "Lamp", "sofa"]),
        "kind": st.sampled_from(["search", "search", "photo", "suggest", "similar"]),
        "offset": st.sampled_from([0, 0, 0, 3]),
        "total": st.sampled_from([None, 0, 7]),
    }
)
LOG = st.lists(st.tuples(ROW, st.sampled_from([1, 5, 9, 70, 200, 301, 1900])), max_size=12)
CLICK = st.tuples(
    st.integers(0, 11), st.sampled_from(["p1", "p2", "p3", "p4"]),
    st.sampled_from(["view", "buy"]), st.sampled_from([0.5, 2.5, 100.5]),
)  # fmt: skip


@given(LOG, st.lists(CLICK, max_size=6), st.lists(st.integers(0, 11), max_size=12))
@settings(max_examples=8, deadline=None)
def test_outcomes_equal_those_of_a_plain_loop(
    log: list[tuple[Row, int]],
    clicks: list[tuple[int, str, str, float]],
    led: list[int],
) -> None:
    at = 0
    rows: list[Row] = []
    for number, (row, gap) in enumerate(log):
        at += gap
        suggest_id = f"s{led[number]}" if number < len(led) else None
        rows.append(
            {**row, "at": at, "suggest_id": suggest_id if row["kind"] != "suggest" else None}
        )
    times = [row["at"] for row in rows]
    events = [(f"s{n}", product, event, times[n] + delay)
              for n, product, event, delay in clicks if n < len(rows)]  # fmt: skip
    found = search_outcomes(make_searches(rows), make_clicks(events))
    found["at"] = (found["timestamp"] - START).dt.total_seconds()
    columns = ["clicked", "converted", "first_place", "without_results", "reformulated"]
    assert found.set_index("at")[columns].sort_index().astype(float).fillna(-1).to_dict(
        "index"
    ) == loop_outcomes(rows, events)


def loop_outcomes(rows: Sequence[Row], events: Sequence[Event]) -> dict[float, dict[str, float]]:
    """Return the outcomes of a log by the time of each search, row by row; -1 is unknown."""
    searches: list[list[int]] = []  # numbers of the rows of each search
    for number, row in enumerate(rows):
        for pages in reversed(searches):
            if is_same_search(rows[pages[-1]], row):
                pages.append(number)
                break
            if key_of(rows[pages[-1]]) == key_of(row):
                searches.append([number])
                break
        else:
            searches.append([number])
    of_row = {f"s{number}": index for index, pages in enumerate(searches) for number in pages}
    acts: dict[int, list[tuple[float, float, bool]]] = {index: [] for index in range(len(searches))}
    for search_id, product, event, time in events:
        if product != "p4":
            place = ["p1", "p2", "p3"].index(product) + 1 + rows[int(search_id[1:])]["offset"]
            acts[of_row[search_id]].append((time, place, event == "buy"))
    bought = {index for index, actions in acts.items() if any(action[2] for action in actions)}
    for number, row in enumerate(rows):
        led_from = of_row.get(row["suggest_id"] or "")
        if led_from is not None and rows[searches[led_from][0]]["kind"] == "suggest":
            acts[led_from].append((row["at"], np.inf, of_row[f"s{number}"] in bought))
    return {
        float(rows[pages[0]]["at"]): outcome_of(index, searches, rows, acts)
        for index, pages in enumerate(searches)
    }


def key_of(row: Row) -> tuple[Any, ...]:
    text = "" if row["kind"] == "suggest" else row["query"].lower()
    return row["kind"], row["user_id"], text


def is_same_search(row: Row, later: Row) -> bool:
    gap = later["at"] - row["at"]
    if key_of(row) != key_of(later):
        return False
    if row["kind"] == "suggest":
        texts = row["query"].lower(), later["query"].lower()
        return gap <= 10 and (texts[0].startswith(texts[1]) or texts[1].startswith(texts[0]))
    return later["offset"] > 0 and gap <= 1800


def outcome_of(
    index: int,
    searches: list[list[int]],
    rows: Sequence[Row],
    acts: dict[int, list[tuple[float, float, bool]]],
) -> dict[str, float]:
    first, last = rows[searches[index][0]], rows[searches[index][-1]]
    is_typed = first["kind"] == "suggest"
    answer = last if is_typed else first
    empty = float(answer["total"] == 0)
    if answer["total"] is None:
        empty = -1 if is_typed else 0
    actions = sorted(acts[index])
    places = [place for _, place, _ in actions if place < np.inf]
    asked = last if is_typed else first
    return {
        "clicked": float(bool(actions)),
        "converted": float(any(action[2] for action in actions)),
        "first_place": places[0] if places else -1,
        "without_results": empty,
        "reformulated": reformulated_of(index, asked, last["at"], searches, rows, acts),
    }


def is_question(row: Row, kind: str) -> bool:
    if kind == "suggest":
        return row["kind"] == "suggest" and row["query"] != ""
    return row["kind"] == "photo" or (row["kind"] == "search" and row["query"] != "")


def reformulated_of(
    index: int,
    asked: Row,
    last_at: float,
    searches: list[list[int]],
    rows: Sequence[Row],
    acts: dict[int, list[tuple[float, float, bool]]],
) -> float:
    kind, user = asked["kind"], asked["user_id"]
    if user is None or (kind != "similar" and not is_question(asked, kind)):
        return -1
    start = rows[searches[index][0]]["at"]
    for pages in searches[index + 1 :]:
        first, last = rows[pages[0]], rows[pages[-1]]
        later = last if kind == "suggest" else first
        if first["user_id"] != user or not is_question(later, kind):
            continue
        question = later["kind"], later["query"].lower()
        if kind == "similar" or question != (kind, asked["query"].lower()):
            between = [
                time
                for other, actions in acts.items()
                if rows[searches[other][0]]["user_id"] == user
                for time, _, _ in actions
                if start <= time <= first["at"]
            ]
            return float(first["at"] - last_at <= 300 and not between)
    return 0.0
