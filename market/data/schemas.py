"""The schemas of the tables of listings and photos, and the rows that satisfy them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from market.core.errors import MarketError
from market.data.rejects import reject_rows
from market.data.tables import RawTable

MAX_CHARACTERS = 100_000  # of a field; the description of a real listing has a few thousand

_SHORT = pa.Check.str_length(
    max_value=MAX_CHARACTERS, error=f"has over {MAX_CHARACTERS} characters"
)


def _text(*checks: pa.Check, required: bool = True, nullable: bool = True, unique: bool = False):
    return pa.Column(str, list(checks), required=required, nullable=nullable, unique=unique)


def products_schema(
    labelled: bool, id_rules: Mapping[str, re.Pattern[str]] | None = None
) -> pa.DataFrameSchema:
    """Return the schema of the table of listings.

    `RawFolder.listings` checks which columns must exist, and `listings.price_faults` the prices.

    Parameters
    ----------
    labelled
        True for training: each row must have an id of its own and, in the columns that exist, a
        category and a price. False for new listings.
    id_rules
        Patterns that an id must match whole, by the fault of one that does not (`ids.ID_RULES`).
    """
    id_checks = [
        pa.Check(lambda ids, rule=rule: ids.str.fullmatch(rule), error=fault)
        for fault, rule in (id_rules or {}).items()
    ]
    # A new listing is never rejected for a long text: clean_products cuts it.
    short = [_SHORT] if labelled else []
    return pa.DataFrameSchema(
        {
            "id": _text(*short, *id_checks, nullable=not labelled, unique=labelled),
            "product_name": _text(*short, required=False),
            "category": _text(*short, required=False, nullable=not labelled),
            "product_description": _text(*short, required=False),
            "price": _text(required=False, nullable=not labelled),
            "location": _text(*short, required=False),
        }
    )


IMAGES_SCHEMA = pa.DataFrameSchema(
    {
        # The id is the name of a file: one that could lead out of the folder is rejected.
        "id": _text(
            pa.Check.str_matches(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", error="is not a file name"),
            nullable=False,
            unique=True,
        ),
        "product_id": _text(nullable=False),
        "image_ref": _text(required=False),
        "create_time": _text(required=False),
    }
)


def check_rows(
    table: RawTable, schema: pa.DataFrameSchema, faults: pd.Series | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Separate the rows of a table that satisfy a schema from those that do not.

    Parameters
    ----------
    table
        A table with the column id, n rows.
    schema
        Of this module.
    faults
        Further reasons to reject a row (n,), "" for none; the schema's come first.

    Returns
    -------
    rows, rejects
        The rows of `table.rows` that are kept, and the rejects (`rejects.REJECT_COLUMNS`).

    Raises
    ------
    MarketError
        If a column has a fault as a whole.
    """
    rows = table.rows
    reasons = pd.Series("", index=rows.index) if faults is None else faults.copy()
    try:
        schema.validate(rows, lazy=True)
    except SchemaErrors as error:
        schema_reasons = _schema_reasons(error.failure_cases, table)
        reasons[schema_reasons.index] = schema_reasons
    return rows[reasons.eq("")], reject_rows(table.path.name, reasons, rows["id"])


def _schema_reasons(faults: pd.DataFrame, table: RawTable) -> pd.Series:
    """Return a reason for each row in which pandera found a fault, that of its first column."""
    table_faults = faults[faults["index"].isna()]
    if len(table_faults):
        first = table_faults.iloc[0]
        name = table.own_name(first["column"])
        raise MarketError(f"{table.path}: column {name!r}: {first['check']}")
    # pandera reports every copy of a repeated id; the first one is kept.
    repeated = (faults["check"] == "field_uniqueness") & ~faults["index"].isin(
        table.rows.index[table.rows["id"].duplicated()]
    )
    faults = faults[~repeated].drop_duplicates("index")
    words = {"not_nullable": "is missing", "field_uniqueness": "repeats an earlier row's"}
    reasons = faults["column"].map(table.own_name) + " " + faults["check"].replace(words)
    return pd.Series(reasons.to_numpy(), index=faults["index"].astype(int))
