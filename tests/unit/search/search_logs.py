"""Small logs of searches over the handmade listings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

NIGHT = pd.Timestamp("2022-03-05")
NO_LOG = pd.DataFrame(
    {
        "user_id": pd.Series(dtype=str),
        "product_id": pd.Series(dtype=str),
        "event": pd.Series(dtype=str),
        "timestamp": pd.Series(dtype="datetime64[us]"),
    }
)


def make_searches(*searches: dict[str, Any]) -> pd.DataFrame:
    """Return a log of searches, an hour apart; each needs `query` and `product_ids` at least."""
    defaults: dict[str, Any] = {
        "user_id": None,
        "kind": "search",
        "variant": "A",
        "offset": 0,
        "total": None,
        "filters": "{}",
        "propensities": None,
        "rules": [],
        "suggest_id": None,
    }
    rows = [
        {"search_id": f"s{number}", "timestamp": NIGHT + pd.Timedelta(hours=number)}
        | defaults
        | search
        for number, search in enumerate(searches)
    ]
    return pd.DataFrame([{"places": [*range(len(row["product_ids"]))]} | row for row in rows])


def make_clicks(*clicks: Sequence[Any]) -> pd.DataFrame:
    """Return clicks: search_id, product_id, and optionally the event and the dwell in seconds."""
    rows = [
        (*click, "view", float("nan"))[:2]
        + tuple(list(click[2:]) + ["view", float("nan")][len(click) - 2 :])
        for click in clicks
    ]
    table = pd.DataFrame(rows, columns=["search_id", "product_id", "event", "dwell_seconds"])
    return table.assign(timestamp=NIGHT)
