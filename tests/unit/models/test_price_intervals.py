"""Conformal intervals: the margin, and the conversion to pounds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from simulated_prices import changed

from market.models.price_intervals import (
    MAX_LOG,
    Margins,
    conformal_margin,
    equal_bounds,
    miss,
    to_pounds,
)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
def test_the_margin_covers_its_share_with_the_finite_sample_correction(coverage: float) -> None:
    misses = np.arange(1.0, 100)
    rank = np.ceil(100 * coverage)  # of 99 misses, n + 1 = 100
    assert rank <= conformal_margin(misses, coverage) <= rank + 1


def test_with_too_few_misses_the_margin_is_the_largest() -> None:
    assert conformal_margin(np.array([0.3, 0.1]), 0.8) == 0.3


def test_without_a_miss_the_margin_covers_every_price() -> None:
    assert conformal_margin(np.empty(0), 0.8) == MAX_LOG


def test_unknown_misses_do_not_count() -> None:
    misses = np.array([np.nan, *np.arange(1.0, 10)])
    margins = Margins.calibrate(misses, changed(coverage=0.8, flagged_share=0.1))
    assert margins == Margins.calibrate(misses[1:], changed(coverage=0.8, flagged_share=0.1))
    assert margins.interval <= margins.flag == 9


def test_a_miss_is_negative_inside_the_bounds() -> None:
    price, low, high = np.array([1.0, 2.5, 4.0]), np.full(3, 2.0), np.full(3, 3.0)
    np.testing.assert_array_equal(miss(price, low, high), [1.0, -0.5, 1.0])


def test_bounds_are_widened_by_the_margins_in_logarithms() -> None:
    logs = equal_bounds(np.log1p([99.0]), pd.Index([7]))
    pounds = to_pounds(logs, Margins(interval=np.log(2), flag=np.log(10)))
    assert pounds.loc[7].to_dict() == pytest.approx(
        {"price": 99, "price_low": 49, "price_high": 199, "flag_below": 9, "flag_above": 999}
    )


def test_prices_stay_between_zero_and_ten_million() -> None:
    pounds = to_pounds(equal_bounds(np.array([-3.0, 40.0]), pd.RangeIndex(2)), Margins(1, 1))
    assert pounds.loc[0, "price"] == 0
    assert pounds.loc[1, "price"] == 1e7


def test_an_interval_contains_its_price_whatever_the_margin() -> None:
    pounds = to_pounds(equal_bounds(np.array([3.0]), pd.RangeIndex(1)), Margins(-0.5, 0.1))
    assert pounds.loc[0, "price_low"] == pounds.loc[0, "price"] == pounds.loc[0, "price_high"]


def test_prices_of_a_currency_of_small_units_may_be_higher() -> None:
    logs = equal_bounds(np.log1p([3e8, 1e12]), pd.RangeIndex(2))
    highest = float(np.log1p(2e8))
    margins = Margins.calibrate(np.zeros(9), changed(coverage=0.8, flagged_share=0.1), highest)
    assert to_pounds(logs, margins)["price"].tolist() == pytest.approx([3e8, 2e9])
    few = Margins.calibrate(np.zeros(9), changed(coverage=0.8, flagged_share=0.1), np.log1p(500))
    assert few.max_log == MAX_LOG
