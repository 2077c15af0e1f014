"""Fit the price model and its baselines, with out-of-fold predictions, and select the best.

Every price that a model is fitted on is also predicted out-of-fold: by models that saw neither this
price nor another of its group, in both layers, in the bounds and in the margins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from market.core.settings import Regress
from market.core.stage import progress
from market.models.metrics import score_prices
from market.models.price_base_models import BaseModels
from market.models.price_baselines import BASELINES, Baseline
from market.models.price_boosting import SEEDS, BoostedTrees
from market.models.price_intervals import Margins, equal_bounds, miss, to_pounds
from market.models.price_model import BOOSTED, PriceModel, StackedModel

FOLDS = 5
MIN_FOLDS = 3  # of the stacked model: one held out, one to validate on, one to fit on


@dataclass(frozen=True)
class Candidate:
    """A model fitted on all rows with a price, and out-of-fold predictions for them.

    Parameters
    ----------
    model
        The fitted model.
    out_of_fold
        As `PriceModel.predict` returns it, by models fitted without the row's fold; NaN where no
        other fold has a price.
    """

    model: PriceModel
    out_of_fold: pd.DataFrame

    def expected(self, table: pd.DataFrame) -> pd.DataFrame:
        """Predict every row of a `price_table`: out-of-fold where its group was fitted on."""
        others = table.drop(index=self.out_of_fold.index)
        parts = [self.out_of_fold, self.model.predict(others)] if len(others) else []
        return pd.concat(parts or [self.out_of_fold]).loc[table.index]


def fit_candidates(
    table: pd.DataFrame, price: pd.Series, group: pd.Series, settings: Regress
) -> dict[str, Candidate]:
    """Fit the baselines and the stacked model.

    Parameters
    ----------
    table
        A `price_table` of n rows.
    price
        (n,) pounds to learn from, with the index of `table`; NaN for other rows, such as test
        products.
    group
        (n,) whole numbers; a group is never split between folds.
    settings
        Section `regress` of params.yaml.

    Returns
    -------
    dict
        Candidates by name, the simplest first: "constant", "ridge" and "boosted", the stacked
        model. It is absent with fewer than MIN_FOLDS groups. Out-of-fold predictions cover the
        groups that have a price.
    """
    fold = assign_folds(group.to_numpy(), price.notna().to_numpy())
    rows = fold >= 0
    data = (table[rows], price[rows].to_numpy(float), fold[rows], settings)
    candidates = {name: fit_baseline(name, *data) for name in BASELINES}
    if (folds := fold.max() + 1) >= MIN_FOLDS:
        with progress(total=count_fits(folds), desc="fit", unit="model") as bar:
            candidates[BOOSTED] = fit_stacked(*data, bar.update)
    return candidates


def score_out_of_fold(
    candidates: Mapping[str, Candidate], price: pd.Series
) -> dict[str, dict[str, float]]:
    """Return `score_prices` of each candidate's out-of-fold predictions; `price` as in fitting.

    Rows without an out-of-fold prediction are left out.
    """
    learned = price.dropna()
    scores = {}
    for name, candidate in candidates.items():
        predicted = candidate.out_of_fold["price"].reindex(learned.index).to_numpy()
        known = ~np.isnan(predicted)
        scores[name] = score_prices(learned.to_numpy()[known], predicted[known])
    return scores


def select(scores: Mapping[str, Mapping[str, float]]) -> str:
    """Return the candidate with the lowest RMSLE; of equal ones the first, which is the simplest.

    `scores` as `score_out_of_fold` returns them.

    Examples
    --------
    >>> select({"constant": {"rmsle": 1.8}, "ridge": {"rmsle": 1.2}, "boosted": {"rmsle": 1.2}})
    'ridge'
    """
    return min(scores, key=lambda name: scores[name].get("rmsle", np.inf))


def explain_selection(selected: str, scores: Mapping[str, Mapping[str, float]]) -> str:
    """Return why a baseline replaces the stacked model; "" if none does."""
    if selected == BOOSTED:
        return ""
    if BOOSTED not in scores:
        return f"the baseline {selected} replaces the model: too few groups have a price"
    baseline, boosted = scores[selected], scores[BOOSTED]
    return (
        f"the baseline {selected} replaces the boosted model, which is no better (cross-validated "
        f"RMSLE {baseline['rmsle']:.3f} against {boosted['rmsle']:.3f}, n={baseline['n']})"
    )


def explain_unused_texts(columns: Sequence[str], min_df: int) -> str:
    """Return why the models do not read these columns of text; "" without any column."""
    if not columns:
        return ""
    return (
        f"the models do not use the text of {', '.join(columns)}: no word of it is in {min_df} "
        "products (regress.min_df)"
    )


def assign_folds(group: np.ndarray, has_price: np.ndarray) -> np.ndarray:
    """Assign whole groups to folds, whatever the prices are.

    Parameters
    ----------
    group
        (n,) whole numbers.
    has_price
        (n,) whether there is a price to learn from.

    Returns
    -------
    np.ndarray
        (n,) from 0 to FOLDS - 1, or fewer where there are fewer groups; -1 for a group without any
        price, which no model is fitted on.

    Examples
    --------
    >>> group, has_price = np.array([0, 0, 1, 2]), np.array([True, True, True, False])
    >>> assign_folds(group, has_price).tolist()
    [0, 0, 1, -1]
    """
    groups = group[has_price]
    count = min(FOLDS, len(np.unique(groups)))
    fold = pd.Series(0, groups)
    if count > 1:
        for number, (_, held_out) in enumerate(GroupKFold(count).split(groups, groups=groups)):
            fold.iloc[held_out] = number
    fold = fold[~fold.index.duplicated()]
    return fold.reindex(group, fill_value=-1).to_numpy()


def fit_baseline(
    name: str, table: pd.DataFrame, price: np.ndarray, fold: np.ndarray, settings: Regress
) -> Candidate:
    """Fit a baseline on all prices, and out-of-fold.

    Parameters
    ----------
    name
        A key of BASELINES.
    table
        A `price_table` of n rows.
    price
        (n,) pounds. Rows without a price (NaN) are predicted only.
    fold
        (n,) of `assign_folds`, from 0.
    settings
        Section `regress` of params.yaml.
    """
    log_price = np.log1p(price)
    priced = ~np.isnan(log_price)
    highest = float(np.max(log_price[priced], initial=0.0))
    fit = BASELINES[name]

    def fit_rows(rows: np.ndarray) -> Callable[[pd.DataFrame], np.ndarray]:
        estimator = fit(table[rows], log_price[rows], settings)
        return lambda held_out: estimator.predict(held_out)[:, None]

    predicted = cross_fit(table, priced, fold, 1, fit_rows)[:, :, 0]
    parts = []
    for number, without_fold in enumerate(predicted):
        held_out, rest = fold == number, priced & (fold != number)
        margins = Margins.calibrate(np.abs(log_price[rest] - without_fold[rest]), settings, highest)
        logs = equal_bounds(without_fold[held_out], table.index[held_out])
        parts.append(to_pounds(logs, margins))
    own = predicted[fold, np.arange(len(fold))]
    baseline = Baseline(name, fit(table[priced], log_price[priced], settings))
    margins = Margins.calibrate(np.abs(log_price - own), settings, highest)
    model = PriceModel(baseline, margins, settings.coverage)
    return Candidate(model, pd.concat(parts).loc[table.index])


def fit_stacked(
    table: pd.DataFrame,
    price: np.ndarray,
    fold: np.ndarray,
    settings: Regress,
    on_fit: Callable[[], object] = lambda: None,
) -> Candidate:
    """Fit both layers on all prices, and out-of-fold.

    Both are fitted again without each fold, for predictions that do not depend on its prices; the
    misses of these calibrate the margins of the model fitted on all prices.

    Parameters
    ----------
    table, price, fold, settings
        As in `fit_baseline`, with at least MIN_FOLDS folds.
    on_fit
        Called after each of `count_fits` fits, to update a progress bar.
    """
    log_price = np.log1p(price)
    priced = ~np.isnan(log_price)
    highest = float(np.max(log_price[priced], initial=0.0))

    def fit_rows(rows: np.ndarray) -> Callable[[pd.DataFrame], np.ndarray]:
        base = BaseModels.fit(table[rows], log_price[rows], settings)
        on_fit()
        return base.predict

    predicted = cross_fit(table, priced, fold, 2, fit_rows)
    misses = np.full(len(log_price), np.nan)
    parts = []
    for number, without_fold in enumerate(predicted):
        held_out, rest = fold == number, priced & (fold != number)
        trees, misses_of_rest = BoostedTrees.fit(
            without_fold[rest],
            table[rest],
            log_price[rest],
            settings,
            fold=fold[rest],
            on_fit=on_fit,
        )
        logs = trees.predict(without_fold[held_out], table[held_out])
        misses[held_out] = miss(log_price[held_out], logs["low"], logs["high"])
        parts.append(to_pounds(logs, Margins.calibrate(misses_of_rest, settings, highest)))
    own = predicted[fold, np.arange(len(fold))]
    trees, _ = BoostedTrees.fit(
        own[priced], table[priced], log_price[priced], settings, on_fit=on_fit
    )
    base = BaseModels.fit(table[priced], log_price[priced], settings)
    on_fit()
    margins = Margins.calibrate(misses, settings, highest)
    model = PriceModel(StackedModel(base, trees), margins, settings.coverage)
    return Candidate(model, pd.concat(parts).loc[table.index])


def count_fits(folds: int) -> int:
    """Return how often `fit_stacked` calls `on_fit`."""
    base = folds * (folds + 1) // 2 + 1
    trees = (folds + 1) * (SEEDS + 2) + folds * (folds - 1) * 2
    return base + trees


def cross_fit(
    table: pd.DataFrame,
    priced: np.ndarray,
    fold: np.ndarray,
    width: int,
    fit: Callable[[np.ndarray], Callable[[pd.DataFrame], np.ndarray]],
) -> np.ndarray:
    """Predict every row by models fitted without its fold and without one more.

    `predicted[k]` does not depend on the prices of fold k: there, a row of fold j is predicted by a
    model fitted without the folds j and k. A second layer fitted on `predicted[k]` of the other
    folds, and applied to `predicted[k]` of fold k, therefore never sees a price of fold k. Plain
    out-of-fold predictions of the other folds would reveal them: their models were fitted on fold
    k.

    Parameters
    ----------
    table
        A `price_table` of n rows.
    priced
        (n,) whether a row has a price to fit on.
    fold
        (n,) of `assign_folds`, from 0.
    width
        The number of predictions for a row.
    fit
        Fits the rows of a mask (n,), and returns a function from a table to predictions
        (rows, width).

    Returns
    -------
    np.ndarray
        (folds, n, width); NaN where no row is left to fit on.
    """
    count = fold.max() + 1
    predicted = np.full((count, len(fold), width), np.nan)
    for one, other in combinations_with_replacement(range(count), 2):
        rows = priced & (fold != one) & (fold != other)
        if not rows.any():
            continue
        predict = fit(rows)
        for left_out, own in dict.fromkeys([(one, other), (other, one)]):
            held_out = fold == own
            predicted[left_out, held_out] = predict(table[held_out])
    return predicted
