"""The table of all metrics."""

from __future__ import annotations

from typing import Any

import summarize


def test_what_could_not_be_judged_has_no_row() -> None:
    scores = {"ndcg@10": 0.5, "recall@1": 0.25, "recall@10": 0.75, "n": 4}
    judged = {name: scores for name in ("model", "bm25", "popular", "random")}
    rank: dict[str, Any] = {
        "search": {"category_names": {}, "known_items": judged},
        "photo_to_photo": {},
        "personalised": {"log": judged},
        "seed": 1,
    }
    titles = [row[0] for row in summarize.rows({"rank": rank})]
    named = ["search, known items"] * 3 + ["recommendation, next product of the log"] * 3
    assert titles == named
