"""The price model: it reads amounts, its intervals hold, and it flags what does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from shared import price_model
from shared.price_model import PriceModel, flag_prices, price_numbers, price_table

HOW: dict[str, Any] = {
    "alpha": 1.0,
    "min_df": 2,
    "epochs": 3,
    "rate": 0.1,
    "trees": 30,
    "coverage": 0.8,
    "far_off": 0.02,
    "seed": 0,
}


def numbers(*descriptions: str) -> pd.DataFrame:
    products = pd.DataFrame(
        {"name": "thing", "description": descriptions}, index=range(5, 5 + len(descriptions))
    )
    return price_numbers(products)


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
def test_amounts_are_read_from_the_text(text: str, pounds: list[float]) -> None:
    row = numbers("nothing", text).iloc[1]
    if not pounds:
        assert row["amounts"] == 0 and np.isnan(row["first_amount"])
        return
    assert row["amounts"] == len(pounds)
    assert np.expm1(row["first_amount"]) == pytest.approx(pounds[0])
    assert np.expm1(row["last_amount"]) == pytest.approx(pounds[-1])
    assert np.expm1(row["least_amount"]) == pytest.approx(min(pounds))
    assert np.expm1(row["largest_amount"]) == pytest.approx(max(pounds))


def test_every_product_has_its_row_of_numbers() -> None:
    found = numbers("", "£5", "FREE to collect", "\u00a3\u00a3\u00a3 \U0001f525")
    assert found.index.tolist() == [5, 6, 7, 8]
    assert found["says_free"].tolist() == [0, 0, 1, 0]
    assert found["says_to_give_away"].tolist() == [0, 0, 1, 0]
    assert {str(of) for of in found.dtypes} == {"float64"}


def draw(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Listings whose price is that of their kind, with noise; a third of the texts names it."""
    rng = np.random.default_rng(seed)
    kinds = np.array(["lamp", "sofa", "piano"])
    kind = rng.integers(3, size=n)
    price = np.expm1(np.array([2.5, 4.5, 6.5])[kind] + rng.normal(0, 0.6, n)).round(2)
    told = rng.random(n) < 1 / 3
    products = pd.DataFrame(
        {
            "name": kinds[kind],
            "description": np.where(told, [f"for £{of:.2f}" for of in price], "collect only"),
            "location": "Here",
        }
    )
    photo = rng.normal(size=(n, 4))
    photo[::5] = np.nan  # no photo
    category = np.eye(3)[kind]
    return price_table(products, rng.normal(size=(n, 6)), photo, category), price


@pytest.fixture(scope="module")
def model() -> PriceModel:
    table, price = draw(600, 0)
    return PriceModel.fit(table, price, np.arange(600), **HOW)


def test_it_knows_the_kind_and_reads_the_amount(model: PriceModel) -> None:
    table, price = draw(300, 1)
    error = np.abs(np.log1p(model.predict(table)["price"]) - np.log1p(price))
    told = table["number_amounts"] > 0
    assert error[~told].mean() < 0.65  # noise of 0.6 has a mean size of 0.48
    assert error[told].mean() < 0.7 * error[~told].mean()
    alone = np.abs(np.log1p(model.predict(table)["linear"]) - np.log1p(price))
    assert error.mean() < alone.mean(), "the trees add something to the ridge"


def test_intervals_hold_as_often_as_asked(model: PriceModel) -> None:
    table, price = draw(3000, 2)
    found = model.predict(table)
    inside = (found["price_low"] <= price) & (price <= found["price_high"])
    assert inside.mean() == pytest.approx(0.8, abs=0.06)
    assert (found["price_low"] <= found["price"]).all()
    assert (found["price"] <= found["price_high"]).all()
    far = (price < found["least"]) | (price > found["most"])
    assert far.mean() == pytest.approx(0.02, abs=0.02)


def test_what_does_not_fit_is_flagged(model: PriceModel) -> None:
    table, _ = draw(5, 3)
    asked = pd.Series([0.01, 90_000.0, np.nan, 1234567.0, np.nan])
    predicted = model.predict(table)
    asked[4] = predicted["price"][4]
    placeholder = pd.Series([False, False, False, True, False])
    assert flag_prices(asked, placeholder, predicted).tolist() == [
        "far below", "far above", "", "placeholder", "",
    ]  # fmt: skip


def test_saved_parts_make_the_same_model(model: PriceModel) -> None:
    table, _ = draw(20, 4)
    again = PriceModel.assemble(model.estimators().__getitem__, model.margins())
    pd.testing.assert_frame_equal(again.predict(table), model.predict(table))


def test_the_same_seed_gives_the_same_model(model: PriceModel) -> None:
    table, price = draw(600, 0)
    again = PriceModel.fit(table, price, np.arange(600), **HOW)
    fresh, _ = draw(20, 4)
    pd.testing.assert_frame_equal(again.predict(fresh), model.predict(fresh))


def test_a_listing_that_says_nothing_has_a_price(model: PriceModel) -> None:
    products = pd.DataFrame({"name": ["", "£" * 9], "description": "", "location": ""})
    table = price_table(products, np.zeros((2, 6)), np.full((2, 4), np.nan), np.full((2, 3), 1 / 3))
    assert np.isfinite(model.predict(table)).all(axis=None)


def test_a_groups_listings_are_never_torn_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    table, price = draw(40, 5)
    groups = np.arange(40) // 4
    real, seen = price_model.GroupKFold.split, []

    def split(self: Any, *args: Any, **kwargs: Any) -> Any:
        for part in real(self, *args, **kwargs):
            seen.append(part)
            yield part

    monkeypatch.setattr(price_model.GroupKFold, "split", split)
    PriceModel.fit(table, price, groups, **HOW)
    assert len(seen) == 2 * price_model.FOLDS, "of the ridge and of the trees"
    for fitted, left_out in seen:
        assert not set(groups[fitted]) & set(groups[left_out])
