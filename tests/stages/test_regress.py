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

from market.data.listings import clean_products, has_price_to_learn
from market.data.synthetic.listings import draw_products
from market.models.price import FLAGS, Candidate, PriceModel, flag_prices, price_table
from market.models.skops_files import load_model
from stages import regress

SCORES = {"rmse", "mae", "median_ae", "rmsle", "within_25pct", "n"}


@pytest.fixture(scope="module")
def products() -> pd.DataFrame:
    """Six hundred sample listings without photos, a quarter of them for testing."""
    drawn = draw_products(np.random.Generator(np.random.PCG64(3)), 600)
    table = clean_products(drawn.reset_index(drop=True), placeholder_above=100_000)
    table["split"] = np.where(np.arange(600) % 4 == 0, "test", "train")
    table["group"] = np.arange(600)
    return table


HOW: dict[str, Any] = {
    "alpha": 4.0,
    "min_df": 2,
    "epochs": 3,
    "learning_rate": 0.05,
    "n_estimators": 20,
    "coverage": 0.8,
    "flagged_share": 0.02,
    "seed": 0,
}


def table_of(products: pd.DataFrame) -> pd.DataFrame:
    """The price table of listings of which only the text is known."""
    n = len(products)
    return price_table(products, np.zeros((n, 2)), np.full((n, 2), np.nan), np.ones((n, 1)))


def all_predictions(
    products: pd.DataFrame, candidates: dict[str, Candidate]
) -> dict[str, np.ndarray]:
    """What each estimator predicts for the test products, by name."""
    test = products["split"] == "test"
    known = products[~test & has_price_to_learn(products)]
    table = table_of(products)[test]
    return regress.predict_naively(known, products[test]) | {
        name: candidate.model.predict(table)["price"].to_numpy()
        for name, candidate in candidates.items()
    }


@pytest.fixture(scope="module")
def candidates(products: pd.DataFrame) -> dict[str, Candidate]:
    return regress.fit_candidates(products, table_of(products), **HOW)


@pytest.fixture(scope="module")
def predictions(products: pd.DataFrame, candidates: dict[str, Candidate]) -> dict[str, np.ndarray]:
    return all_predictions(products, candidates)


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
        assert set(rmsle) == {"constant", "constant_mean", "baseline", "ridge", "boosted"}
        assert rmsle["ridge"] < 0.9 * min(rmsle["constant"], rmsle["baseline"])
        assert rmsle.pop("boosted") < 0.95 * min(rmsle.values())


def test_nothing_is_learned_from_test_products(
    products: pd.DataFrame, predictions: dict[str, np.ndarray]
) -> None:
    other = products.copy()
    test = np.flatnonzero(other["split"] == "test")
    changed = test[1::2]
    other.loc[changed, regress.TEXT] = "zzzunheard of wordszzz"
    other.loc[test, "price"] = 10.0**9
    again = all_predictions(other, regress.fit_candidates(other, table_of(other), **HOW))
    for name, of in predictions.items():
        np.testing.assert_allclose(again[name][::2], of[::2], atol=0.01, err_msg=name)


def test_nothing_is_learned_from_a_placeholder_but_gifts(
    products: pd.DataFrame, predictions: dict[str, np.ndarray]
) -> None:
    flagged = products["price_is_placeholder"] & (products["split"] == "train")
    flagged &= products["price"] > 0
    assert flagged.any()
    other = products.assign(price=products["price"].where(~flagged, 10.0**9))
    again = all_predictions(other, regress.fit_candidates(other, table_of(other), **HOW))
    for name, of in predictions.items():
        np.testing.assert_array_equal(again[name], of, err_msg=name)


def test_any_text_has_a_finite_price(candidates: dict[str, Candidate]) -> None:
    odd = ["", "zzz", "🔥" * 50, "brand new " * 5000, "a\nb", "£" * 9]
    table = table_of(pd.DataFrame({column: odd for column in regress.TEXT}))
    for candidate in candidates.values():
        predicted = candidate.model.predict(table)
        assert np.isfinite(predicted["price"]).all()
        assert np.abs(predicted["price"]).max() < 1e6


def test_prices_that_nobody_means_are_not_learned_from_but_gifts_are() -> None:
    products = pd.DataFrame(
        {
            "price": [0.0, 5.0, 1234567.0, np.nan],
            "price_is_placeholder": [True, False, True, False],
        }
    )
    assert has_price_to_learn(products).tolist() == [True, True, False, False]


def test_an_interval_is_scored_by_hand() -> None:
    predicted = pd.DataFrame({"price_low": [1.0, 9, 0], "price_high": [3.0, 19, 0]})
    found = regress.interval_scores(np.array([3.0, 20, 0]), predicted)
    assert found == {"coverage": pytest.approx(2 / 3), "median_high_over_low": 2.0, "n": 3}


# --- The choice, and what may be missing ----------------------------------------------------------
def test_the_model_stands_where_it_wins(
    products: pd.DataFrame, candidates: dict[str, Candidate]
) -> None:
    scores = regress.score_out_of_fold(products, candidates)
    learned = (products["split"] != "test") & has_price_to_learn(products)
    assert {of["n"] for of in scores.values()} == {learned.sum()}
    assert regress.choose(scores) == "boosted"
    assert regress.explain("boosted", scores, []) == ""


