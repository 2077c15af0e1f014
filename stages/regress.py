"""Predict the price from name, description and location: baseline, constants and a better model.

In:  data/merged/listings.parquet.
Out: models/price/model.skops, metrics/regress.json, plots/regress.csv (of the test products).
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, Ridge
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

LISTINGS = Path("data/merged/listings.parquet")
TEXT = ["name", "description", "location"]


def baseline() -> Pipeline:
    """TF-IDF of name, description and location into LinearRegression, in pounds."""
    return make_pipeline(
        ColumnTransformer([(column, TfidfVectorizer(), column) for column in TEXT]),
        LinearRegression(),
    )


def log_price_model(*, alpha: float, min_df: int) -> TransformedTargetRegressor:
    """Ridge regression of log(1 + price): prices are log-normal, so errors are ratios.

    Words and pairs of words, and letter groups of the name, which survive typing errors.
    """
    words = {"sublinear_tf": True, "min_df": min_df, "ngram_range": (1, 2)}
    features = ColumnTransformer(
        [
            ("name", TfidfVectorizer(**words), "name"),
            ("description", TfidfVectorizer(**words), "description"),
            ("location", TfidfVectorizer(min_df=min_df), "location"),
            (
                "letters",
                TfidfVectorizer(
                    analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=min_df
                ),
                "name",
            ),
        ]
    )
    ridge = Ridge(alpha=alpha, solver="sparse_cg", tol=1e-6)  # draws nothing at random
    return TransformedTargetRegressor(
        make_pipeline(features, ridge), func=np.log1p, inverse_func=np.expm1
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


def regress(products: pd.DataFrame, *, alpha: float, min_df: int):
    """Fit on the train products; return (model, {estimator: price for each test product}).

    The constants and the baseline are fitted on all train products, as they are. The model leaves
    out those whose price is flagged as a placeholder: nobody asks those prices.
    """
    train = products[products["split"] == "train"]
    test = products[products["split"] == "test"]
    meant = train[~train["price_is_placeholder"]]
    estimators = {
        "constant": (DummyRegressor(strategy="median"), train),
        "constant_mean": (DummyRegressor(strategy="mean"), train),
        "baseline": (baseline(), train),
        "model": (log_price_model(alpha=alpha, min_df=min_df), meant),
    }
    predictions = {}
    for name, (estimator, rows) in estimators.items():
        estimator.fit(rows[TEXT], rows["price"])
        predictions[name] = estimator.predict(test[TEXT])
    return estimators["model"][0], predictions


@click.command(help=__doc__)
def main() -> None:
    params, split_seed = load_params("regress", "merge.seed")
    require(LISTINGS)
    columns = ["product_id", "split", "price", "price_is_placeholder", *TEXT]
    products = pd.read_parquet(LISTINGS, columns=columns).drop_duplicates("product_id")
    model, predictions = regress(products, alpha=params["alpha"], min_df=params["min_df"])

    test = products[products["split"] == "test"]
    price = test["price"].to_numpy()
    meant = ~test["price_is_placeholder"].to_numpy()
    with replace_when_done(Path("models/price")) as folder:
        folder.mkdir()
        save_model(model, folder / "model.skops")
    with replace_when_done(Path("plots/regress.csv")) as path:
        # Logarithms: on a scale of pounds one placeholder hides every other price.
        pd.DataFrame(
            {
                "log10_price": np.log10(1 + price).round(4),
                "log10_predicted": np.log10(1 + predictions["model"]).round(4),
            }
        ).to_csv(path, index=False)
    metrics = {
        **{name: score_prices(price, of) for name, of in predictions.items()},
        "without_placeholders": {
            name: score_prices(price[meant], of[meant]) for name, of in predictions.items()
        },
        "placeholders": int((~meant).sum()),
        "n": len(test),
        "seed": split_seed,  # nothing else is drawn
    }
    write_json(Path("metrics/regress.json"), metrics)
    scores = metrics["model"]
    click.echo(
        f"RMSLE {scores['rmsle']:.3f}, median error £{scores['median_ae']:.0f}, n={len(test)}"
    )


if __name__ == "__main__":
    main()
