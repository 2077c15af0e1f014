"""Predict the price: simple baselines, and a better model with an interval.

In:  data/merged/listings.parquet, data/embeddings, data/category/probabilities.parquet.
Out: models/price/ (*.skops, margins.json), metrics/regress.json, plots/regress.csv (of the test
     products), data/price/expected.parquet (price_expected and price_flag of every product).

Everything is fitted on the train and validation products that have a price to learn from; the test
products judge. Expected prices, flags and intervals of the former are out-of-fold: by models fitted
without the product's group. By the RMSLE of these out-of-fold prices the median, the ridge
regression on TF-IDF or the boosted model is chosen and saved; of equal ones the simplest.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.metrics import (
    mean_absolute_error,
    median_absolute_error,
    root_mean_squared_error,
    root_mean_squared_log_error,
)
from sklearn.pipeline import Pipeline, make_pipeline

from market.core.atomic import replace_when_done, write_json
from market.core.errors import MarketError
from market.core.params import load_params
from market.core.paths import require
from market.core.stage import progress, stage
from market.data.listings import has_price_to_learn
from market.models.fusion import average_photos
from market.models.price import (
    BASELINES,
    FLAGS,
    MIN_FOLDS,
    SEEDS,
    TEXT,
    Candidate,
    Settings,
    assign_folds,
    count_fits,
    fit_baseline,
    fit_boosted,
    flag_prices,
    price_table,
    unread_columns,
)
from market.models.skops_files import save_model
from market.models.spread import spread

LISTINGS = Path("data/merged/listings.parquet")
PHOTO = Path("data/embeddings/photo.npy")
VECTORS = Path("data/embeddings/text.parquet")
CATEGORY = Path("data/category/probabilities.parquet")
EXPECTED = Path("data/price/expected.parquet")


def baseline(columns: Sequence[str] = TEXT) -> Pipeline:
    """TF-IDF of name, description and location into LinearRegression, in pounds."""
    return make_pipeline(
        ColumnTransformer([(column, TfidfVectorizer(), column) for column in columns]),
        LinearRegression(),
    )


def score_prices(price: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Errors in pounds (rmse, mae, median_ae), of log(1 + price), and the share within 25 %.

    A linear model can predict less than nothing, which has no logarithm: rmsle takes it as £0.
    Of no price there is nothing but n, 0.
    """
    if not len(price):
        return {"n": 0}
    return {
        "rmse": float(root_mean_squared_error(price, predicted)),
        "mae": float(mean_absolute_error(price, predicted)),
        "median_ae": float(median_absolute_error(price, predicted)),
        "rmsle": float(root_mean_squared_log_error(price, predicted.clip(min=0))),
        "within_25pct": float(np.mean(np.abs(predicted - price) <= 0.25 * price)),
        "n": len(price),
    }


def predict_naively(known: pd.DataFrame, test: pd.DataFrame) -> dict[str, np.ndarray]:
    """The mean price, and `baseline`: their predictions for `test`, fitted on `known`, by name."""
    columns = [name for name in TEXT if name not in unread_columns(known, min_df=1)]
    words = baseline(columns) if columns else DummyRegressor(strategy="mean")
    estimators = {"constant_mean": DummyRegressor(strategy="mean"), "baseline": words}
    texts = list(TEXT)
    return {
        name: estimator.fit(known[texts], known["price"]).predict(test[texts])
        for name, estimator in estimators.items()
    }


def interval_scores(price: np.ndarray, predicted: pd.DataFrame) -> dict[str, float]:
    """How often the price lies within its interval, and how wide that is, in the middle."""
    if not len(price):
        return {"n": 0}
    low, high = predicted["price_low"].to_numpy(), predicted["price_high"].to_numpy()
    return {
        "coverage": float(np.mean((low <= price) & (price <= high))),
        "median_high_over_low": float(np.median((1 + high) / (1 + low))),
        "n": len(price),
    }


