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

from typing import Any

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
    PLOTS,
    PRICE_MODEL,
    TEXT_EMBEDDINGS,
    require,
)
from market.core.stage import stage
from market.data.listings import has_price_to_learn
from market.models.fusion import average_photos
from market.models.metrics import score_intervals, score_prices, spread
from market.models.price_baselines import BASELINES, predict_untransformed
from market.models.price_boosting import SEEDS
from market.models.price_features import TEXT_COLUMNS, columns_without_terms, price_table
from market.models.price_flags import FLAGS, flag_prices
from market.models.price_model import BOOSTED
from market.models.price_training import (
    Candidate,
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


def predict_test(
    known: pd.DataFrame,
    test: pd.DataFrame,
    table: pd.DataFrame,
    candidates: dict[str, Candidate],
    selected: str,
) -> pd.DataFrame:
    """Return the price of the test products in pounds, by each model and baseline.

    `known` are the products that were fitted on, `table` is the `price_table` of `test`.
    `seed_<i>` is each boosted model alone.
    """
    predicted = {name: candidate.model.predict(table) for name, candidate in candidates.items()}
    columns = predict_untransformed(known, test)
    columns |= {name: predicted[name]["price"] for name in BASELINES}
    columns["model"] = predicted[selected]["price"]
    if BOOSTED in predicted:
        layers = predicted[BOOSTED].filter(regex="^(linear|network|seed_.*)$")
        columns |= dict(layers.items())
    return pd.DataFrame(columns, test.index)


def evaluate(
    test: pd.DataFrame, predicted: pd.DataFrame, expected: pd.DataFrame, coverage: float
) -> dict[str, Any]:
    """Return the scores of the test products that have a price.

    `predicted` is from `predict_test`, `expected` has the intervals of the selected model.
    """
    priced = test["price"].notna()
    sensible = priced & ~test["price_is_placeholder"]
    price = test["price"]
    by_seed = predicted.filter(like="seed_")
    models = predicted.columns.difference(by_seed.columns)

    def score_each(rows: pd.Series) -> dict[str, Any]:
        known = price[rows].to_numpy()
        return {name: score_prices(known, predicted.loc[rows, name].to_numpy()) for name in models}

    interval = expected.loc[priced, ["price_low", "price_high"]].to_numpy()
    metrics = {
        **score_each(priced),
        "without_placeholders": score_each(sensible),
        "interval": {
            "asked": coverage,
            **score_intervals(price[priced].to_numpy(), *interval.T),
        },
        "placeholders": int((priced & ~sensible).sum()),
        "n": int(priced.sum()),
    }
    if len(by_seed.columns) and priced.any():
        known = price[priced].to_numpy()
        scores = [
            score_prices(known, by_seed.loc[priced, f"seed_{i}"].to_numpy()) for i in range(SEEDS)
        ]
        metrics["over_seeds"] = {
            name: spread([of_seed[name] for of_seed in scores]) for name in ("rmsle", "median_ae")
        }
    return metrics


def write_plot(price: np.ndarray, predicted: np.ndarray) -> None:
    """Write plots/regress.csv, in logarithms: in pounds one placeholder hides all other prices."""
    log_price, log_predicted = np.log10(1 + price), np.log10(1 + predicted)
    columns = {
        "log10_price": log_price,
        "log10_predicted": log_predicted,
        "log10_residual": log_price - log_predicted,
    }
    with replace_when_done(PLOTS / "regress.csv") as path:
        pd.DataFrame(columns).round(4).to_csv(path, index=False)


@stage
def main() -> str:
    settings = load_params("regress")
    require(LISTINGS, PHOTO_EMBEDDINGS, TEXT_EMBEDDINGS, CATEGORY_PROBABILITIES)
    products, table = read_products()
    is_test = products["split"] == "test"
    # `merge` has checked that there are any.
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
    with replace_when_done(EXPECTED_PRICES) as path:
        columns = {
            "product_id": products["product_id"],
            "price_expected": expected["price"].round(2),
            "price_flag": flags,
        }
        pd.DataFrame(columns).to_parquet(path, index=False)
    priced = test["price"].notna()
    write_plot(test.loc[priced, "price"].to_numpy(), predicted.loc[priced, "model"].to_numpy())
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
            f"RMSLE {model['rmsle']:.3f}, median error £{model['median_ae']:.0f}, "
            f"{coverage:.1%} within their interval, n={metrics['n']}"
        )
    return "; ".join([result, *filter(None, notes)])


if __name__ == "__main__":
    main()
