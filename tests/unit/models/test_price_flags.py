"""Flags on asking prices."""

from __future__ import annotations

import numpy as np
import pandas as pd

from market.models.price_flags import flag_prices


def test_a_price_outside_of_its_bounds_is_flagged() -> None:
    price = pd.Series([0.01, 90_000.0, np.nan, 1234567.0, 20.0, 10.0])
    is_placeholder = pd.Series([False, False, False, True, False, False])
    predicted = pd.DataFrame({"flag_below": [10.0] * 6, "flag_above": [100.0] * 6})
    assert flag_prices(price, is_placeholder, predicted).tolist() == [
        "far below", "far above", "", "placeholder", "", "",
    ]  # fmt: skip


def test_a_missing_price_is_no_placeholder() -> None:
    predicted = pd.DataFrame({"flag_below": [10.0], "flag_above": [100.0]})
    assert flag_prices(pd.Series([np.nan]), pd.Series([True]), predicted).tolist() == [""]
