"""Price: an honest baseline, robust scores, and a model that beats guessing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression

import regress
import sample
from shared.listings import clean_products
from shared.model_file import load_model
from shared.price_model import PriceModel, price_table

SCORES = {"rmse", "mae", "median_ae", "rmsle", "within_25pct", "n"}


@pytest.fixture(scope="module")
def products() -> pd.DataFrame:
    """Six hundred sample listings without photos, a quarter of them for testing."""
    drawn = sample.draw_products(np.random.Generator(np.random.PCG64(3)), 600)
    table = clean_products(drawn.reset_index(drop=True), placeholder_above=100_000)
    table["split"] = np.where(np.arange(600) % 4 == 0, "test", "train")
    table["group"] = np.arange(600)
    return table


HOW: dict[str, Any] = {
    "alpha": 4.0,
    "min_df": 2,
    "epochs": 3,
    "rate": 0.05,
    "trees": 20,
    "coverage": 0.8,
    "far_off": 0.02,
    "seed": 0,
}


def table_of(products: pd.DataFrame) -> pd.DataFrame:
    """The price table of listings of which only the text is known."""
    n = len(products)
    return price_table(products, np.zeros((n, 2)), np.full((n, 2), np.nan), np.ones((n, 1)))


def all_predictions(products: pd.DataFrame) -> dict[str, np.ndarray]:
    _, expected = regress.regress(products, table_of(products), **HOW)
    predicted = expected.loc[products["split"] == "test", "price"]
    return regress.trivial(products) | {"model": predicted.to_numpy()}


@pytest.fixture(scope="module")
def predictions(products: pd.DataFrame) -> dict[str, np.ndarray]:
    return all_predictions(products)


def test_scores_are_what_they_are_by_hand() -> None:
    price, predicted = np.array([100.0, 200.0, 0.0]), np.array([110.0, 150.0, -5.0])
    logs = [math.log(111 / 101), math.log(151 / 201), 0]  # -5 counts as 0
    assert regress.score_prices(price, predicted) == pytest.approx(
        {
            "rmse": math.sqrt((10**2 + 50**2 + 5**2) / 3),
            "mae": 65 / 3,
            "median_ae": 10,
            "rmsle": math.sqrt(sum(log**2 for log in logs) / 3),
            "within_25pct": 2 / 3,
            "n": 3,
        }
    )


def test_the_baseline_is_a_tfidf_per_column_and_a_linear_regression() -> None:
    features, linear = (step for _, step in regress.baseline().steps)
    assert isinstance(features, ColumnTransformer) and isinstance(linear, LinearRegression)
    assert [column for *_, column in features.transformers] == ["name", "description", "location"]
    for _, vectorizer, _ in features.transformers:
        assert isinstance(vectorizer, TfidfVectorizer)
        assert vectorizer.get_params() == TfidfVectorizer().get_params()


def test_the_model_beats_the_constants_and_the_baseline(
    products: pd.DataFrame, predictions: dict[str, np.ndarray]
) -> None:
    test = products[products["split"] == "test"]
    for rows in (test["price"] >= 0, ~test["price_is_placeholder"]):
        rmsle = {
            name: regress.score_prices(test.loc[rows, "price"].to_numpy(), of[rows])["rmsle"]
            for name, of in predictions.items()
        }
        assert set(rmsle) == {"constant", "constant_mean", "baseline", "model"}
        assert rmsle.pop("model") < 0.9 * min(rmsle.values())


def test_nothing_is_learned_from_test_products(
    products: pd.DataFrame, predictions: dict[str, np.ndarray]
) -> None:
    other = products.copy()
    test = np.flatnonzero(other["split"] == "test")
    changed = test[1::2]
    other.loc[changed, regress.TEXT] = "zzzunheard of wordszzz"
    other.loc[test, "price"] = 10.0**9
    again = all_predictions(other)
    for name, of in predictions.items():
        np.testing.assert_allclose(again[name][::2], of[::2], rtol=1e-6, err_msg=name)


def test_the_model_learns_from_no_placeholder_but_gifts(
    products: pd.DataFrame, predictions: dict[str, np.ndarray]
) -> None:
    flagged = products["price_is_placeholder"] & (products["split"] == "train")
    flagged &= products["price"] > 0
    assert flagged.any()
    other = products.assign(price=products["price"].where(~flagged, 10.0**9))
    again = all_predictions(other)
    np.testing.assert_array_equal(again["model"], predictions["model"])
    assert not np.allclose(again["constant_mean"], predictions["constant_mean"])


def test_any_text_has_a_finite_price(products: pd.DataFrame) -> None:
    model, _ = regress.regress(products, table_of(products), **HOW)
    odd = ["", "zzz", "🔥" * 50, "brand new " * 5000, "a\nb", "£" * 9]
    predicted = model.predict(table_of(pd.DataFrame({column: odd for column in regress.TEXT})))
    assert np.isfinite(predicted["price"]).all()
    assert np.abs(predicted["price"]).max() < 1e6


def test_prices_that_nobody_means_are_not_learned_from_but_gifts_are() -> None:
    products = pd.DataFrame(
        {"price": [0.0, 5.0, 1234567.0], "price_is_placeholder": [True, False, True]}
    )
    assert regress.meant(products).tolist() == [True, True, False]


def test_an_interval_is_scored_by_hand() -> None:
    predicted = pd.DataFrame({"price_low": [1.0, 9, 0], "price_high": [3.0, 19, 0]})
    found = regress.interval_scores(np.array([3.0, 20, 0]), predicted)
    assert found == {"coverage": pytest.approx(2 / 3), "median_high_over_low": 2.0, "n": 3}


# --- The sample, as a script ----------------------------------------------------------------------
@pytest.fixture(scope="module")
def metrics(ran: Path) -> dict:
    return json.loads((ran / "metrics/regress.json").read_text(encoding="utf-8"))


def test_metrics_stand_beside_their_baselines(metrics: dict) -> None:
    estimators = {"constant", "constant_mean", "baseline", "linear", "network", "model"}
    others = {
        "without_placeholders",
        "placeholders",
        "n",
        "seed",
        "over_seeds",
        "interval",
        "flags",
    }
    assert set(metrics) == estimators | others
    assert metrics["flags"]["placeholder"] == metrics["placeholders"]
    assert metrics["over_seeds"]["rmsle"]["seeds"] == 3
    assert metrics["interval"]["n"] == metrics["n"] and metrics["interval"]["asked"] == 0.8
    assert set(metrics["without_placeholders"]) == estimators
    for name in estimators:
        assert set(metrics[name]) == set(metrics["without_placeholders"][name]) == SCORES
        assert metrics[name]["n"] == metrics["n"]
        meant = metrics["without_placeholders"][name]["n"]
        assert meant == metrics["n"] - metrics["placeholders"]


def test_every_test_product_is_judged(ran: Path, metrics: dict) -> None:
    listings = pd.read_parquet(
        ran / "data/merged/listings.parquet", columns=["product_id", "split"]
    )
    listings = listings.drop_duplicates("product_id")
    plot = pd.read_csv(ran / "plots/regress.csv")
    assert len(plot) == metrics["n"] == (listings["split"] == "test").sum()
    pounds = 10**plot - 1
    scores = regress.score_prices(
        pounds["log10_price"].to_numpy(), pounds["log10_predicted"].to_numpy()
    )
    assert scores == pytest.approx(metrics["model"], rel=1e-3)


def test_the_saved_model_is_the_judged_one(ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ran)
    products, table = regress.read_products()
    folder = ran / "models/price"
    margins = json.loads((folder / "margins.json").read_text(encoding="utf-8"))
    model = PriceModel.assemble(lambda name: load_model(folder / f"{name}.skops"), margins)
    predicted = model.predict(table[(products["split"] == "test").to_numpy()])["price"]
    plot = pd.read_csv(ran / "plots/regress.csv")
    np.testing.assert_allclose(np.log10(1 + predicted), plot["log10_predicted"], atol=6e-5)


def test_every_product_has_an_expected_price_and_the_flags_that_are_counted(
    ran: Path, metrics: dict
) -> None:
    expected = pd.read_parquet(ran / "data/price/expected.parquet")
    columns = ["product_id", "split", "price", "price_is_placeholder"]
    products = pd.read_parquet(ran / "data/merged/listings.parquet", columns=columns)
    products = products.drop_duplicates("product_id").set_index("product_id")
    assert sorted(expected["product_id"]) == sorted(products.index)
    assert np.isfinite(expected["price_expected"]).all() and (expected["price_expected"] >= 0).all()
    products = products.join(expected.set_index("product_id"))
    flagged = products["price_flag"].eq("placeholder")
    assert flagged.equals(products["price_is_placeholder"].rename("price_flag"))
    counts = products.loc[products["split"] == "test", "price_flag"].value_counts()
    assert {name: counts.get(name, 0) for name in metrics["flags"]} == metrics["flags"]


def test_what_was_fitted_on_is_expected_by_a_ridge_that_did_not_see_it(
    products: pd.DataFrame,
) -> None:
    table = table_of(products)
    model, expected = regress.regress(products, table, **HOW)
    seen = model.predict(table)["linear"]
    learned = (products["split"] != "test") & regress.meant(products)
    price = np.log1p(products["price"])
    error, fitted = (np.abs(np.log1p(of) - price) for of in (expected["linear"], seen))
    assert error[learned].mean() > 1.3 * fitted[learned].mean()
    np.testing.assert_allclose(expected.loc[~learned, "linear"], seen[~learned])
