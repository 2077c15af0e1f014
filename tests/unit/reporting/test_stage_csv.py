"""CSV files of the stages: text stays text, and only an empty field is missing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from market.reporting.stage_csv import read_stage_csv


def test_only_an_empty_field_is_missing(tmp_path: Path) -> None:
    """A product or a category may have a name that pandas takes for a missing value."""
    names = ["NA", "null", "None", "nan", "-inf", "007", "N/A"]
    written = pd.DataFrame({"product_id": names, "category": names, "p": [0.5, *[None] * 6]})
    written.to_csv(tmp_path / "t.csv", index=False)
    table = read_stage_csv(tmp_path / "t.csv", text=["product_id", "category"])
    assert table["product_id"].tolist() == table["category"].tolist() == names
    assert table["p"].isna().sum() == 6 and table["p"].dtype == float
