"""The schemas of Products.csv and Images.csv, and the rows that satisfy them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from market.core.errors import MarketError
from market.data.rejects import reject_rows
from market.data.tables import MAX_QUOTED

MAX_CHARACTERS = 100_000  # of a field; the description of a real listing has a few thousand

_SHORT = pa.Check.str_length(
    max_value=MAX_CHARACTERS, error=f"a field has over {MAX_CHARACTERS} characters"
)


def _text(*checks: pa.Check, required: bool = True, nullable: bool = True, unique: bool = False):
    return pa.Column(str, list(checks), required=required, nullable=nullable, unique=unique)


def products_schema(
    labelled: bool, id_rules: Mapping[str, re.Pattern[str]] | None = None
) -> pa.DataFrameSchema:
    """Return the schema of Products.csv.

    Parameters
    ----------
    labelled
        True for training: every column must exist, and each row have a category and a price. False
        for new listings: only the column id must exist. `listings.price_faults` checks the prices.
    id_rules
        Patterns that an id must match whole, by the fault of one that does not (`ids.ID_RULES`).
    """
    id_checks = [
        pa.Check(lambda ids, rule=rule: ids.str.fullmatch(rule), error=f"id {fault}")
        for fault, rule in (id_rules or {}).items()
    ]
    # A new listing is never rejected for a long text: clean_products cuts it.
    short = [_SHORT] if labelled else []
    return pa.DataFrameSchema(
        {
            "id": _text(*short, *id_checks, nullable=not labelled, unique=labelled),
            "product_name": _text(*short, required=labelled),
            "category": _text(*short, required=labelled, nullable=not labelled),
            "product_description": _text(*short, required=labelled),
            "price": _text(required=labelled, nullable=not labelled),
            "location": _text(*short, required=labelled),
        }
    )


IMAGES_SCHEMA = pa.DataFrameSchema(
    {
        # The id is the name of a file: one that could lead out of the folder is rejected.
        "id": _text(
            pa.Check.str_matches(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", error="id is not a file name"),
            nullable=False,
            unique=True,
        ),
        "product_id": _text(nullable=False),
        "image_ref": _text(required=False),
        "create_time": _text(required=False),
    }
)


def check_rows(
    table: pd.DataFrame,
    schema: pa.DataFrameSchema,
    path: Path,
    faults: pd.Series | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Separate the rows of a table that satisfy a schema from those that do not.

    Parameters
    ----------
    table
        The rows (n) of a file, as `tables.read_table` returns them.
    schema
        Of this module.
    path
        The file.
    faults
        Further reasons to reject a row (n,), "" for none; the schema's come first.

    Returns
    -------
    rows, rejects
        The rows that are kept, and the rejects (`rejects.REJECT_COLUMNS`).

    Raises
    ------
    MarketError
        If a column is absent, or has another fault as a whole.
    """
    reasons = pd.Series("", index=table.index) if faults is None else faults.copy()
    try:
        schema.validate(table, lazy=True)
    except SchemaErrors as error:
        schema_reasons = _schema_reasons(error.failure_cases, table, path)
        reasons[schema_reasons.index] = schema_reasons
    return table[reasons.eq("")], reject_rows(path.name, reasons, table["id"])


def _schema_reasons(faults: pd.DataFrame, table: pd.DataFrame, path: Path) -> pd.Series:
    """Return a reason for each row in which pandera found a fault, that of its first column."""
    absent = faults.loc[faults["check"] == "column_in_dataframe", "failure_case"]
    if len(absent):
        raise MarketError(
            f"{path}: no column {', '.join(map(repr, absent))} "
            f"(it has {', '.join(map(repr, table.columns))[:MAX_QUOTED]}): rename or add it"
        )
    table_faults = faults[faults["index"].isna()]
    if len(table_faults):
        first = table_faults.iloc[0]
        raise MarketError(f"{path}: column {first['column']!r}: {first['check']}")
    # pandera reports every copy of a repeated id; the first one is kept.
    repeated = (faults["check"] == "field_uniqueness") & ~faults["index"].isin(
        table.index[table["id"].duplicated()]
    )
    faults = faults[~repeated].drop_duplicates("index")
    reasons = faults["check"].where(
        ~faults["check"].isin(["not_nullable", "field_uniqueness"]),
        faults["column"]
        + faults["check"].map(
            {"not_nullable": " is missing", "field_uniqueness": " repeats an earlier row's"}
        ),
    )
    return pd.Series(reasons.to_numpy(), index=faults["index"].astype(int))
