"""CSV files that a stage wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd


def read_stage_csv(path: Path, text: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV that a stage wrote.

    Only an empty field is missing: a category may be called "NA" or "null".

    Parameters
    ----------
    path
        The file.
    text
        The columns to read as text: a product_id may be "007".
    """
    types = dict.fromkeys(text, "str")
    return pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])
