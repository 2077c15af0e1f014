"""The first layer of the price model: a ridge regression and neural networks on all features."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from market.core.settings import Regress
from market.data.words import WordVectorizer, word_vectorizer
from market.models.price_features import block_columns, drop_without_terms

NETWORKS = 2  # averaged, with different seeds
LAYERS = (64,)  # units of each hidden layer


@dataclass(frozen=True)
class BaseModels:
    """A ridge regression and the mean of NETWORKS perceptrons, on the same features.

    Parameters
    ----------
    features
        Turns a `price_table` into the sparse matrix that the models read.
    ridge, networks
        Fitted models of log(1 + £).
    """

    features: ColumnTransformer
    ridge: Ridge
    networks: list[TransformedTargetRegressor]

    @classmethod
    def fit(cls, table: pd.DataFrame, log_price: np.ndarray, settings: Regress) -> BaseModels:
        """Fit on a `price_table` of n rows and log_price (n,), log(1 + £)."""
        features = build_features(table, settings.min_df)
        matrix = features.fit_transform(table)
        ridge = Ridge(alpha=settings.alpha, solver="sparse_cg", tol=1e-4).fit(matrix, log_price)
        single = matrix.astype(np.float32)  # halves the time, at no loss of accuracy
        seeds = range(settings.seed, settings.seed + NETWORKS)
        networks = [_fit_network(single, log_price, settings.epochs, seed) for seed in seeds]
        return cls(features, ridge, networks)

    def predict(self, table: pd.DataFrame) -> np.ndarray:
        """Return (n, 2) predictions, log(1 + £): by the ridge, and the mean of the networks."""
        matrix = self.features.transform(table)
        single = matrix.astype(np.float32)
        by_networks = np.mean([network.predict(single) for network in self.networks], axis=0)
        return np.column_stack([self.ridge.predict(matrix), by_networks])


def build_features(table: pd.DataFrame, min_df: int) -> ColumnTransformer:
    """Return the unfitted features for this `price_table`; a term must be in `min_df` rows."""
    words: dict[str, Any] = {"sublinear_tf": True, "min_df": min_df, "ngram_range": (1, 2)}
    letters = WordVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=min_df
    )
    vectorizers = [
        ("name", word_vectorizer(**words), "name"),
        ("description", word_vectorizer(**words), "description"),
        ("location", word_vectorizer(min_df=min_df), "location"),
        ("letters", letters, "name"),
    ]
    return ColumnTransformer(
        [
            *drop_without_terms(table, vectorizers),
            # Imputed, because an earlier stage may have had too few products for a prediction.
            ("text", SimpleImputer(keep_empty_features=True), block_columns(table, "text")),
            ("category", SimpleImputer(keep_empty_features=True), block_columns(table, "category")),
            ("photo", _imputed_and_scaled(), block_columns(table, "photo")),
            ("number", _imputed_and_scaled(), block_columns(table, "number")),
        ],
        # The text blocks have rows of length 1, the others many values of the order of 1.
        transformer_weights={
            "name": 1.5, "text": 2, "category": 2, "photo": 0.03, "number": 0.3,
        },
    )  # fmt: skip


def _imputed_and_scaled() -> Pipeline:
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())


def _fit_network(
    matrix: Any, log_price: np.ndarray, epochs: int, seed: int
) -> TransformedTargetRegressor:
    """Fit a perceptron. More than a few `epochs` overfit: it then memorises the rows."""
    perceptron = MLPRegressor(
        hidden_layer_sizes=LAYERS,
        alpha=1e-3,
        batch_size=min(256, len(log_price)),
        learning_rate_init=2e-3,
        max_iter=epochs,
        random_state=seed,
    )
    # Centred, so that the few steps are not spent on finding the mean price.
    network = TransformedTargetRegressor(perceptron, transformer=StandardScaler(with_std=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(matrix, log_price.astype(np.float32))
    # Only further training would need the optimiser, which is twice the size of the rest.
    del network.regressor_._optimizer
    return network
