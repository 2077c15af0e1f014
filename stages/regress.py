"""Predict the price: the baseline, constants, and a better model with an interval.

In:  data/merged/listings.parquet, data/embeddings, data/category/probabilities.parquet.
Out: models/price/ (*.skops, margins.json), metrics/regress.json, plots/regress.csv (of the test
     products), data/price/expected.parquet (price_expected and price_flag of every product).

Everything is fitted on the train and validation products, whose part in choosing the model is over;
the test products judge.
"""

from __future__ import annotations

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

from shared.atomic import replace_when_done, write_json
from shared.inputs import require
from shared.model_file import save_model
from shared.params import load_params
from shared.pooling import average_photos
from shared.price_model import FITS, FLAGS, SEEDS, PriceModel, flag_prices, price_table
from shared.spread import spread
from shared.stage import progress, stage

LISTINGS = Path("data/merged/listings.parquet")
PHOTO = Path("data/embeddings/photo.npy")
VECTORS = Path("data/embeddings/text.parquet")
CATEGORY = Path("data/category/probabilities.parquet")
EXPECTED = Path("data/price/expected.parquet")
TEXT = ["name", "description", "location"]


def baseline() -> Pipeline:
    """TF-IDF of name, description and location into LinearRegression, in pounds."""
    return make_pipeline(
        ColumnTransformer([(column, TfidfVectorizer(), column) for column in TEXT]),
        LinearRegression(),
    )


def score_prices(price: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Errors in pounds (rmse, mae, median_ae), of log(1 + price), and the share within 25 %.

    A linear model can predict less than nothing, which has no logarithm: rmsle takes it as £0.
    """
    return {
        "rmse": float(root_mean_squared_error(price, predicted)),
        "mae": float(mean_absolute_error(price, predicted)),
        "median_ae": float(median_absolute_error(price, predicted)),
        "rmsle": float(root_mean_squared_log_error(price, predicted.clip(min=0))),
        "within_25pct": float(np.mean(np.abs(predicted - price) <= 0.25 * price)),
        "n": len(price),
    }


def meant(products: pd.DataFrame) -> pd.Series:
    """Prices to learn from: all but those too high to be meant. £0 is: some listings are gifts."""
    return ~products["price_is_placeholder"] | products["price"].eq(0)


def trivial(products: pd.DataFrame) -> dict[str, np.ndarray]:
    """The prices that the baseline and the constants give the test products, by estimator.

    Fitted on all other products, placeholders included.
    """
    known = products[products["split"] != "test"]
    test = products[products["split"] == "test"]
    estimators = {
        "constant": DummyRegressor(strategy="median"),
        "constant_mean": DummyRegressor(strategy="mean"),
        "baseline": baseline(),
    }
    return {
        name: estimator.fit(known[TEXT], known["price"]).predict(test[TEXT])
        for name, estimator in estimators.items()
    }


def interval_scores(price: np.ndarray, predicted: pd.DataFrame) -> dict[str, float]:
    """How often the price lies within its interval, and how wide that is, in the middle."""
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


def regress(
    products: pd.DataFrame, table: pd.DataFrame, **params: Any
) -> tuple[PriceModel, pd.DataFrame]:
    """Fit on all but the test products; return the model and what it expects of every product.

    `table` is the `price_table` of `products`, `params` are those of PriceModel.fit. For products
    fitted on, what the trees correct is by a ridge and networks that did not see them.
    """
    is_test = (products["split"] == "test").to_numpy()
    learned = ~is_test & meant(products).to_numpy()
    with progress(total=FITS, desc="fit", unit="model") as bar:
        model = PriceModel.fit(
            table[learned],
            products.loc[learned, "price"].to_numpy(),
            products.loc[learned, "group"].to_numpy(),
            fitted_one=bar.update,
            **params,
        )
    parts = [model.predict(table[~learned]), model.predict(table[learned], model.out_of_fold)]
    return model, pd.concat(parts).loc[table.index]


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
    params = load_params("regress")
    require(LISTINGS, PHOTO, VECTORS, CATEGORY)
    products, table = read_products()
    model, expected = regress(products, table, **params)
    predicted = expected[products["split"] == "test"]
    predictions = trivial(products) | {
        "linear": predicted["linear"].to_numpy(),
        "network": predicted["network"].to_numpy(),
        "model": predicted["price"].to_numpy(),
    }

    test = products[products["split"] == "test"]
    price = test["price"].to_numpy()
    asked = ~test["price_is_placeholder"].to_numpy()
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
    with replace_when_done(Path("plots/regress.csv")) as path:
        # Logarithms: on a scale of pounds one placeholder hides every other price.
        asked_for, guessed = np.log10(1 + price), np.log10(1 + predictions["model"])
        columns = {
            "log10_price": asked_for,
            "log10_predicted": guessed,
            "log10_residual": asked_for - guessed,
        }
        pd.DataFrame(columns).round(4).to_csv(path, index=False)
    metrics = {
        **{name: score_prices(price, of) for name, of in predictions.items()},
        "without_placeholders": {
            name: score_prices(price[asked], of[asked]) for name, of in predictions.items()
        },
        "over_seeds": over_seeds(price, predicted),
        "interval": {"asked": params["coverage"], **interval_scores(price, predicted)},
        "flags": {name: int((flags[test.index] == name).sum()) for name in FLAGS},
        "placeholders": int((~asked).sum()),
        "n": len(test),
        "seed": params["seed"],
    }
    write_json(Path("metrics/regress.json"), metrics)
    scores = metrics["model"]
    return (
        f"RMSLE {scores['rmsle']:.3f}, median error £{scores['median_ae']:.0f}, "
        f"{metrics['interval']['coverage']:.1%} within their interval, n={len(test)}"
    )


if __name__ == "__main__":
    main()
