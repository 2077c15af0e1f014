"""Predict the price: simple baselines, and a better model with an interval.

In:  data/merged/listings.parquet, data/embeddings, data/category/probabilities.parquet.
Out: models/price/, metrics/regress.json, plots/regress.csv (of the test products),
     data/price/expected.parquet (price_expected and price_flag of every product).

Everything is fitted on the train and validation products that have a price to learn from; the test
products are for evaluation only. The expected prices, flags and intervals of the products that were
fitted on are out-of-fold: by models fitted without the product's group. Of the median price, a
ridge regression on TF-IDF and the boosted model, the one with the lowest out-of-fold RMSLE is saved
(the simplest of equal ones).
"""

from __future__ import annotations

import pandas as pd

from market.core.atomic import replace_when_done, write_json
from market.core.params import load_params
from market.core.paths import (
    CATEGORY_PROBABILITIES,
    EXPECTED_PRICES,
    LISTINGS,
    METRICS,
    PHOTO_EMBEDDINGS,
    PRICE_MODEL,
    PRICE_PLOT,
    TEXT_EMBEDDINGS,
    require,
)
from market.core.settings import Regress
from market.core.stage import stage
from market.data.money import Money
from market.models.price_data import PriceData
from market.models.price_evaluation import evaluate, predict_test, residual_table, summarize
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


def write(
    model: PriceModel,
    product_ids: pd.Series,
    expected: pd.Series,
    flags: pd.Series,
    residuals: pd.DataFrame,
) -> None:
    """Write the model, the expected price and the flag of each product, and the plot."""
    model.save(PRICE_MODEL)
    with replace_when_done(PRICE_PLOT) as path:
        residuals.to_csv(path, index=False)
    with replace_when_done(EXPECTED_PRICES) as path:
        table = pd.DataFrame({"product_id": product_ids, "price_expected": expected.round(2)})
        table.assign(price_flag=flags).to_parquet(path, index=False)


def skip(products: pd.DataFrame, settings: Regress) -> str:
    """Write outputs without a model, because no listing has a price."""
    none, no_flags = products["price"], pd.Series("", products.index)
    model = PriceModel.without_prices(settings.coverage)
    write(model, products["product_id"], none, no_flags, residual_table(none, none))
    write_json(METRICS / "regress.json", {"n": 0, "seed": settings.seed, "skipped": NO_PRICES})
    return f"no price model was fitted: {NO_PRICES}"


@stage
def main() -> str:
    settings, currency, decimal = load_params("regress", "input.currency", "input.decimal")
    inputs = (LISTINGS, PHOTO_EMBEDDINGS, TEXT_EMBEDDINGS, CATEGORY_PROBABILITIES)
    require(*inputs)
    data = PriceData.load(*inputs, Money(currency, decimal))
    products, test = data.products, data.products[data.is_test]
    if products["price"].isna().all():
        return skip(products, settings)

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

    residuals = residual_table(test["price"], predicted["model"])
    write(candidates[selected].model, products["product_id"], expected["price"], flags, residuals)
    write_json(METRICS / "regress.json", metrics)

    unused = columns_without_terms(data.table[data.is_learned], settings.min_df)
    notes = [explain_selection(selected, scores), explain_unused_texts(unused, settings.min_df)]
    return "; ".join([summarize(metrics, currency), *filter(None, notes)])


if __name__ == "__main__":
    main()
