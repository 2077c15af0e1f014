"""Tables as CSV for spreadsheets."""

from __future__ import annotations

import pandas as pd
import pytest

from market.service.spreadsheets import to_csv


@pytest.mark.parametrize("query", ["=1+1", "+1", "-1", "@x", " =1", "\t=1"])
def test_no_spreadsheet_runs_a_query_as_a_formula(query: str) -> None:
    lines = to_csv(pd.DataFrame({"query": [query, "safe"], "number": -1})).splitlines()
    assert lines[1] == f"'{query},-1" and lines[2] == "safe,-1"
