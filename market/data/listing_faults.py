"""Why a listing cannot be used: its price or its category cannot be read."""

from __future__ import annotations

import pandas as pd

from market.data.listings import parse_price, split_category
from market.data.tables import RawTable


def price_faults(table: RawTable) -> pd.Series:
    """Return why the price of each listing (n,) cannot be used, or "".

    A missing price is not a fault here.
    """
    rows = table.rows
    faults = pd.Series("", index=rows.index)
    if "price" in rows:
        name, pounds = table.own_name("price"), parse_price(rows["price"])
        faults[pounds.lt(0)] = f"{name} is negative"
        faults[pounds.isna() & rows["price"].notna()] = f"{name} is not an amount in pounds"
    return faults


def listing_faults(table: RawTable) -> pd.Series:
    """Return why a model cannot learn from each listing (n,), or "".

    A price that cannot be read is a fault, and so is a category without a level. A missing field is
    not: the schema reports it.
    """
    faults = price_faults(table)
    if "category" in table.rows:
        written = table.rows["category"].dropna()
        empty = ~written.map(split_category).astype(bool)
        faults[written.index[empty]] = f"{table.own_name('category')} is missing"
    return faults
