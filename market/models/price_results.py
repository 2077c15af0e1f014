"""Everything that stage regress writes: the price model, its predictions and its scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from market.core.settings import Regress
from market.models.price_data import PriceData
from market.models.price_evaluation import evaluate, predict_test, residual_table
from market.models.price_features import columns_without_terms
from market.models.price_flags import count_flags, flag_prices
from market.models.price_model import PriceModel
from market.models.price_training import (
    explain_selection,
    explain_unused_texts,
    fit_candidates,
    score_out_of_fold,
    select,
)

NO_PRICES = "no listing has a price"


@dataclass(frozen=True)
class PriceResults:
    """A fitted price model, and what it says about the products.

    Attributes
    ----------
    model
        The model.
    expected
        product_id, price_expected and price_flag, a row for each product.
    residuals
        Of the test products, as `residual_table` returns them.
    metrics
        The scores, as `evaluate` returns them, with the selection, the flags and the seed; or why
        nothing was fitted, as `skipped`.
    notes
        Lines for the user on the selection and on texts that were not used.
    """

    model: PriceModel
    expected: pd.DataFrame
    residuals: pd.DataFrame
    metrics: dict[str, Any]
    notes: list[str]

    @classmethod
    def fit(cls, data: PriceData, settings: Regress) -> PriceResults:
        """Fit the candidates, select one, and evaluate it on the test products.

        Parameters
        ----------
        data
            All products. If none has a price, the model predicts none.
        settings
            Section `regress` of params.yaml.
        """
        products, test = data.products, data.products[data.is_test]
        if products["price"].isna().all():
            return cls._without_prices(products, settings)
        candidates = fit_candidates(data.table, data.price_to_learn(), products["group"], settings)
        scores = score_out_of_fold(candidates, data.price_to_learn())
        selected = select(scores)
        expected = candidates[selected].expected(data.table)
        flags = flag_prices(products["price"], products["price_is_placeholder"], expected)
        predicted = predict_test(
            products[data.is_learned], test, data.table[data.is_test], candidates, selected
        )
        metrics = {
            **evaluate(test, predicted, expected[data.is_test], settings.coverage),
            "chosen": selected,
            "cross_validated": scores,
            "flags": count_flags(flags[data.is_test]),
            "seed": settings.seed,
        }
        unused = columns_without_terms(data.table[data.is_learned], settings.min_df)
        notes = [explain_selection(selected, scores), explain_unused_texts(unused, settings.min_df)]
        return cls(
            candidates[selected].model,
            _expected_table(products, expected["price"], flags),
            residual_table(test["price"], predicted["model"]),
            metrics,
            [note for note in notes if note],
        )

    @classmethod
    def _without_prices(cls, products: pd.DataFrame, settings: Regress) -> PriceResults:
        none = products["price"]
        return cls(
            PriceModel.without_prices(settings.coverage),
            _expected_table(products, none, pd.Series("", products.index)),
            residual_table(none, none),
            {"n": 0, "seed": settings.seed, "skipped": NO_PRICES},
            [],
        )


def _expected_table(products: pd.DataFrame, price: pd.Series, flags: pd.Series) -> pd.DataFrame:
    table = products[["product_id"]].assign(price_expected=price.round(2))
    return table.assign(price_flag=flags)
