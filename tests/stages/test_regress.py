"""Stage regress: honest baselines, a model that beats them, and metrics that describe it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from raw_input import input_settings
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression

from market.core.settings import Regress
from market.data.clean_listings import has_price_to_learn
from market.data.listings import clean_products
from market.data.money import Money
from market.data.synthetic.listings import draw_products
from market.models.metrics import score_prices
from market.models.price_baselines import linear_regression, predict_untransformed
from market.models.price_features import TEXT_COLUMNS, price_table
from market.models.price_flags import FLAGS, flag_prices
from market.models.price_training import (
    Candidate,
    explain_selection,
    fit_candidates,
    score_out_of_fold,
    select,
)

SCORES = {"rmse", "mae", "median_ae", "rmsle", "within_25pct", "n"}
SETTINGS = Regress(
    alpha=4.0,
    min_df=2,
    epochs=3,
    learning_rate=0.05,
    n_estimators=20,
    coverage=0.8,
    flagged_share=0.02,
    seed=0,
)


@pytest.fixture(scope="module")
def products() -> pd.DataFrame:
    """600 sample listings without photos, a quarter of them test products."""
    drawn = draw_products(np.random.Generator(np.random.PCG64(3)), 600)
    table = clean_products(
        drawn.reset_index(drop=True), placeholder_above=100_000, settings=input_settings()
    )
    table["split"] = np.where(np.arange(600) % 4 == 0, "test", "train")
    table["group"] = np.arange(600)
    return table


def text_table(products: pd.DataFrame) -> pd.DataFrame:
    """Return the price table of listings, with uninformative vectors."""
    n = len(products)
    return price_table(
        products, np.zeros((n, 2)), np.full((n, 2), np.nan), np.ones((n, 1)), Money("GBP", ".")
    )


def price_to_learn(products: pd.DataFrame) -> pd.Series:
    """Return the prices that the stage fits on; NaN for the other products."""
    rows = (products["split"] != "test") & has_price_to_learn(products)
    return products["price"].where(rows)


def fit(products: pd.DataFrame, settings: Regress = SETTINGS) -> dict[str, Candidate]:
    price = price_to_learn(products)
    return fit_candidates(text_table(products), price, products["group"], settings)


def predict_test(products: pd.DataFrame, candidates: dict[str, Candidate]) -> dict[str, np.ndarray]:
    """Return the predictions for the test products, by candidate or baseline."""
    test = products["split"] == "test"
    known = products[price_to_learn(products).notna()]
    table = text_table(products)[test]
    return predict_untransformed(known, products[test]) | {
        name: candidate.model.predict(table)["price"].to_numpy()
        for name, candidate in candidates.items()
    }


@pytest.fixture(scope="module")
def candidates(products: pd.DataFrame) -> dict[str, Candidate]:
    return fit(products)


@pytest.fixture(scope="module")
def predictions(products: pd.DataFrame, candidates: dict[str, Candidate]) -> dict[str, np.ndarray]:
    return predict_test(products, candidates)


# --- Honesty --------------------------------------------------------------------------------------
def test_the_baseline_is_tfidf_of_each_column_and_a_linear_regression() -> None:
    features, linear = (step for _, step in linear_regression().steps)
    assert isinstance(features, ColumnTransformer) and isinstance(linear, LinearRegression)
    assert [column for *_, column in features.transformers] == ["name", "description", "location"]
    for _, vectorizer, _ in features.transformers:
        assert isinstance(vectorizer, TfidfVectorizer)
        params = vectorizer.get_params() | {"token_pattern": TfidfVectorizer().token_pattern}
        assert params == TfidfVectorizer().get_params()
        # Its words are scikit-learn's wherever spaces part them.
        text = "Oak table, 2 chairs: a bargain at £5.50 in St. Ives (Cornwall) – señor's café"
        assert vectorizer.build_analyzer()(text) == TfidfVectorizer().build_analyzer()(text)


def test_the_model_beats_the_baselines(
    products: pd.DataFrame, predictions: dict[str, np.ndarray]
) -> None:
    test = products[products["split"] == "test"]
    for rows in (test["price"] >= 0, ~test["price_is_placeholder"]):
        price = test.loc[rows, "price"].to_numpy()
        rmsle = {
            name: score_prices(price, predicted[rows])["rmsle"]
            for name, predicted in predictions.items()
        }
        assert set(rmsle) == {"constant", "constant_mean", "baseline", "ridge", "boosted"}
        assert rmsle["ridge"] < 0.9 * min(rmsle["constant"], rmsle["baseline"])
        assert rmsle.pop("boosted") < 0.95 * min(rmsle.values())


def test_test_products_are_excluded_from_all_fitting(
    products: pd.DataFrame, predictions: dict[str, np.ndarray]
) -> None:
    """Change the text of every other test product, and all their prices: the rest stays."""
    changed = products.copy()
    test = np.flatnonzero(changed["split"] == "test")
    changed.loc[test[1::2], list(TEXT_COLUMNS)] = "zzzunheard of wordszzz"
    changed.loc[test, "price"] = 10.0**9
    again = predict_test(changed, fit(changed))
    for name, predicted in predictions.items():
        np.testing.assert_allclose(again[name][::2], predicted[::2], atol=0.01, err_msg=name)


def test_placeholders_are_excluded_from_all_fitting(
    products: pd.DataFrame, predictions: dict[str, np.ndarray]
) -> None:
    flagged = products["price_is_placeholder"] & (products["split"] == "train")
    flagged &= products["price"] > 0
    assert flagged.any()
    changed = products.assign(price=products["price"].where(~flagged, 10.0**9))
    again = predict_test(changed, fit(changed))
    for name, predicted in predictions.items():
        np.testing.assert_array_equal(again[name], predicted, err_msg=name)


def test_gifts_are_learned_from() -> None:
    products = pd.DataFrame(
        {
            "price": [0.0, 5.0, 1234567.0, np.nan],
            "price_is_placeholder": [True, False, True, False],
        }
    )
    assert has_price_to_learn(products).tolist() == [True, True, False, False]


def test_any_text_has_a_finite_price(candidates: dict[str, Candidate]) -> None:
    odd = ["", "zzz", "🔥" * 50, "brand new " * 5000, "a\nb", "£" * 9]
    table = text_table(pd.DataFrame({column: odd for column in TEXT_COLUMNS}))
    for candidate in candidates.values():
        predicted = candidate.model.predict(table)
        assert np.isfinite(predicted["price"]).all()
        assert np.abs(predicted["price"]).max() < 1e6


# --- The selection, and missing data --------------------------------------------------------------
def test_the_boosted_model_is_selected_where_it_wins(
    products: pd.DataFrame, candidates: dict[str, Candidate]
) -> None:
    price = price_to_learn(products)
    scores = score_out_of_fold(candidates, price)
    assert {by_model["n"] for by_model in scores.values()} == {price.notna().sum()}
    assert select(scores) == "boosted"


def test_a_baseline_replaces_the_model_where_prices_are_noise(products: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    noise = products.assign(price=rng.permutation(products["price"]), price_is_placeholder=False)
    noise["price"] = noise["price"].clip(1, 500)
    candidates = fit(noise)
    scores = score_out_of_fold(candidates, price_to_learn(noise))
    selected = select(scores)
    assert selected != "boosted"
    assert scores[selected]["rmsle"] == min(by_model["rmsle"] for by_model in scores.values())
    message = explain_selection(selected, scores)
    assert f"the baseline {selected} replaces the boosted model" in message
    assert f"{scores['boosted']['rmsle']:.3f}" in message
    assert candidates[selected].model.estimator.name == selected


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_few_groups_fit_the_models_that_they_can(products: pd.DataFrame, groups: int) -> None:
    few = products[:24].assign(group=np.arange(24) % groups, price_is_placeholder=False)
    few["group"] += 100 * (few["split"] == "test")
    candidates = fit(few)
    assert ("boosted" in candidates) == (groups >= 3)
    scores = score_out_of_fold(candidates, price_to_learn(few))
    selected = select(scores)
    expected = candidates[selected].expected(text_table(few))
    assert expected.loc[few["split"] == "test", "price"].notna().all()
    # A single group has no other group to be predicted from.
    assert expected.loc[few["split"] != "test", "price"].notna().all() == (groups > 1)
    if groups < 3:
        assert "too few groups have a price" in explain_selection(selected, scores)


# --- The sample -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def metrics(ran: Path) -> dict:
    return json.loads((ran / "metrics/regress.json").read_text(encoding="utf-8"))


def test_metrics_stand_beside_those_of_the_baselines(metrics: dict) -> None:
    models = {"constant", "constant_mean", "baseline", "ridge", "linear", "network", "model"}
    others = {
        "without_placeholders",
        "placeholders",
        "n",
        "seed",
        "over_seeds",
        "interval",
        "flags",
        "chosen",
        "cross_validated",
    }
    assert set(metrics) == models | others
    assert metrics["flags"]["placeholder"] == metrics["placeholders"]
    assert metrics["over_seeds"]["rmsle"]["seeds"] == 3
    rmsle = {name: scores["rmsle"] for name, scores in metrics["cross_validated"].items()}
    assert metrics["chosen"] == min(rmsle, key=lambda name: rmsle[name])
    if metrics["chosen"] != "boosted":
        assert metrics["model"] == metrics[metrics["chosen"]]
    assert metrics["interval"]["n"] == metrics["n"]
    assert metrics["interval"]["target_coverage"] == 0.8
    assert set(metrics["without_placeholders"]) == models
    for name in models:
        assert set(metrics[name]) == set(metrics["without_placeholders"][name]) == SCORES
        assert metrics[name]["n"] == metrics["n"]
        sensible = metrics["without_placeholders"][name]["n"]
        assert sensible == metrics["n"] - metrics["placeholders"]


def test_every_test_product_is_scored(ran: Path, metrics: dict) -> None:
    listings = pd.read_parquet(
        ran / "data/merged/listings.parquet", columns=["product_id", "split"]
    )
    listings = listings.drop_duplicates("product_id")
    plot = pd.read_csv(ran / "plots/regress.csv")
    assert len(plot) == metrics["n"] == (listings["split"] == "test").sum()
    pounds = 10**plot - 1
    scores = score_prices(pounds["log10_price"].to_numpy(), pounds["log10_predicted"].to_numpy())
    assert scores == pytest.approx(metrics["model"], rel=1e-3)


def test_every_product_has_an_expected_price_and_the_flag_that_is_counted(
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


# --- Expected prices ------------------------------------------------------------------------------
def test_an_expected_price_does_not_depend_on_prices_of_its_own_group(
    products: pd.DataFrame,
) -> None:
    """This holds for a placeholder too, whose group has another price that is learned from."""
    pairs = products[:200].copy()
    pairs["group"] = np.arange(200) // 2
    pairs["split"] = np.where(pairs["group"] % 4 == 0, "test", "train")
    group = pairs.loc[pairs["split"].eq("train"), "group"].iloc[0]
    placeholder, other = pairs.index[pairs["group"] == group]
    pairs.loc[placeholder, ["price", "price_is_placeholder"]] = (1234567.0, True)
    pairs.loc[other, ["price", "price_is_placeholder"]] = (20.0, False)
    changed = pairs.copy()
    changed.loc[other, "price"] = 9000.0
    small = SETTINGS.model_copy(update={"n_estimators": 5, "epochs": 1})
    before, after = fit(pairs, small), fit(changed, small)
    table = text_table(pairs)
    for name in before:
        old, new = before[name].expected(table), after[name].expected(table)
        columns = ["price", "flag_below", "flag_above"]
        rows = [placeholder, other]
        pd.testing.assert_frame_equal(old.loc[rows, columns], new.loc[rows, columns])
        if name == "boosted":
            assert (old["price"] != new["price"]).sum() > 100, "others do learn from it"


def test_expected_prices_of_fitted_and_test_products_are_equally_good(
    products: pd.DataFrame, candidates: dict[str, Candidate]
) -> None:
    """The ranker's price fairness has the same mean for fitted products as for new ones."""
    expected = candidates["boosted"].expected(text_table(products))
    price = products["price"]
    flags = flag_prices(price, products["price_is_placeholder"], expected)
    assert set(flags) <= {"", *FLAGS}
    fairness = 1 + np.clip(np.log1p(expected["price"]) - np.log1p(price), -1, 0)
    test = products["split"].eq("test")
    fitted_mean, test_mean = (fairness[rows & flags.eq("")].mean() for rows in (~test, test))
    assert fitted_mean == pytest.approx(test_mean, abs=0.05)
    np.testing.assert_array_equal(
        expected.loc[test, "price"],
        candidates["boosted"].model.predict(text_table(products))["price"][test],
    )
