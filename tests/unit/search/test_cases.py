"""Cases: what a user did before an event, and what the user chose."""

from __future__ import annotations

from logs import make_log

from market.data.interactions import last_out
from market.search.cases import held_out_cases, log_of_listings, sample_cases


def test_a_case_is_what_came_before_the_judged_event_of_a_user() -> None:
    log = make_log({"u": "abca", "v": "aab", "w": "a", "x": "abab"})
    for part, wanted in ((2, {"ab": "c", "aa": "b", "a": "b"}), (1, {"a": "b"})):
        cases = held_out_cases(log, last_out(log, part), max_cases=99)
        assert {"".join(past["product_id"]): chosen[0] for past, chosen, _ in cases} == wanted
        for past, _, as_of in cases:
            assert past["user_id"].nunique() == 1 and (past["timestamp"] < as_of).all()
    assert held_out_cases(log[:0], last_out(log[:0], 2), max_cases=99) == []
    assert len(held_out_cases(log, last_out(log, 2), max_cases=1)) == 1


def test_some_cases_are_drawn_in_order() -> None:
    log = make_log({"u": "abca", "v": "aab", "x": "abab"})
    cases = held_out_cases(log, last_out(log, 2))
    drawn = sample_cases(cases, 2, 0)
    times = [str(case.as_of) for case in drawn]
    assert len(drawn) == 2 and times == sorted(times)
    assert len(sample_cases(cases, 9, 0)) == len(cases)


def test_events_of_other_products_are_left_out() -> None:
    log = make_log({"u": "abc"})
    known = log_of_listings(log, log[log["product_id"].ne("b")])
    assert known["product_id"].tolist() == ["a", "c"] and known.index.tolist() == [0, 1]
