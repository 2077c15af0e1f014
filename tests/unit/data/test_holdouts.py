"""Splits of a log: the events that models learn from, and the target of each user."""

from __future__ import annotations

import pandas as pd
import pytest

from market.data.holdouts import (
    TEST,
    VALIDATION,
    assign_parts,
    cutoff_time,
    histories_before,
    hold_out_after,
    leave_last_out,
    validation_holdouts,
)


def make_log(**visits: str) -> pd.DataFrame:
    """Return a log in which each user visits one product, a letter, a second."""
    rows = [
        (user, product, pd.Timestamp(second, unit="s"))
        for user, products in visits.items()
        for second, product in enumerate(products)
    ]
    log = pd.DataFrame(rows, columns=["user_id", "product_id", "timestamp"])
    return log.sort_values("timestamp", kind="stable", ignore_index=True)


@pytest.mark.parametrize(
    ("visits", "parts"),
    [
        ("abcd", "0012"),
        ("abcdd", "00122"),  # events after the target are in no history
        ("abcad", "00112"),  # an earlier product again, between the two targets
        ("aab", "002"),  # two products: none is left for validation
        ("aaa", "000"),  # one product: no target
        ("a", "0"),
        ("abcaaa", "012222"),
    ],
)
def test_parts_begin_with_the_last_two_new_products(visits: str, parts: str) -> None:
    log = make_log(ann=visits, bob="xyz")
    assigned = assign_parts(log)
    assert "".join(map(str, assigned[log["user_id"] == "ann"])) == parts


def test_leave_last_out_has_one_target_for_each_user_of_enough_products() -> None:
    log = make_log(ann="abcaddb", bob="aabb", cy="a")
    for part, expected in ((TEST, {"ann": "d", "bob": "b"}), (VALIDATION, {"ann": "c"})):
        train, targets = leave_last_out(log, part)
        products = log.iloc[targets].set_index("user_id")["product_id"]
        assert products.to_dict() == expected
        assert train.tolist() == (assign_parts(log) < part).tolist()


@pytest.mark.parametrize(
    ("seconds", "share", "cutoff"),
    [
        (range(10), 0.2, 8),
        (range(10), 0.001, 9),  # at least one event after the cut-off
        (range(10), 0.999, 1),  # at least one event before it
        ([0, 0, 0, 1], 0.2, 1),
        ([0, 1, 1, 1], 0.2, 1),
        ([0, 0, 1, 1, 2, 2, 2, 2], 0.7, 1),
        ([5, 5, 5], 0.2, None),
        ([], 0.2, None),
    ],
)
def test_the_cutoff_holds_out_a_share_of_the_events(
    seconds: list[int], share: float, cutoff: int | None
) -> None:
    time = cutoff_time(pd.Series(pd.to_datetime(list(seconds), unit="s")), share)
    assert time == (None if cutoff is None else pd.Timestamp(cutoff, unit="s"))


def test_after_a_cutoff_the_first_new_product_of_a_user_is_the_target() -> None:
    log = make_log(ann="abcd", bob="aaaabc", cy="abab", dan="ab")
    late = pd.DataFrame(
        {"user_id": ["eve"], "product_id": ["z"], "timestamp": log["timestamp"].max()}
    )
    log = pd.concat([log, late], ignore_index=True)
    cutoff = pd.Timestamp(2, unit="s")
    train, targets = hold_out_after(log, cutoff)
    assert train.tolist() == (log["timestamp"] < cutoff).tolist()
    events = log.iloc[targets]
    product_of = dict(zip(events["user_id"], events["product_id"], strict=True))
    assert product_of == {"ann": "c", "bob": "b", "eve": "z"}
    until = hold_out_after(log, cutoff, pd.Timestamp(3, unit="s")).targets
    assert log["user_id"].iloc[until].tolist() == ["ann"]


def test_a_history_holds_all_earlier_events_of_the_user() -> None:
    """Those between the cut-off and the target as well."""
    log = make_log(ann="abcd", bob="aaaabc", eve="z")
    targets = log.index[log["product_id"].isin(["c", "z"])].to_numpy()
    users = log["user_id"].iloc[targets].tolist()
    histories = dict(zip(users, histories_before(log, targets), strict=True))
    products = {user: "".join(history["product_id"]) for user, history in histories.items()}
    assert products == {"ann": "ab", "bob": "aaaab", "eve": ""}
    for user, history in histories.items():
        assert (history["user_id"] == user).all()


def test_validation_holdouts_precede_one_another() -> None:
    log = make_log(ann="abcdefghij", bob="klmnopqrst")
    times = log["timestamp"]
    end = pd.Timestamp(8, unit="s")
    holdouts = validation_holdouts(log, end, 0.3, min_targets=99, max_holdouts=3)
    assert len(holdouts) == 3
    for train, targets in holdouts:
        assert (times[train].max() < times.iloc[targets]).all()
        assert (times.iloc[targets] < end).all()
        end = times.iloc[targets].min()


@pytest.mark.parametrize(("seconds", "count"), [(8, 1), (0, 0)])
def test_validation_ends_with_enough_targets_or_too_few_events(seconds: int, count: int) -> None:
    log = make_log(ann="abcdefghij", bob="klmnopqrst")
    cutoff = pd.Timestamp(seconds, unit="s")
    assert len(validation_holdouts(log, cutoff, 0.3, min_targets=2, max_holdouts=3)) == count
