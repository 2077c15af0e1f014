"""Training of the price model: honest out-of-fold predictions, intervals and the selection."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from simulated_prices import SETTINGS, draw, plain_table

from market.models.price_baselines import BASELINES
from market.models.price_flags import flag_prices
from market.models.price_model import BOOSTED, PriceModel
from market.models.price_training import (
    Candidate,
    assign_folds,
    count_fits,
    explain_selection,
    fit_baseline,
    fit_stacked,
    select,
)

ALL = [BOOSTED, *BASELINES]
BOUNDS = ["price", "price_low", "price_high", "flag_below", "flag_above"]


def fit(name: str, table: pd.DataFrame, price: np.ndarray, fold: np.ndarray) -> Candidate:
    if name == BOOSTED:
        return fit_stacked(table, price, fold, SETTINGS)
    return fit_baseline(name, table, price, fold, SETTINGS)


@pytest.fixture(scope="module")
def candidate() -> Candidate:
    table, price = draw(600, 0)
    return fit(BOOSTED, table, price, np.arange(600) % 5)


@pytest.fixture(scope="module")
def model(candidate: Candidate) -> PriceModel:
    return candidate.model


def test_the_model_learns_the_kind_of_thing_and_the_stated_amount(model: PriceModel) -> None:
    table, price = draw(300, 1)
    error = np.abs(np.log1p(model.predict(table)["price"]) - np.log1p(price))
    stated = table["number_amounts"] > 0
    assert error[~stated].mean() < 0.65  # the noise, of deviation 0.6, has a mean size of 0.48
    assert error[stated].mean() < 0.7 * error[~stated].mean()
    ridge = np.abs(np.log1p(model.predict(table)["linear"]) - np.log1p(price))
    assert error.mean() < ridge.mean(), "the trees improve on the ridge"


def test_intervals_reach_their_target_coverage(model: PriceModel) -> None:
    table, price = draw(3000, 2)
    predicted = model.predict(table)
    inside = (predicted["price_low"] <= price) & (price <= predicted["price_high"])
    assert inside.mean() == pytest.approx(0.8, abs=0.06)
    assert (predicted["price_low"] <= predicted["price"]).all()
    assert (predicted["price"] <= predicted["price_high"]).all()
    far = (price < predicted["flag_below"]) | (price > predicted["flag_above"])
    assert far.mean() == pytest.approx(0.02, abs=0.02)


def test_a_price_that_does_not_fit_is_flagged(model: PriceModel) -> None:
    table, _ = draw(3, 3)
    predicted = model.predict(table)
    price = pd.Series([0.01, 90_000.0, predicted["price"][2]])
    is_placeholder = pd.Series([False] * 3)
    assert flag_prices(price, is_placeholder, predicted).tolist() == ["far below", "far above", ""]


def test_the_same_seed_gives_the_same_model() -> None:
    table, price = draw(60, 0)
    fold, (fresh, _) = np.arange(60) % 3, draw(20, 4)
    first, second = (fit(BOOSTED, table, price, fold) for _ in range(2))
    pd.testing.assert_frame_equal(first.model.predict(fresh), second.model.predict(fresh))
    pd.testing.assert_frame_equal(first.out_of_fold, second.out_of_fold)


# --- Out-of-fold ----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ALL)
def test_a_fold_is_predicted_independently_of_its_own_prices(name: str) -> None:
    """Multiply the prices of one fold by 1000: only the predictions of the others change."""
    table, price = draw(60, 6)
    fold = np.arange(60) % 4
    changed = fold == 2
    before = fit(name, table, price, fold).out_of_fold
    after = fit(name, table, np.where(changed, 1000 * price, price), fold).out_of_fold
    pd.testing.assert_frame_equal(before[changed], after[changed])
    assert (before.loc[~changed, "price"] != after.loc[~changed, "price"]).any()
    assert before.index.equals(table.index) and before[BOUNDS].notna().all(axis=None)


def test_fitted_listings_are_predicted_no_better_than_new_ones(candidate: Candidate) -> None:
    """Coverage is the same too: the margins come from prices that the bounds were not fitted on."""
    table, price = draw(600, 0)
    new_table, new_price = draw(3000, 2)

    def error(predicted: pd.DataFrame, price: np.ndarray) -> float:
        return float(np.abs(np.log1p(predicted["price"]) - np.log1p(price)).mean())

    out_of_fold, in_sample = candidate.out_of_fold, candidate.model.predict(table)
    new = candidate.model.predict(new_table)
    assert error(out_of_fold, price) == pytest.approx(error(new, new_price), rel=0.08)
    assert error(in_sample, price) < 0.9 * error(out_of_fold, price), "in-sample errors are lower"
    inside = (out_of_fold["price_low"] <= price) & (price <= out_of_fold["price_high"])
    assert inside.mean() == pytest.approx(0.8, abs=0.06)
    far = (price < out_of_fold["flag_below"]) | (price > out_of_fold["flag_above"])
    assert far.mean() == pytest.approx(0.02, abs=0.02)


def test_rows_without_a_price_are_predicted_but_not_learned_from() -> None:
    table, price = draw(40, 7)
    unpriced = np.arange(40) % 8 == 0
    fold = np.arange(40) % 4
    for name in ALL:
        candidate = fit(name, table, np.where(unpriced, np.nan, price), fold)
        assert candidate.out_of_fold["price"].notna().all()
        if name == "constant":
            median = np.median(price[~unpriced])
            predicted = candidate.model.predict(table)["price"].iloc[0]
            assert predicted == pytest.approx(median, abs=0.01)


def test_folds_are_whole_groups_whatever_the_prices() -> None:
    group = np.array([7, 7, 3, 3, 9, 1, 1, 5, 5, 2])
    priced = np.array([1, 1, 1, 0, 0, 1, 1, 1, 1, 1], dtype=bool)
    fold = assign_folds(group, priced)
    assert pd.Series(fold).groupby(group).nunique().eq(1).all()
    assert fold[4] == -1 and set(fold) == {-1, 0, 1, 2, 3, 4}
    assert assign_folds(np.array([4, 4, 8]), np.array([True, True, False])).tolist() == [0, 0, -1]


def test_progress_is_reported_after_every_fit() -> None:
    table, price = draw(30, 8)
    calls: list[None] = []
    fit_stacked(table, price, np.arange(30) % 3, SETTINGS, lambda: calls.append(None))
    assert len(calls) == count_fits(3)


# --- The selection --------------------------------------------------------------------------------
def test_the_simplest_of_equal_candidates_is_selected() -> None:
    names = ("constant", "ridge", "boosted")
    assert select({name: {"rmsle": 0.5, "n": 9} for name in names}) == "constant"
    assert select({name: {"n": 0} for name in names}) == "constant"


def test_a_baseline_that_replaces_the_model_is_explained() -> None:
    scores = {"ridge": {"rmsle": 0.9, "n": 7}, "boosted": {"rmsle": 1.1, "n": 7}}
    assert explain_selection("boosted", scores) == ""
    assert "RMSLE 0.900 against 1.100, n=7" in explain_selection("ridge", scores)
    assert "too few groups" in explain_selection("constant", {"constant": {"n": 0}})


# --- Missing data ---------------------------------------------------------------------------------
def test_a_listing_without_any_content_has_a_price(model: PriceModel) -> None:
    table, _ = draw(2, 12)
    table = table.assign(name=["", "£" * 9], description="", location="")
    photo = [name for name in table if name.startswith("photo_")]
    table[photo] = np.nan
    assert np.isfinite(model.predict(table)).all(axis=None)


@pytest.mark.parametrize(
    ("name", "description", "location"),
    [
        ("", "", ""),
        ("A{i}", "", ""),
        ("A{i}", "word{i}", "town{i}"),
        ("", "a good thing", ""),
        ("", "", "Leeds"),
        ("lamp", "a good thing", ""),
        ("lamp", "", "town{i}"),
        ("lamp", "word{i}", "Leeds"),
    ],
)
def test_any_text_may_be_missing(name: str, description: str, location: str) -> None:
    table = plain_table(12, np.nan, name=name, description=description, location=location)
    price, fold = np.arange(1.0, 13), np.arange(12) % 3
    for model in ALL:
        candidate = fit(model, table, price, fold)
        assert np.isfinite(candidate.out_of_fold["price"]).all()
        assert np.isfinite(candidate.model.predict(table)["price"]).all()


@pytest.mark.parametrize("block", ["text", "category"])
def test_vectors_may_be_missing(block: str) -> None:
    table, price = draw(24, 9)
    table.loc[:, [name for name in table if name.startswith(f"{block}_")]] = np.nan
    candidate = fit(BOOSTED, table, price, np.arange(24) % 3)
    assert np.isfinite(candidate.out_of_fold[BOUNDS]).all(axis=None)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("price", [0.0, 5.0, 9.99])
def test_equal_prices_are_predicted_and_not_flagged(name: str, price: float) -> None:
    table, _ = draw(24, 10)
    prices = pd.Series(price, table.index)
    predicted = fit(name, table, prices.to_numpy(), np.arange(24) % 3).out_of_fold
    assert predicted["price"].tolist() == pytest.approx(prices.tolist(), abs=0.01)
    if name != BOOSTED:
        assert not flag_prices(prices, prices.lt(0), predicted).any()


def test_a_single_price_gives_a_constant_with_the_widest_interval() -> None:
    table, _ = draw(3, 11)
    price = np.array([7.0, np.nan, np.nan])
    candidate = fit("constant", table, price, np.zeros(3, int))
    assert candidate.out_of_fold["price"].isna().all(), "there is no other price to predict from"
    predicted = candidate.model.predict(table)
    assert predicted["price"].eq(7).all() and predicted["price_low"].eq(0).all()
    assert predicted["price_high"].eq(1e7).all()
