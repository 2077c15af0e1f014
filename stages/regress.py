"""Predict the price: simple baselines, and a better model with an interval.

In:  data/merged/listings.parquet, data/embeddings, data/category/probabilities.parquet.
Out: models/price/, metrics/regress.json, plots/regress.csv (of the test products),
     data/price/expected.parquet (price_expected and price_flag of every product).

Everything is fitted on the train and validation products that have a price to learn from; the test
products are for evaluation only. The expected prices, flags and intervals of the products that were
fitted on are out-of-fold: by models fitted without the product's group. The median price, a ridge
regression on TF-IDF and the boosted model compete: the one with the lowest out-of-fold RMSLE is
saved, of equal ones the simplest.
"""

from __future__ import annotations

import numpy as np
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
from market.core.stage import stage
from market.data.listings import has_price_to_learn
from market.models.fusion import average_photos
from market.models.price_evaluation import evaluate, predict_test, residual_table
from market.models.price_features import TEXT_COLUMNS, columns_without_terms, price_table
from market.models.price_flags import FLAGS, flag_prices
from market.models.price_training import (
    explain_selection,
    fit_candidates,
    score_out_of_fold,
    select,
)


def read_products() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the products, one row each, and their `price_table`."""
    columns = ["product_id", "photo_index", "split", "group", "price", "price_is_placeholder"]
    listings = pd.read_parquet(LISTINGS, columns=[*columns, *TEXT_COLUMNS])
    products = listings.drop_duplicates("product_id").reset_index(drop=True)
    ids = products["product_id"]
    photos = listings.dropna(subset="photo_index")
    rows = photos["photo_index"].to_numpy(np.int64)
    features = np.load(PHOTO_EMBEDDINGS, mmap_mode="r")[rows]
    return products, price_table(
        products,
        pd.read_parquet(TEXT_EMBEDDINGS).set_index("product_id").loc[ids].to_numpy(),
        average_photos(features, photos["product_id"], ids),
        pd.read_parquet(CATEGORY_PROBABILITIES).set_index("product_id").loc[ids].to_numpy(),
    )


@stage
def main() -> str:
    settings, currency = load_params("regress", "input.currency")
    require(LISTINGS, PHOTO_EMBEDDINGS, TEXT_EMBEDDINGS, CATEGORY_PROBABILITIES)
    products, table = read_products()
    is_test = products["split"] == "test"
    # Stage `merge` fails unless there is at least one.
    to_learn = ~is_test & has_price_to_learn(products)
    price_to_learn = products["price"].where(to_learn)

    candidates = fit_candidates(table, price_to_learn, products["group"], settings)
    scores = score_out_of_fold(candidates, price_to_learn)
    selected = select(scores)
    expected = candidates[selected].expected(table)
    flags = flag_prices(products["price"], products["price_is_placeholder"], expected)

    test = products[is_test]
    predicted = predict_test(products[to_learn], test, table[is_test], candidates, selected)
    metrics = {
        **evaluate(test, predicted, expected[is_test], settings.coverage),
        "chosen": selected,
        "cross_validated": scores,
        "flags": {name: int((flags[is_test] == name).sum()) for name in FLAGS},
        "seed": settings.seed,
    }

    candidates[selected].model.save(PRICE_MODEL)
    with replace_when_done(PRICE_PLOT) as path:
        residual_table(test["price"], predicted["model"]).to_csv(path, index=False)
    with replace_when_done(EXPECTED_PRICES) as path:
        columns = {
            "product_id": products["product_id"],
            "price_expected": expected["price"].round(2),
            "price_flag": flags,
        }
        pd.DataFrame(columns).to_parquet(path, index=False)
    write_json(METRICS / "regress.json", metrics)

    notes = [explain_selection(selected, scores)]
    if unused := columns_without_terms(table[to_learn], settings.min_df):
        notes.append(
            f"{', '.join(unused)}: no word is in {settings.min_df} products (regress.min_df), so "
            "the models do not use this text"
        )
    model, coverage = metrics["model"], metrics["interval"].get("coverage")
    result = "no test product has a price, so there are no scores"
    if metrics["n"]:
        result = (
            f"RMSLE {model['rmsle']:.3f}, median error {model['median_ae']:.0f} {currency}, "
            f"{coverage:.1%} within their interval, n={metrics['n']}"
        )
    return "; ".join([result, *filter(None, notes)])


if __name__ == "__main__":
    main()
