"""A DataFrame becomes the strings that a CSV file of it would hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from market.core.errors import MarketError
from market.data.typed_tables import CellStyle, frame_to_strings

PATH = Path("DataFrame")


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        ([1, 2], ["1", "2"]),
        ([1, None], ["1", None]),  # pandas makes it a float
        (["£5", 7.5], ["£5", "7,5"]),
        ([True, np.nan], ["true", None]),
        ([["a", "b"], []], ["a / b", None]),
        (pd.array([3, pd.NA], "Int64"), ["3", None]),
        (pd.Categorical(["x", "y"]), ["x", "y"]),
        (pd.to_datetime(["2024-03-01", None]), ["2024-03-01T00:00:00", None]),
        ([" a ", ""], ["a", None]),
        (np.array(["a", "b"], dtype=object), ["a", "b"]),
    ],
)
def test_cells_of_every_type_become_text(cells: object, texts: list[str | None]) -> None:
    frame = pd.DataFrame({"id": ["1", "2"], "cell": cells}, index=[5, 5])
    styles = {"cell": CellStyle(decimal=",", between=" / ")}
    column = frame_to_strings(frame, PATH, styles)["cell"]
    assert column.astype(object).where(column.notna(), None).tolist() == texts
    assert column.index.tolist() == [0, 1]


def test_a_repeated_column_is_named() -> None:
    frame = pd.DataFrame([[1, 2]], columns=["id", "id"])
    with pytest.raises(MarketError, match="DataFrame: column 'id' occurs twice"):
        frame_to_strings(frame, PATH)
