"""Why a listing cannot be used: its price or its category cannot be read."""

from __future__ import annotations

import pandas as pd

from market.core.settings import Input
from market.data.html_text import html_to_text
from market.data.listings import split_category
from market.data.money import Money
from market.data.tables import RawTable


def price_faults(table: RawTable, settings: Input) -> pd.Series:
    """Return why the price of each listing (n,) cannot be used, or "".

    A missing price is not a fault here.
    """
    if "price" not in table.rows:
        return pd.Series("", index=table.rows.index)
    faults = Money.of(settings).faults(table.rows["price"])
    return (f"{table.own_name('price')} " + faults).where(faults.ne(""), "")


def listing_faults(table: RawTable, settings: Input) -> pd.Series:
    """Return why a model cannot learn from each listing (n,), or "".

    A price that cannot be read is a fault, and so is a category without a level. A missing field is
    not: the schema reports it.
    """
    faults = price_faults(table, settings)
    if "category" in table.rows:
        separator = settings.category_separator
        written = html_to_text(table.rows["category"].dropna())
        empty = ~written.map(lambda path: split_category(path, separator)).astype(bool)
        faults[written.index[empty]] = f"{table.own_name('category')} is missing"
    return faults
