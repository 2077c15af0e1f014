"""Simple baselines of the price model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline

from market.core.settings import Regress
from market.data.words import word_vectorizer
from market.models.price_features import (
    TEXT_COLUMNS,
    columns_without_terms,
    drop_without_terms,
)
from market.models.price_intervals import equal_bounds


@dataclass(frozen=True)
class Baseline:
    """A baseline of log(1 + £), with bounds of width zero: margins alone make its interval.

    Parameters
    ----------
    name
        A key of BASELINES.
    estimator
        Fitted by the function of that name.
    """

    name: str
    estimator: Any

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return `price`, `low` and `high` of a `price_table`, log(1 + £)."""
        return equal_bounds(self.estimator.predict(table), table.index)


def fit_median(table: pd.DataFrame, log_price: np.ndarray, settings: Regress) -> DummyRegressor:
    """Fit the median price, whatever the listing."""
    median = np.log1p(np.median(np.expm1(log_price)))
    return DummyRegressor(strategy="constant", constant=median).fit(table, log_price)


def fit_ridge(table: pd.DataFrame, log_price: np.ndarray, settings: Regress) -> Pipeline:
    """Fit a ridge regression of log(1 + £) on TF-IDF of name, description and location."""
    vectorizers = [
        (name, word_vectorizer(sublinear_tf=True, min_df=settings.min_df), name)
        for name in TEXT_COLUMNS
    ]
    features = drop_without_terms(table, vectorizers)
    if all(vectorizer == "drop" for _, vectorizer, _ in features):
        # Without any term, only the intercept of the ridge is left.
        return make_pipeline(DummyRegressor(strategy="mean")).fit(table, log_price)
    ridge = Ridge(alpha=settings.alpha, solver="sparse_cg", tol=1e-4)
    return make_pipeline(ColumnTransformer(features), ridge).fit(table, log_price)


# From the simplest on. Each fits a `price_table` of n rows and log(1 + £), (n,).
BASELINES: dict[str, Callable[[pd.DataFrame, np.ndarray, Regress], Any]] = {
    "constant": fit_median,
    "ridge": fit_ridge,
}


def linear_regression(columns: Sequence[str] = TEXT_COLUMNS) -> Pipeline:
    """Return TF-IDF of each text column into an unfitted LinearRegression, in pounds."""
    return make_pipeline(
        ColumnTransformer([(column, word_vectorizer(), column) for column in columns]),
        LinearRegression(),
    )


def predict_untransformed(known: pd.DataFrame, test: pd.DataFrame) -> dict[str, np.ndarray]:
    """Predict prices without the logarithm, as the simplest models do.

    Parameters
    ----------
    known
        Products to fit on: TEXT_COLUMNS and price, in pounds.
    test
        Products to predict, n rows.

    Returns
    -------
    dict
        (n,) pounds by "constant_mean", the mean price, and by "baseline", `linear_regression`.
    """
    unused = columns_without_terms(known, min_df=1)
    columns = [name for name in TEXT_COLUMNS if name not in unused]
    estimators = {
        "constant_mean": DummyRegressor(strategy="mean"),
        "baseline": linear_regression(columns) if columns else DummyRegressor(strategy="mean"),
    }
    texts = list(TEXT_COLUMNS)
    return {
        name: estimator.fit(known[texts], known["price"]).predict(test[texts])
        for name, estimator in estimators.items()
    }
