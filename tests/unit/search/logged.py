"""Handmade logs of searches, for tests of what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

START = pd.Timestamp("2026-03-01 23:00")
DEFAULTS: dict[str, Any] = {
    "user_id": "anna", "query": "lamp", "product_ids": ["p1", "p2", "p3"], "kind": "search",
    "variant": "A", "offset": 0, "total": 3, "filters": "{}", "propensities": None, "rules": [],
    "suggest_id": None,
}  # fmt: skip


def make_searches(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return a log whose rows have DEFAULTS where they state nothing; `at` is in seconds."""
    full = []
    for number, row in enumerate(rows):
        fields = {"search_id": f"s{number}", **DEFAULTS, **row}
        full.append(fields | {"timestamp": START + pd.Timedelta(seconds=fields.pop("at", 0))})
    columns = ["search_id", "timestamp", *DEFAULTS]
    return pd.DataFrame(full, columns=columns).astype(
        {"timestamp": "datetime64[us]", "offset": int, "total": "Int64"}
    )


def make_clicks(rows: Sequence[tuple[str, str, str, float]]) -> pd.DataFrame:
    """Return the events of searches: search_id, product_id, event, seconds."""
    clicks = pd.DataFrame(rows, columns=["search_id", "product_id", "event", "at"])
    times = START + pd.to_timedelta(clicks["at"].astype(float), unit="s")
    return clicks.assign(timestamp=times.astype("datetime64[us]")).drop(columns="at")
