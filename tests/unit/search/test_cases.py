"""Cases: a user's history, and the listing that the user chose next."""

from __future__ import annotations

from logs import make_log

from market.data.holdouts import TEST, VALIDATION, leave_last_out
from market.search.cases import held_out_cases, log_of_listings, sample_cases


def test_a_case_holds_the_events_of_the_user_before_the_target() -> None:
    log = make_log({"u": "abca", "v": "aab", "w": "a", "x": "abab"})
    for part, expected in ((TEST, {"ab": "c", "aa": "b", "a": "b"}), (VALIDATION, {"a": "b"})):
        cases = held_out_cases(log, leave_last_out(log, part), max_cases=99)
        chosen_after = {"".join(case.history["product_id"]): case.chosen[0] for case in cases}
        assert chosen_after == expected
        for history, _, as_of in cases:
            assert history["user_id"].nunique() == 1 and (history["timestamp"] < as_of).all()
    assert held_out_cases(log[:0], leave_last_out(log[:0]), max_cases=99) == []
    assert len(held_out_cases(log, leave_last_out(log), max_cases=1)) == 1


def test_some_cases_are_drawn_in_order() -> None:
    log = make_log({"u": "abca", "v": "aab", "x": "abab"})
    cases = held_out_cases(log, leave_last_out(log))
    drawn = sample_cases(cases, 2, 0)
    times = [str(case.as_of) for case in drawn]
    assert len(drawn) == 2 and times == sorted(times)
    assert len(sample_cases(cases, 9, 0)) == len(cases)


def test_events_of_other_products_are_left_out() -> None:
    log = make_log({"u": "abc"})
    kept = log_of_listings(log, log[log["product_id"].ne("b")])
    assert kept["product_id"].tolist() == ["a", "c"] and kept.index.tolist() == [0, 1]
