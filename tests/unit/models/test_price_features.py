"""The features of the price models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from simulated_prices import plain_table

from market.data.money import Money
from market.models.price_features import columns_without_terms, number_features


def features(*descriptions: str) -> pd.DataFrame:
    products = pd.DataFrame(
        {"name": "thing", "description": descriptions}, index=range(5, 5 + len(descriptions))
    )
    return number_features(products, Money("GBP", "."))


@pytest.mark.parametrize(
    ("text", "pounds"),
    [
        ("yours for £25", [25]),
        ("£ 1,250.50 or £900 ono", [1250.5, 900]),
        ("a van, £3k", [3000]),
        ("£3kg of sand", [3]),
        ("costs £99999999999999", [9999999]),
        ("£0 to pay, 20 pounds, £", []),
    ],
)  # fmt: skip
def test_amounts_are_extracted_from_the_text(text: str, pounds: list[float]) -> None:
    row = features("nothing", text).iloc[1]
    if not pounds:
        assert row["amounts"] == 0 and np.isnan(row["first_amount"])
        return
    assert row["amounts"] == len(pounds)
    assert np.expm1(row["first_amount"]) == pytest.approx(pounds[0])
    assert np.expm1(row["last_amount"]) == pytest.approx(pounds[-1])
    assert np.expm1(row["min_amount"]) == pytest.approx(min(pounds))
    assert np.expm1(row["max_amount"]) == pytest.approx(max(pounds))


def test_every_product_has_a_row_of_floats() -> None:
    table = features("", "£5", "FREE to collect", "\u00a3\u00a3\u00a3 \U0001f525")
    assert table.index.tolist() == [5, 6, 7, 8]
    assert table["says_free"].tolist() == [0, 0, 1, 0]
    assert table["says_to_give_away"].tolist() == [0, 0, 1, 0]
    assert {str(dtype) for dtype in table.dtypes} == {"float64"}


def test_columns_whose_words_are_all_too_rare_are_named() -> None:
    table = plain_table(6, 0.0, name="lamp {i}", description="", location="town{i}")
    assert columns_without_terms(table, 2) == ["description", "location"]
    assert columns_without_terms(table, 1) == ["description"]
    assert columns_without_terms(table, 7) == ["name", "description", "location"]
