"""The price model: it reads amounts, its intervals hold, and it flags what does not fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from market.models.price import (
    BASELINES,
    Candidate,
    PriceModel,
    Settings,
    assign_folds,
    count_fits,
    fit_baseline,
    fit_boosted,
    flag_prices,
    price_numbers,
    price_table,
    unread_columns,
)

SETTINGS = Settings(
    alpha=1.0,
    min_df=2,
    epochs=3,
    learning_rate=0.1,
    n_estimators=30,
    coverage=0.8,
    flagged_share=0.02,
    seed=0,
)
BOUNDS = ["price", "price_low", "price_high", "least", "most"]


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


def fit(name: str, table: pd.DataFrame, price: np.ndarray, fold: np.ndarray) -> Candidate:
    if name == "boosted":
        return fit_boosted(table, price, fold, SETTINGS)
    return fit_baseline(name, table, price, fold, SETTINGS)


@pytest.fixture(scope="module")
def candidate() -> Candidate:
    table, price = draw(600, 0)
    return fit("boosted", table, price, np.arange(600) % 5)


@pytest.fixture(scope="module")
def model(candidate: Candidate) -> PriceModel:
    assert isinstance(candidate.model, PriceModel)
    return candidate.model


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


@pytest.mark.parametrize("name", ["boosted", *BASELINES])
def test_saved_parts_make_the_same_model(candidate: Candidate, name: str) -> None:
    table, price = draw(60, 4)
    model = (
        candidate.model if name == "boosted" else fit(name, table, price, np.arange(60) % 3).model
    )
    again = PriceModel.assemble(model.estimators().__getitem__, model.margins())
    assert type(again) is type(model) and again.coverage == 0.8
    pd.testing.assert_frame_equal(again.predict(table), model.predict(table))


def test_the_same_seed_gives_the_same_model() -> None:
    table, price = draw(60, 0)
    fold, (fresh, _) = np.arange(60) % 3, draw(20, 4)
    one, other = (fit("boosted", table, price, fold) for _ in range(2))
    pd.testing.assert_frame_equal(one.model.predict(fresh), other.model.predict(fresh))
    pd.testing.assert_frame_equal(one.out_of_fold, other.out_of_fold)


def test_a_listing_that_says_nothing_has_a_price(model: PriceModel) -> None:
    products = pd.DataFrame({"name": ["", "£" * 9], "description": "", "location": ""})
    table = price_table(products, np.zeros((2, 6)), np.full((2, 4), np.nan), np.full((2, 3), 1 / 3))
    assert np.isfinite(model.predict(table)).all(axis=None)


# --- Out-of-fold ----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["boosted", *BASELINES])
def test_a_price_moves_nothing_that_is_predicted_for_its_own_fold(name: str) -> None:
    """Prices of one fold are a thousand times as high: its own predictions stay, others move."""
    table, price = draw(60, 6)
    fold = np.arange(60) % 4
    changed = fold == 2
    before = fit(name, table, price, fold).out_of_fold
    after = fit(name, table, np.where(changed, 1000 * price, price), fold).out_of_fold
    pd.testing.assert_frame_equal(before[changed], after[changed])
    assert (before.loc[~changed, "price"] != after.loc[~changed, "price"]).any()
    assert before.index.equals(table.index) and before[BOUNDS].notna().all(axis=None)


def test_listings_fitted_on_are_predicted_no_better_than_new_ones(candidate: Candidate) -> None:
    """Also the intervals hold as often: the margins are by prices that the bounds did not see."""
    table, price = draw(600, 0)
    fresh, asked = draw(3000, 2)

    def error(predicted: pd.DataFrame, price: np.ndarray) -> float:
        return float(np.abs(np.log1p(predicted["price"]) - np.log1p(price)).mean())

    honest, seen = candidate.out_of_fold, candidate.model.predict(table)
    new = candidate.model.predict(fresh)
    assert error(honest, price) == pytest.approx(error(new, asked), rel=0.08)
    assert error(seen, price) < 0.9 * error(honest, price), "in-sample answers do look better"
    inside = (honest["price_low"] <= price) & (price <= honest["price_high"])
    assert inside.mean() == pytest.approx(0.8, abs=0.06)
    far = (price < honest["least"]) | (price > honest["most"])
    assert far.mean() == pytest.approx(0.02, abs=0.02)


def test_rows_without_a_price_are_predicted_and_not_learned_from() -> None:
    table, price = draw(40, 7)
    unpriced = np.arange(40) % 8 == 0
    fold = np.arange(40) % 4
    for name in ("boosted", *BASELINES):
        found = fit(name, table, np.where(unpriced, np.nan, price), fold)
        assert found.out_of_fold["price"].notna().all()
        if name == "constant":
            median = np.median(price[~unpriced])
            assert found.model.predict(table)["price"].iloc[0] == pytest.approx(median, abs=0.01)


def test_folds_are_whole_groups_whatever_the_prices() -> None:
    group = np.array([7, 7, 3, 3, 9, 1, 1, 5, 5, 2])
    priced = np.array([1, 1, 1, 0, 0, 1, 1, 1, 1, 1], dtype=bool)
    fold = assign_folds(group, priced)
    assert pd.Series(fold).groupby(group).nunique().eq(1).all()
    assert fold[4] == -1 and set(fold) == {-1, 0, 1, 2, 3, 4}
    assert assign_folds(np.array([4, 4, 8]), np.array([True, True, False])).tolist() == [0, 0, -1]


def test_the_progress_bar_is_told_of_every_fit() -> None:
    table, price = draw(30, 8)
    calls: list[None] = []
    fit_boosted(table, price, np.arange(30) % 3, SETTINGS, lambda: calls.append(None))
    assert len(calls) == count_fits(3)


# --- What may be missing --------------------------------------------------------------------------
def plain(n: int, name: str, description: str, location: str, photo: float) -> pd.DataFrame:
    """The table of listings whose texts hold "{i}" where they differ; vectors say nothing."""
    texts = {"name": name, "description": description, "location": location}
    products = pd.DataFrame(
        {column: [text.format(i=i) for i in range(n)] for column, text in texts.items()}
    )
    return price_table(products, np.zeros((n, 2)), np.full((n, 2), photo), np.ones((n, 1)))


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
    table = plain(12, name, description, location, np.nan)
    price, fold = np.arange(1.0, 13), np.arange(12) % 3
    for model in ("boosted", *BASELINES):
        found = fit(model, table, price, fold)
        assert np.isfinite(found.out_of_fold["price"]).all()
        assert np.isfinite(found.model.predict(table)["price"]).all()


def test_the_columns_that_nothing_is_learned_from_are_named() -> None:
    table = plain(6, "lamp {i}", "", "town{i}", 0.0)
    assert unread_columns(table, 2) == ["description", "location"]
    assert unread_columns(table, 1) == ["description"]
    assert unread_columns(table, 7) == ["name", "description", "location"]


@pytest.mark.parametrize("block", ["text", "category"])
def test_vectors_may_be_missing(block: str) -> None:
    table, price = draw(24, 9)
    table.loc[:, [name for name in table if name.startswith(f"{block}_")]] = np.nan
    found = fit("boosted", table, price, np.arange(24) % 3)
    assert np.isfinite(found.out_of_fold[BOUNDS]).all(axis=None)


@pytest.mark.parametrize("name", ["boosted", *BASELINES])
@pytest.mark.parametrize("price", [0.0, 5.0, 9.99])
def test_where_all_ask_the_same_nothing_is_odd(name: str, price: float) -> None:
    table, _ = draw(24, 10)
    asked = pd.Series(price, table.index)
    found = fit(name, table, asked.to_numpy(), np.arange(24) % 3).out_of_fold
    assert found["price"].tolist() == pytest.approx(asked.tolist(), abs=0.01)
    if name != "boosted":
        assert not flag_prices(asked, asked.lt(0), found).any()


def test_a_single_price_makes_a_constant_that_promises_nothing() -> None:
    table, _ = draw(3, 11)
    price = np.array([7.0, np.nan, np.nan])
    found = fit("constant", table, price, np.zeros(3, int))
    assert found.out_of_fold["price"].isna().all(), "no other price to expect it from"
    predicted = found.model.predict(table)
    assert predicted["price"].eq(7).all() and predicted["price_low"].eq(0).all()
    assert predicted["price_high"].eq(1e7).all()
