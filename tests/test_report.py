"""The page of mistakes: the right ones, whole, and safe whatever a listing says."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pandas as pd
import pytest

import report


@pytest.fixture(scope="module")
def page(ran: Path) -> str:
    return (ran / "report/index.html").read_text(encoding="utf-8")


def test_the_surest_mistakes_come_first() -> None:
    answers = pd.DataFrame(
        {
            "product_id": ["a", "b", "c", "d"],
            "actual": ["x", "x", "y", "y"],
            "predicted": ["y", "x", "x", "x"],
            "confidence": [0.6, 0.99, 0.9, 0.7],
        }
    )
    found = report.most_confident_mistakes(answers, 2)
    assert found["product_id"].tolist() == ["c", "d"]
    assert found["category"].tolist() == ["y", "y"] and found["sure"].tolist() == [0.9, 0.7]


def test_the_page_shows_what_the_metrics_say(ran: Path, page: str) -> None:
    scores = json.loads((ran / "metrics/classify.json").read_text(encoding="utf-8"))
    assert f"{100 * scores['fused']['accuracy']:.1f} % of {scores['n']} test products" in page
    assert "synthetic data" in page
    answers = pd.read_parquet(ran / "data/category/test.parquet")
    counts = [int(count) for count in re.findall(r"rgb\([^>]*>(\d+)</td>", page)]
    assert sum(counts) == scores["n"]
    wrong = int((answers["actual"] != answers["predicted"]).sum())
    assert f"The {min(wrong, report.SHOWN)} most confident mistakes" in page


def test_photos_are_in_the_page_and_nothing_is_fetched(page: str) -> None:
    photos = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert photos and all(base64.b64decode(photo)[:2] == b"\xff\xd8" for photo in photos)
    assert not re.search(r'(?:src|href)="(?!data:)', page) and "<script" not in page


def test_a_listings_text_never_becomes_html() -> None:
    evil = "<script>alert(1)</script>"
    row = {"title": evil, "photo": "", "category": evil, "suggested": "b", "sure": 0.9}
    scores = {"accuracy": 0.5, "ece": 0.1}
    page = report.render(
        "mine",
        {
            **{name: scores for name in ("fused", "text", "photo")},
            **{"n": 1, "majority_accuracy": 0.1, "seed": 1, "label_errors": 1},
        },
        pd.DataFrame({"actual": [evil], "predicted": ["b"]}),
        pd.DataFrame({"confidence": [0.9], "accuracy": [0.5], "n": [1]}),
        [row],
        [row],
    )
    assert "<script" not in page and "&lt;script&gt;alert(1)" in page
    assert "synthetic" not in page
