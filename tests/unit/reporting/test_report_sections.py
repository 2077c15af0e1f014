"""The report page: its sections, and listings whose texts are HTML."""

from __future__ import annotations

from typing import Any

import pandas as pd

from market.core.formats import BRITISH
from market.reporting import charts, report
from market.search.analytics_tables import MEANS

PRODUCTS = pd.DataFrame(
    {
        "price": [5.0, 5.0, 5.0, 1.0, 1234.0, float("nan")],
        "price_is_placeholder": [False, False, False, True, True, False],
    }
)
CLEAN = {
    "products": {"read": 5, "missing_values": {"price": 1}},
    "photos": {"kept": 4},
    "interactions": {"read": 0},
    "rejected": {"empty": 1, "damaged": 3},
}


def test_the_audit_sorts_rejects_by_frequency_and_counts_placeholders() -> None:
    audit = report.audit({"clean": CLEAN}, PRODUCTS, BRITISH)
    assert list(audit["rejected"].items()) == [("damaged", 3), ("empty", 1)]
    assert audit["counts"] == {"products: read": 5, "photos: kept": 4, "events: read": 0}
    assert audit["missing"] == {"price": 1}
    assert audit["placeholders"] == [("£1", 1), ("£1,234", 1)]


def test_the_confusion_matrix_has_every_category_that_occurs() -> None:
    predictions = pd.DataFrame({"actual": ["a", "a", "b"], "predicted": ["a", "c", "b"]})
    assert report.confusion(predictions) == {
        "names": ["a", "b", "c"],
        "confusion": [[1, 0, 1], [0, 1, 0], [0, 0, 0]],
        "shares": [[0.5, 0, 0.5], [0, 1, 0], [0, 0, 0]],
    }


def test_a_score_that_a_run_lacks_is_empty() -> None:
    run: dict[str, dict[str, Any]] = {
        "evaluate": {"photo_to_photo": {}},
        "regress": {"model": {"rmsle": 1.5, "n": 3}},
    }
    runs = {row["title"]: row["runs"] for row in report.comparison(run, {})}
    assert runs["price, RMSLE"] == [[1.5, None, None, 3], [None] * 4]
    assert runs["same-product photo retrieval, recall@1"] == [[None] * 4] * 2


def test_the_text_of_a_listing_never_becomes_html() -> None:
    evil = "<script>alert(1)</script>"
    card = {"title": evil, "photo": "", "category": evil, "suggested": "b", "confidence": 0.9}
    result = {
        **{"title": evil, "price": 1, "photo": "", "distance": None},
        "reasons": [(evil, 0.5)],
    }
    calibration = pd.DataFrame({"confidence": [0.9], "accuracy": [0.5], "n": [1]})
    mean = {"value": 0.5, "n": 2, "low": 0.1, "high": 0.9}
    rates = {"searches": 2, "users": 2} | dict.fromkeys(MEANS, mean)
    unmet = {"searches": 1, "users": 1, "with_filters": 0, "results_now": 2}
    unmet["last_seen"] = pd.Timestamp("2026-03-01")
    page = report.render(
        {
            **{"sections": report.SECTIONS, "skipped": {}},
            **{"dataset": "mine", "classified_products": 1, "model_seed": 1, "label_errors": 1},
            **dict.fromkeys(("fused_accuracy", "text_accuracy", "photo_accuracy"), 0.5),
            **{"majority_accuracy": 0.1, "calibration_error": 0.1},
            **{"counts": {evil: 1}, "rejected": {evil: 1}, "missing": {evil: 0}},
            "price_chart": charts.price_histogram(PRODUCTS, BRITISH),
            "placeholders": [(1.0, 2)],
            "classes": [{"name": evil, "n": 1, "share": 1.0, "photos": [""]}],
            "curves": [],
            **report.confusion(pd.DataFrame({"actual": [evil], "predicted": ["b"]})),
            "calibration": calibration.to_dict("records"),
            "calibration_chart": charts.reliability_diagram(calibration),
            "mistakes": [card],
            "mislabelled": [card],
            "price_charts": [],
            "searches": [{"title": evil, "total": 1, "query": [result], "results": [result]}],
            **{"search_charts": [], "variants": []},
            "kinds": [rates | {"kind": evil}],
            "queries": [rates | {"title": evil}],
            "unmet": [unmet | dict.fromkeys(("query", "closest_words", "category"), evil)],
            "results": [{"title": evil, "runs": [[0.5, None, None, 1], [None] * 4]}],
        }
    )
    assert "<script" not in page and page.count("&lt;script&gt;alert(1)") >= 19
    assert "synthetic" not in page
    assert page.startswith("<!doctype html>")
