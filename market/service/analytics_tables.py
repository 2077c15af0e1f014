"""Tables of analytics as rows of the API, and as CSV."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from market.search.analytics import RATES

MEANS = (*RATES, "click_place")
FORMULA = re.compile(r"^(?=\s*[=+\-@])")


def to_rate_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the fields of `schemas.AnalyticsRow` for a table of `SearchAnalytics.rates`."""
    return [_to_row(row) for row in table.to_dict("records")]


def _to_row(cells: dict[str, Any]) -> dict[str, Any]:
    """Return the cells of a row with each mean, its n and its interval in one field."""
    means = {
        name: {
            "value": _number(cells.pop(name)),
            "n": cells.pop(f"{name}_n"),
            "low": _number(cells.pop(f"{name}_low")),
            "high": _number(cells.pop(f"{name}_high")),
        }
        for name in MEANS
    }
    return {**cells, **means}


def _number(value: float) -> float | None:
    return None if pd.isna(value) else value


def to_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV that spreadsheets can open.

    Queries are what anybody typed. An apostrophe before a text that begins like a formula keeps a
    spreadsheet from running it.
    """
    texts = table.select_dtypes(["object", "str"])
    guarded = {
        name: texts[name].astype("str").str.replace(FORMULA, "'", regex=True) for name in texts
    }
    return table.assign(**guarded).to_csv(index=False, lineterminator="\r\n")
