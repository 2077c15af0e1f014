"""A score over seeds."""

from __future__ import annotations

import pytest

from market.models.spread import spread


def test_mean_and_deviation_by_hand() -> None:
    assert spread([1.0, 2.0, 6.0]) == {
        "mean": 3.0,
        "std": pytest.approx((14 / 2) ** 0.5),
        "seeds": 3,
    }
    assert spread([0.5]) == {"mean": 0.5, "std": 0.0, "seeds": 1}
