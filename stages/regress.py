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
from market.core.stage import stage
from market.data.money import Money
from market.models.price_data import PriceData
from market.models.price_evaluation import summarize
from market.models.price_results import PriceResults


@stage
def main() -> str:
    settings, currency, decimal = load_params("regress", "input.currency", "input.decimal")
    inputs = (LISTINGS, PHOTO_EMBEDDINGS, TEXT_EMBEDDINGS, CATEGORY_PROBABILITIES)
    require(*inputs)
    data = PriceData.load(*inputs, Money(currency, decimal))
    results = PriceResults.fit(data, settings)

    results.model.save(PRICE_MODEL)
    with replace_when_done(PRICE_PLOT) as path:
        results.residuals.to_csv(path, index=False)
    with replace_when_done(EXPECTED_PRICES) as path:
        results.expected.to_parquet(path, index=False)
    write_json(METRICS / "regress.json", results.metrics)
    return "; ".join([summarize(results.metrics, currency), *results.notes])


if __name__ == "__main__":
    main()
