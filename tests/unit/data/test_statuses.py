"""Statuses of listings that mean that a listing is no longer available."""

from __future__ import annotations

import pandas as pd
import pytest

from market.data.statuses import AVAILABLE, UNAVAILABLE, count_unknown_statuses, find_unavailable


@pytest.mark.parametrize(
    "status",
    ["sold", "SOLD", "Sold out", "sold_out", "soldOut", "Expired (2024-01-02)", "deleted by user",
     "reserved", "Reserviert", "verkauft!", "vendu", "売り切れ", "已售", "ＳＯＬＤ"],
)  # fmt: skip
def test_a_listing_that_is_gone_is_unavailable(status: str) -> None:
    assert find_unavailable(pd.Series([status])).tolist() == [True]


@pytest.mark.parametrize("status", ["active", "unsold", "not sold", "resold", "Aktiv", "?", None])
def test_other_listings_are_available(status: str | None) -> None:
    assert find_unavailable(pd.Series([status], dtype="str")).tolist() == [False]


def test_statuses_of_unknown_meaning_are_counted() -> None:
    statuses = pd.Series(["active", "For_Sale", "sold", "dunno", "7", "dunno", None])
    assert count_unknown_statuses(statuses) == {"dunno": 2, "7": 1}


def test_no_status_has_two_meanings() -> None:
    assert not AVAILABLE & UNAVAILABLE
