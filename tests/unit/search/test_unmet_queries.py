"""Hints for queries without results."""

from __future__ import annotations

import pandas as pd

from market.search.engine import Engine
from market.search.unmet_queries import HINT_COLUMNS, add_hints

HINTS = {
    "xylophone": (0, "", "", ""),
    "bicyclette": (0, "", "bicyclette → bicycle", ""),
    "giutar": (10, "guitar", "", "Music / Instruments / Guitars"),
    "red tents": (14, "red tent", "", "Sports / Camping / Other"),
}


def test_hints_say_what_the_listings_have(shop: Engine) -> None:
    table = add_hints(pd.DataFrame({"query": list(HINTS), "searches": 9}), shop)
    assert table["searches"].tolist() == [9] * len(HINTS)
    hints = table.set_index("query")[HINT_COLUMNS]
    assert {query: tuple(row) for query, *row in hints.itertuples()} == HINTS


def test_no_queries_have_no_hints(shop: Engine) -> None:
    table = add_hints(pd.DataFrame({"query": []}), shop)
    assert table.empty and list(table) == ["query", *HINT_COLUMNS]
