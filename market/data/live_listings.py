"""Listings as the service's API states them: checked and typed by the code of stage clean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from market.core.settings import FIELDS, Clean, Input
from market.data.attributes import FIELD_TYPES, clean_details
from market.data.ids import ID_RULES
from market.data.listing_faults import listing_faults
from market.data.listings import clean_products, split_category
from market.data.raw_folder import ATTRIBUTE, LISTING_COLUMNS
from market.data.schemas import check_rows, products_schema
from market.data.tables import MAX_SHOWN, RawTable
from market.data.typed_tables import CellStyle, cell_text

ATTRIBUTES = "attributes"  # the field that holds all attributes
SELLER_FIELDS = tuple(name for name in FIELDS if name != "id")
SOURCE = Path("listing")  # stands for the file in messages


def raw_table(
    product_ids: Sequence[str],
    fields: Sequence[Mapping[str, Any]],
    settings: Input,
    *,
    complete: bool = False,
) -> RawTable:
    """Return listings of the API as a raw table, whose own names of columns are the API's.

    Parameters
    ----------
    product_ids
        The id of each listing (n).
    fields
        (n,) SELLER_FIELDS and ATTRIBUTES of each listing, as JSON holds them.
    settings
        How the raw folder writes prices and categories.
    complete
        Whether to include columns without a value.
    """
    columns = {LISTING_COLUMNS.get(name, name): name for name in SELLER_FIELDS}
    columns |= {f"{ATTRIBUTE}{name}": f"{ATTRIBUTES}.{name}" for name in settings.attributes}
    read: dict[str, list[str | None]] = {"id": [*product_ids]}
    present = {"id": "id"}
    for name, own in columns.items():
        texts = [_text(each, own, settings) for each in fields]
        if complete or any(text is not None for text in texts):
            present[name] = own
            read[own] = texts
    return RawTable.select(SOURCE, pd.DataFrame(read, dtype="str"), present)


def _text(fields: Mapping[str, Any], own: str, settings: Input) -> str | None:
    """Return the text that the raw folder would hold for a field."""
    if own.startswith(f"{ATTRIBUTES}."):
        value = (fields.get(ATTRIBUTES) or {}).get(own.removeprefix(f"{ATTRIBUTES}."))
    else:
        value = fields.get(own)
    between = settings.category_separator if own == "category" else ", "
    decimal = "." if own in FIELD_TYPES else settings.decimal
    text = cell_text(value, CellStyle(decimal, between))
    return (text or "").strip() or None


def category_levels(fields: Mapping[str, Any], settings: Input) -> list[str]:
    """Return the levels of the category that a listing states."""
    path = _text(fields, "category", settings)
    return split_category(path, settings.category_separator) if path else []


def find_faults(table: RawTable, settings: Input) -> pd.Series:
    """Return why each listing (n,) of a `raw_table` cannot be used, or "".

    The reasons are those of stage clean, apart from missing fields: a listing of the API may lack
    any of them. A value of another type, which clean leaves empty, is a fault here: the seller can
    still correct it.
    """
    optional = {name: {"nullable": True} for name in ("category", "price")}
    schema = products_schema(labelled=True, id_rules=ID_RULES).update_columns(
        {"id": {"unique": False}, **optional}
    )
    _, rejects = check_rows(table, schema, listing_faults(table, settings))
    faults = pd.Series("", index=table.rows.index)
    if len(rejects):
        faults[rejects["record"].to_numpy(int) - 1] = rejects["reason"].to_numpy()
    details = clean_details(table, table.rows, settings, max_share=1).columns
    for name in table.rows.columns:
        if not (name in FIELD_TYPES or name.startswith(ATTRIBUTE)):
            continue
        texts = table.rows[name]
        typed = details[name] if name in details else pd.Series(pd.NA, index=texts.index)
        unread = texts.notna() & typed.isna() & faults.eq("")
        if unread.any():
            faults[unread] = [
                f"{table.own_name(name)} cannot be read: {text!r:.{MAX_SHOWN}}"
                for text in texts[unread]
            ]
    return faults


def clean_table(table: RawTable, settings: Clean, input_settings: Input) -> pd.DataFrame:
    """Return the typed columns of a `raw_table` (n rows), as stage clean makes them."""
    products = clean_products(
        table.rows, placeholder_above=settings.placeholder_above, settings=input_settings
    )
    details = clean_details(table, table.rows, input_settings, max_share=1)
    return products.join(details.columns)
