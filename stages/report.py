"""Write the report: one page with the data, learning curves, mistakes, prices, searches, results.

The page is a single file that needs no network. It shows listings: publish it only where those may
be published.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from market.core.atomic import replace_when_done
from market.core.paths import (
    ANALYTICS,
    CALIBRATION_PLOT,
    EXPECTED_PRICES,
    LABEL_ERRORS,
    LISTINGS,
    METRICS,
    PHOTO_CURVES,
    PHOTOS,
    PRICE_PLOT,
    RANKER,
    REPORT,
    RESULTS,
    SEARCH_INDEX,
    TEST_PREDICTIONS,
    TEXT_CURVES,
    require,
)
from market.core.stage import stage
from market.core.torch_setup import set_up_torch
from market.data.photo_store import PhotoStore
from market.reporting.charts import (
    learning_curves,
    predicted_prices,
    price_residuals,
    reliability_diagram,
)
from market.reporting.headline_metrics import HEADLINE_STAGES, read_metrics
from market.reporting.listing_cards import (
    MAX_CARDS,
    category_cards,
    class_sheets,
    most_confident_mistakes,
)
from market.reporting.report import audit, comparison, confusion, overview, render
from market.reporting.search_examples import example_cards
from market.reporting.search_section import search_section
from market.reporting.stage_csv import read_stage_csv
from market.search.analytics_tables import AnalyticsTables
from market.search.engine import Engine

COLUMNS = ["product_id", "name", "category", "photo_index", "price", "price_is_placeholder"]


def category_sections(listings: pd.DataFrame, photos: PhotoStore) -> dict[str, Any]:
    """Return the content of the sections on categories."""
    predictions = pd.read_parquet(TEST_PREDICTIONS)
    mistakes = most_confident_mistakes(predictions)
    label_errors = read_stage_csv(
        LABEL_ERRORS, text=["product_id", "split", "category", "suggested"]
    )
    label_errors = label_errors.rename(columns={"p_suggested": "confidence"}).head(MAX_CARDS)
    calibration = read_stage_csv(CALIBRATION_PLOT)
    return {
        "classes": class_sheets(listings, photos),
        "curves": learning_curves(read_stage_csv(PHOTO_CURVES), read_stage_csv(TEXT_CURVES)),
        **confusion(predictions),
        "calibration": calibration.to_dict("records"),
        "calibration_chart": reliability_diagram(calibration),
        "mistakes": category_cards(mistakes, listings, photos),
        "mislabelled": category_cards(label_errors, listings, photos),
    }


@stage
def main() -> str:
    plots = (CALIBRATION_PLOT, PHOTO_CURVES, TEXT_CURVES, PRICE_PLOT)
    tables = (LISTINGS, PHOTOS, TEST_PREDICTIONS, LABEL_ERRORS, EXPECTED_PRICES, ANALYTICS)
    require(*tables, *plots, SEARCH_INDEX, RANKER)
    set_up_torch(0)
    metrics = read_metrics(METRICS, ("clean", "analyse", *HEADLINE_STAGES))
    listings = pd.read_parquet(LISTINGS, columns=COLUMNS)
    photos = PhotoStore(PHOTOS)
    engine = Engine.load(SEARCH_INDEX, RANKER)
    formats = engine.formats
    products = listings.drop_duplicates("product_id")
    content = overview(metrics) | audit(metrics, products, formats)
    content["searches"] = example_cards(engine, photos)
    content["results"] = comparison(metrics, read_metrics(RESULTS))
    if "classes" in content["sections"]:
        content |= category_sections(listings, photos)
    if "prices" in content["sections"]:
        prices = read_stage_csv(PRICE_PLOT)
        content["price_charts"] = [
            predicted_prices(prices, formats),
            price_residuals(prices, formats),
        ]
    if "searches" in content["sections"]:
        content |= search_section(AnalyticsTables.load(ANALYTICS), engine)
    with replace_when_done(REPORT) as temporary:
        temporary.write_text(render(content), encoding="utf-8")
    return f"{len(content['sections'])} sections in {REPORT}"


if __name__ == "__main__":
    main()
