"""Tables as CSV for spreadsheets."""

from __future__ import annotations

import re

import pandas as pd

FORMULA = re.compile(r"^(?=\s*[=+\-@])")


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
