"""The second layer of the price model: boosted trees that correct the first one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from market.core.settings import Regress
from market.models.price_features import block_columns
from market.models.price_intervals import miss

SEEDS = 3  # boosted models that are averaged
COMPONENTS = 40  # principal components of the text's and of the photo's vector


@dataclass(frozen=True)
class BoostedTrees:
    """Blends the first layer's two predictions, and adds trees fitted on the blend's errors.

    Parameters
    ----------
    network_weight
        Weight of the networks in the blend, from 0 to 1; the ridge has the rest.
    features
        Turns a `price_table` into the trees' features beside the blend.
    boosted
        SEEDS models of the median miss.
    low, high
        Models of the lower and upper quantile of the miss.
    """

    network_weight: float
    features: ColumnTransformer
    boosted: list[HistGradientBoostingRegressor]
    low: HistGradientBoostingRegressor
    high: HistGradientBoostingRegressor

    @classmethod
    def fit(
        cls,
        base: np.ndarray,
        table: pd.DataFrame,
        log_price: np.ndarray,
        settings: Regress,
        *,
        fold: np.ndarray | None = None,
        on_fit: Callable[[], object] = lambda: None,
    ) -> tuple[BoostedTrees, np.ndarray]:
        """Fit the trees, and cross-validate their bounds.

        Parameters
        ----------
        base
            (n, 2) predictions of `BaseModels` that were not fitted on the rows.
        table
            The `price_table` of the rows.
        log_price
            (n,) log(1 + £).
        settings
            Section `regress` of params.yaml.
        fold
            (n,) folds for the cross-validation; None skips it.
        on_fit
            Called after each fit, to update a progress bar.

        Returns
        -------
        tuple
            The model, and the misses (n,) of bounds fitted without the row's fold, as
            `market.models.price_intervals.miss` defines them; NaN where there is no other fold,
            empty without `fold`.
        """
        network_weight = fit_network_weight(base, log_price)
        # Where no listing has a photo, PCA divides by a variance of zero.
        with np.errstate(invalid="ignore"):
            features = _build_features(table, settings.seed).fit(table)
        blend = _blend(base, network_weight)
        fitter = _Fitter(
            np.column_stack([blend, features.transform(table)]), log_price - blend, settings, on_fit
        )
        misses = np.empty(0) if fold is None else fitter.cross_validate_bounds(fold)
        every = np.ones(len(log_price), dtype=bool)
        # The median rather than the mean: unpredictable prices influence it less.
        boosted = [fitter.fit(every, draw, loss="absolute_error") for draw in range(SEEDS)]
        return cls(network_weight, features, boosted, *fitter.fit_bounds(every)), misses

    def predict(self, base: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
        """Predict a `price_table`, given the (n, 2) predictions of `BaseModels` for it.

        Returns
        -------
        pd.DataFrame
            log(1 + £), by the index of `table`: `price`, its bounds `low` and `high`, the first
            layer's `linear` and `network`, and `seed_<i>`, by each boosted model alone.
        """
        blend = _blend(base, self.network_weight)
        features = np.column_stack([blend, self.features.transform(table)])
        by_seed = {
            f"seed_{position}": blend + model.predict(features)
            for position, model in enumerate(self.boosted)
        }
        logs = {
            "price": np.mean(list(by_seed.values()), axis=0),
            "low": blend + self.low.predict(features),
            "high": blend + self.high.predict(features),
            "linear": base[:, 0],
            "network": base[:, 1],
            **by_seed,
        }
        return pd.DataFrame(logs, table.index)


@dataclass(frozen=True)
class _Fitter:
    """Fits trees on rows of the same features and misses."""

    features: np.ndarray  # (n, width)
    misses: np.ndarray  # (n,) of the blend, in log(1 + £)
    settings: Regress
    on_fit: Callable[[], object]

    def fit(self, rows: np.ndarray, draw: int, **loss: Any) -> HistGradientBoostingRegressor:
        model = HistGradientBoostingRegressor(
            learning_rate=self.settings.learning_rate,
            max_iter=self.settings.n_estimators,
            max_leaf_nodes=15,
            l2_regularization=5,
            max_features=0.3,
            early_stopping=False,
            random_state=self.settings.seed + draw,
            **loss,
        )
        model.fit(self.features[rows], self.misses[rows])
        self.on_fit()
        return model

    def fit_bounds(self, rows: np.ndarray) -> list[HistGradientBoostingRegressor]:
        outside = (1 - self.settings.coverage) / 2
        return [
            self.fit(rows, 0, loss="quantile", quantile=quantile)
            for quantile in (outside, 1 - outside)
        ]

    def cross_validate_bounds(self, fold: np.ndarray) -> np.ndarray:
        misses = np.full(len(fold), np.nan)
        for number in np.unique(fold):
            held_out, rest = fold == number, fold != number
            if rest.any():
                features = self.features[held_out]
                low, high = (model.predict(features) for model in self.fit_bounds(rest))
                misses[held_out] = miss(self.misses[held_out], low, high)
        return misses


def fit_network_weight(base: np.ndarray, log_price: np.ndarray) -> float:
    """Return the networks' share, from 0 to 1, that has the least squared error.

    `base` (n, 2) are predictions of `BaseModels`, `log_price` is (n,).

    Examples
    --------
    >>> base = np.array([[0.0, 4.0], [0.0, 4.0]])
    >>> fit_network_weight(base, log_price=np.array([1.0, 1.0]))
    0.25
    """
    linear, network = base.T
    difference = network - linear
    optimum = difference @ (log_price - linear) / max(difference @ difference, 1e-12)
    return float(np.clip(optimum, 0, 1))


def _blend(base: np.ndarray, network_weight: float) -> np.ndarray:
    linear, network = base.T
    return (1 - network_weight) * linear + network_weight * network


def _build_features(table: pd.DataFrame, seed: int) -> ColumnTransformer:
    blocks: list[tuple[str, Any, list[str]]] = []
    for block in ("text", "photo"):
        columns = block_columns(table, block)
        components = min(COMPONENTS, len(columns), len(table))
        pca = PCA(components, svd_solver="randomized", random_state=seed)
        blocks.append((block, make_pipeline(SimpleImputer(keep_empty_features=True), pca), columns))
    # The trees take NaN, but no column that is NaN throughout: if no listing names an amount.
    numbers = SimpleImputer(strategy="constant", fill_value=-1, keep_empty_features=True)
    blocks += [(block, numbers, block_columns(table, block)) for block in ("number", "category")]
    return ColumnTransformer(blocks)