def test_a_model_that_loses_gives_way_and_says_so(products: pd.DataFrame) -> None:
    """Prices that have nothing to do with the listings: the less is learned the better."""
    rng = np.random.default_rng(0)
    noise = products.assign(price=rng.permutation(products["price"]), price_is_placeholder=False)
    noise["price"] = noise["price"].clip(1, 500)
    candidates = regress.fit_candidates(noise, table_of(noise), **HOW)
    scores = regress.score_out_of_fold(noise, candidates)
    chosen = regress.choose(scores)
    assert chosen != "boosted"
    assert scores[chosen]["rmsle"] == min(of["rmsle"] for of in scores.values())
    told = regress.explain(chosen, scores, [])
    assert (
        f"the baseline {chosen} replaces the boosted model" in told
        and f"{scores['boosted']['rmsle']:.3f}" in told
    )
    saved = candidates[chosen].model
    assert saved.margins()["chosen"] == chosen and set(saved.estimators()) == {chosen}


def test_the_simplest_of_equals_is_chosen() -> None:
    names = ("constant", "ridge", "boosted")
    assert regress.choose({name: {"rmsle": 0.5, "n": 9} for name in names}) == "constant"
    assert regress.choose({name: {"n": 0} for name in names}) == "constant"


def test_where_no_price_can_be_judged_there_is_a_count() -> None:
    nothing = np.array([])
    assert regress.score_prices(nothing, nothing) == {"n": 0}
    predicted = pd.DataFrame({"price_low": nothing, "price_high": nothing})
    assert regress.interval_scores(nothing, predicted) == {"n": 0}


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_few_groups_train_what_can_be_trained(products: pd.DataFrame, groups: int) -> None:
    few = products[:24].assign(group=np.arange(24) % groups, price_is_placeholder=False)
    few["group"] += 100 * (few["split"] == "test")
    candidates = regress.fit_candidates(few, table_of(few), **HOW)
    assert ("boosted" in candidates) == (groups >= 3)
    scores = regress.score_out_of_fold(few, candidates)
    chosen = regress.choose(scores)
    expected = regress.expect(candidates[chosen], table_of(few))
    assert expected.loc[few["split"] == "test", "price"].notna().all()
    # With one group there is no other to expect its prices from.
    assert expected.loc[few["split"] != "test", "price"].notna().all() == (groups > 1)
    if groups < 3:
        assert "too few groups have a price" in regress.explain(chosen, scores, [])


def test_words_that_are_too_rare_are_named() -> None:
    told = regress.explain("boosted", {"boosted": {"rmsle": 1.0, "n": 5}}, ["name", "location"])
    assert told == "; nothing learned from name, location: no word in regress.min_df products"


# --- The sample, as a script ----------------------------------------------------------------------
@pytest.fixture(scope="module")
def metrics(ran: Path) -> dict:
    return json.loads((ran / "metrics/regress.json").read_text(encoding="utf-8"))


def test_metrics_stand_beside_their_baselines(metrics: dict) -> None:
    estimators = {"constant", "constant_mean", "baseline", "ridge", "linear", "network", "model"}
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
    assert set(metrics) == estimators | others
    assert metrics["flags"]["placeholder"] == metrics["placeholders"]
    assert metrics["over_seeds"]["rmsle"]["seeds"] == 3
    rmsle = {name: of["rmsle"] for name, of in metrics["cross_validated"].items()}
    assert metrics["chosen"] == min(rmsle, key=lambda name: rmsle[name])
    if metrics["chosen"] != "boosted":
        assert metrics["model"] == metrics[metrics["chosen"]]
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


def test_expected_prices_owe_nothing_to_the_products_own_group(products: pd.DataFrame) -> None:
    """Also that of a placeholder, whose group has a price that was learned from."""
    other = products[:200].copy()
    other["group"] = np.arange(200) // 2  # pairs
    other["split"] = np.where(other["group"] % 4 == 0, "test", "train")
    group = other.loc[other["split"].eq("train"), "group"].iloc[0]
    placeholder, mate = other.index[other["group"] == group]
    other.loc[placeholder, ["price", "price_is_placeholder"]] = (1234567.0, True)
    other.loc[mate, ["price", "price_is_placeholder"]] = (20.0, False)
    changed = other.copy()
    changed.loc[mate, "price"] = 9000.0
    small = HOW | {"n_estimators": 5, "epochs": 1}
    candidates = [regress.fit_candidates(of, table_of(of), **small) for of in (other, changed)]
    for name in candidates[0]:
        one, two = (regress.expect(of[name], table_of(other)) for of in candidates)
        bounds = ["price", "least", "most"]
        own = [placeholder, mate]
        pd.testing.assert_frame_equal(one.loc[own, bounds], two.loc[own, bounds])
        if name == "boosted":
            assert (one["price"] != two["price"]).sum() > 100, "others do learn from it"


def test_fitted_and_test_products_are_expected_equally_well(
    products: pd.DataFrame, candidates: dict[str, Candidate]
) -> None:
    """The ranker's price fairness: one mean for what was fitted on and for what was not."""
    expected = regress.expect(candidates["boosted"], table_of(products))
    price = products["price"]
    flags = flag_prices(price, products["price_is_placeholder"], expected)
    assert set(flags) <= {"", *FLAGS}
    fairness = 1 + np.clip(np.log1p(expected["price"]) - np.log1p(price), -1, 0)
    test = products["split"].eq("test")
    of_fitted, of_test = (fairness[rows & flags.eq("")].mean() for rows in (~test, test))
    assert of_fitted == pytest.approx(of_test, abs=0.05)
    np.testing.assert_array_equal(
        expected.loc[test, "price"],
        candidates["boosted"].model.predict(table_of(products))["price"][test],
    )
