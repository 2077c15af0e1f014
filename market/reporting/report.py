"""The report page: its sections, and the template that shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from sklearn.metrics import confusion_matrix

from market.core.formats import Formats
from market.reporting.charts import price_histogram
from market.reporting.headline_metrics import (
    HEADLINES,
    Metrics,
    facts,
    headline_scores,
    skipped_stages,
)

TEMPLATE = Path(__file__).with_name("report.html.j2")

SECTIONS = {
    "audit": "Data audit",
    "classes": "Classes",
    "curves": "Learning curves",
    "confusion": "Confusion matrix",
    "calibration": "Calibration",
    "mistakes": "Most confident mistakes",
    "labels": "Likely mislabelled listings",
    "prices": "Price predictions",
    "search": "Search and recommendation",
    "searches": "Searches of users",
    "results": "Headline metrics",
}


# The sections that show the results of a stage.
SECTIONS_OF = {
    "classify": ("classes", "curves", "confusion", "calibration", "mistakes", "labels"),
    "regress": ("prices",),
}


def overview(metrics: Metrics) -> dict[str, Any]:
    """Return what the page's text states: facts, and why stages were skipped.

    `sections` are the titles of the sections to show, by id: without the sections of a stage that
    was skipped, and without "searches" if no searches were logged.
    """
    skipped = skipped_stages(metrics)
    left_out = {id for stage in skipped for id in SECTIONS_OF.get(stage, ())}
    if not metrics.get("analyse", {}).get("searches"):
        left_out.add("searches")
    sections = {id: title for id, title in SECTIONS.items() if id not in left_out}
    content = facts(metrics, "dataset") | {"sections": sections, "skipped": skipped}
    if "classify" in skipped:
        return content
    return content | facts(
        metrics,
        "classified_products",
        "model_seed",
        "fused_accuracy",
        "text_accuracy",
        "photo_accuracy",
        "majority_accuracy",
        "calibration_error",
        "label_errors",
    )


def audit(metrics: Metrics, products: pd.DataFrame, formats: Formats) -> dict[str, Any]:
    """Return the content of the data audit.

    Parameters
    ----------
    metrics
        Metrics of a run; stage clean is needed.
    products
        One row per product: price, price_is_placeholder.
    formats
        Writes the prices.

    Returns
    -------
    dict
        `counts`: numbers by name. `rejected`: numbers by reason, the most frequent first.
        `missing`: number of missing values by column. `price_chart`: an SVG, or None without
        prices. `placeholders`: (price in words, number of products), by price.
    """
    cleaned = facts(
        metrics, "product_counts", "photo_counts", "log_counts", "rejected", "missing_values"
    )
    kinds = {"products": "product_counts", "photos": "photo_counts", "events": "log_counts"}
    counts = {
        f"{kind}: {name.replace('_', ' ')}": count
        for kind, fact in kinds.items()
        for name, count in cleaned[fact].items()
        if isinstance(count, int)
    }
    placeholders = products.loc[products["price_is_placeholder"].astype(bool), "price"]
    by_frequency = sorted(cleaned["rejected"].items(), key=lambda item: (-item[1], item[0]))
    return {
        "counts": counts,
        "rejected": dict(by_frequency),
        "missing": cleaned["missing_values"],
        "price_chart": price_histogram(products, formats)
        if products["price"].notna().any()
        else None,
        "placeholders": [
            (formats.money(price), count)
            for price, count in placeholders.value_counts().sort_index().items()
        ],
    }


def confusion(predictions: pd.DataFrame) -> dict[str, Any]:
    """Return the confusion matrix as lists.

    Parameters
    ----------
    predictions
        Columns actual and predicted.

    Returns
    -------
    dict
        `names` of the categories; `confusion`: counts, a row per actual category; `shares` of each
        row.

    Examples
    --------
    >>> predictions = pd.DataFrame({"actual": ["bike", "bike"], "predicted": ["bike", "lamp"]})
    >>> confusion(predictions)["confusion"]
    [[1, 1], [0, 0]]
    """
    names = sorted(set(predictions["actual"]) | set(predictions["predicted"]))
    counts = confusion_matrix(predictions["actual"], predictions["predicted"], labels=names)
    shares = counts / counts.sum(1, keepdims=True).clip(min=1)
    return {"names": names, "confusion": counts.tolist(), "shares": shares.tolist()}


def comparison(run: Metrics, committed: Metrics) -> list[dict[str, Any]]:
    """Return the headline metrics of two runs: a title, and the scores of each run."""
    return [
        {
            "title": f"{headline.title}, {headline.measure}",
            "runs": [headline_scores(metrics, headline) for metrics in (run, committed)],
        }
        for headline in HEADLINES
    ]


def render(content: dict[str, Any]) -> str:
    """Return the page as HTML. Texts from listings are escaped.

    Parameters
    ----------
    content
        The values that the template shows.

    Raises
    ------
    jinja2.UndefinedError
        If `content` lacks a value.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template(TEMPLATE.name).render(**content)
    return page.lstrip()