def over_seeds(price: np.ndarray, predicted: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of the scores of each boosted model by itself."""
    single = [score_prices(price, predicted[f"seed_{draw}"].to_numpy()) for draw in range(SEEDS)]
    return {name: spread([scores[name] for scores in single]) for name in ("rmsle", "median_ae")}


def fit_candidates(
    products: pd.DataFrame, table: pd.DataFrame, **params: Any
) -> dict[str, Candidate]:
    """Fit "constant", "ridge" and "boosted" on the train and validation products, by name.

    `table` is the `price_table` of `products`, `params` are section `regress`. The out-of-fold
    predictions of each are of the products whose group has a price to learn from. "boosted" is
    absent if these are fewer than MIN_FOLDS groups.
    """
    settings = Settings(**params)
    priced = (products["split"] != "test") & has_price_to_learn(products)
    fold = assign_folds(products["group"].to_numpy(), priced.to_numpy())
    rows = fold >= 0
    data = (table[rows], products["price"].where(priced)[rows].to_numpy(float), fold[rows])
    candidates = {name: fit_baseline(name, *data, settings) for name in BASELINES}
    if (folds := fold.max() + 1) >= MIN_FOLDS:
        with progress(total=count_fits(folds), desc="fit", unit="model") as bar:
            candidates["boosted"] = fit_boosted(*data, settings, bar.update)
    return candidates


def score_out_of_fold(
    products: pd.DataFrame, candidates: dict[str, Candidate]
) -> dict[str, dict[str, float]]:
    """Scores of the candidates' out-of-fold predictions of train and validation prices, by name."""
    priced = products[(products["split"] != "test") & has_price_to_learn(products)]
    scores = {}
    for name, candidate in candidates.items():
        predicted = candidate.out_of_fold["price"].reindex(priced.index).to_numpy()
        known = ~np.isnan(predicted)
        scores[name] = score_prices(priced["price"].to_numpy()[known], predicted[known])
    return scores


def choose(scores: dict[str, dict[str, float]]) -> str:
    """The candidate with the least RMSLE; of equal ones the first, which is the simplest."""
    return min(scores, key=lambda name: scores[name].get("rmsle", np.inf))


def expect(candidate: Candidate, table: pd.DataFrame) -> pd.DataFrame:
    """What the candidate predicts for every row: out-of-fold where its group was fitted on."""
    others = table.drop(index=candidate.out_of_fold.index)
    parts = [candidate.out_of_fold, candidate.model.predict(others)] if len(others) else []
    return pd.concat(parts or [candidate.out_of_fold]).loc[table.index]


def score_each(
    price: np.ndarray, predictions: dict[str, np.ndarray], rows: np.ndarray
) -> dict[str, dict[str, float]]:
    """Scores of the predictions (n,) of prices (n,), by name; only the `rows` (n,) count."""
    return {name: score_prices(price[rows], of[rows]) for name, of in predictions.items()}


def explain(chosen: str, scores: dict[str, dict[str, float]], unread: list[str]) -> str:
    """What the user must know of the choice and of columns left out; "" if nothing."""
    told = []
    if chosen != "boosted" and "boosted" in scores:
        won, lost = (scores[name]["rmsle"] for name in (chosen, "boosted"))
        told.append(
            f"the baseline {chosen} replaces the boosted model, which is no better "
            f"(cross-validated RMSLE {won:.3f} against {lost:.3f}, n={scores[chosen]['n']})"
        )
    elif chosen != "boosted":
        told.append(f"the baseline {chosen} replaces the model: too few groups have a price")
    if unread:
        told.append(f"nothing learned from {', '.join(unread)}: no word in regress.min_df products")
    return "".join(f"; {line}" for line in told)


def read_products() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the products, one row each, and their `price_table`."""
    columns = ["product_id", "photo_index", "split", "group", "price", "price_is_placeholder"]
    listings = pd.read_parquet(LISTINGS, columns=[*columns, *TEXT])
    products = listings.drop_duplicates("product_id").reset_index(drop=True)
    shown = listings.dropna(subset="photo_index")
    features = np.load(PHOTO, mmap_mode="r")[shown["photo_index"].to_numpy(np.int64)]
    ids = products["product_id"]
    return products, price_table(
        products,
        pd.read_parquet(VECTORS).set_index("product_id").loc[ids].to_numpy(),
        average_photos(features, shown["product_id"], ids),
        pd.read_parquet(CATEGORY).set_index("product_id").loc[ids].to_numpy(),
    )


@stage
def main() -> str:
    params = load_params("regress").model_dump()
    require(LISTINGS, PHOTO, VECTORS, CATEGORY)
    products, table = read_products()
    priced = (products["split"] != "test") & has_price_to_learn(products)
    if not priced.any():
        raise MarketError(
            f"{LISTINGS}: no train or validation product has a price to learn from: add products, "
            "or raise clean.placeholder_above"
        )
    candidates = fit_candidates(products, table, **params)
    scores = score_out_of_fold(products, candidates)
    chosen = choose(scores)
    model, expected = candidates[chosen].model, expect(candidates[chosen], table)

    test = products[products["split"] == "test"]
    predicted = expected.loc[test.index]
    of_test = {name: of.model.predict(table.loc[test.index]) for name, of in candidates.items()}
    predictions = predict_naively(products[priced], test) | {
        **{name: of_test[name]["price"].to_numpy() for name in BASELINES},
        "model": predicted["price"].to_numpy(),
    }
    if "boosted" in of_test:
        layers = ("linear", "network")
        predictions |= {name: of_test["boosted"][name].to_numpy() for name in layers}
    flags = flag_prices(products["price"], products["price_is_placeholder"], expected)
    with replace_when_done(Path("models/price")) as folder:
        folder.mkdir()
        for name, estimator in model.estimators().items():
            save_model(estimator, folder / f"{name}.skops")
        write_json(folder / "margins.json", model.margins())
    with replace_when_done(EXPECTED) as path:
        of_all = {
            "product_id": products["product_id"],
            "price_expected": expected["price"].round(2),
            "price_flag": flags,
        }
        pd.DataFrame(of_all).to_parquet(path, index=False)
    price = test["price"].to_numpy()
    asked = ~np.isnan(price)
    with replace_when_done(Path("plots/regress.csv")) as path:
        # Logarithms: on a scale of pounds one placeholder hides every other price.
        asked_for, guessed = np.log10(1 + price[asked]), np.log10(1 + predictions["model"][asked])
        columns = {
            "log10_price": asked_for,
            "log10_predicted": guessed,
            "log10_residual": asked_for - guessed,
        }
        pd.DataFrame(columns).round(4).to_csv(path, index=False)
    meant = asked & ~test["price_is_placeholder"].to_numpy()
    metrics = {
        **score_each(price, predictions, asked),
        "without_placeholders": score_each(price, predictions, meant),
        "chosen": chosen,
        "cross_validated": scores,
        "interval": {
            "asked": params["coverage"],
            **interval_scores(price[asked], predicted[asked]),
        },
        "flags": {name: int((flags[test.index] == name).sum()) for name in FLAGS},
        "placeholders": int((asked & ~meant).sum()),
        "n": int(asked.sum()),
        "seed": params["seed"],
    }
    if "boosted" in of_test and asked.any():
        metrics["over_seeds"] = over_seeds(price[asked], of_test["boosted"][asked])
    write_json(Path("metrics/regress.json"), metrics)
    told = explain(chosen, scores, unread_columns(table[priced], params["min_df"]))
    if not asked.any():
        return f"no test product has a price to judge by{told}"
    of_model = metrics["model"]
    return (
        f"RMSLE {of_model['rmsle']:.3f}, median error £{of_model['median_ae']:.0f}, "
        f"{metrics['interval']['coverage']:.1%} within their interval, n={metrics['n']}{told}"
    )


if __name__ == "__main__":
    main()
