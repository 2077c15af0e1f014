"""Cleaning of a table of listings, as stage clean does it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from market.core.errors import MarketError
from market.core.params import load_params
from market.data.cleaning import Cleaner
from market.data.listing_faults import price_faults
from market.data.listings import clean_products
from market.data.raw_folder import RawFolder
from market.data.schemas import check_rows, products_schema
from market.data.tables import not_found_message


class CleanedTable(NamedTuple):
    """The two tables that `clean_table` returns.

    Attributes
    ----------
    listings
        A row for each listing that is kept: product_id, name, description, location, town, county,
        category, category_levels, price (in the currency of the settings) and price_is_placeholder.
    rejects
        A row for each fault: source, record (the row's number, from 1), id and reason.
    """

    listings: pd.DataFrame
    rejects: pd.DataFrame


def clean_table(
    source: pd.DataFrame | str | Path,
    *,
    labelled: bool = True,
    root: str | Path = ".",
    **settings: Any,
) -> CleanedTable:
    """Check a table of listings and turn it into typed columns.

    Parameters
    ----------
    source
        A DataFrame, a file (CSV, JSON Lines or Parquet), or a raw folder.
    labelled
        True applies the rules of stage clean: a row without an id of its own, a category and a
        price is rejected. False is for new listings: all rows are kept, and the rejects list the
        prices that cannot be read, which are missing among the listings.
    root
        The project's folder, which holds params.yaml.
    **settings
        Keys of the section `input` of params.yaml, to use instead of the file's values.

    Returns
    -------
    CleanedTable
        The listings and the rejects.

    Raises
    ------
    MarketError
        If the table cannot be read, lacks a column, or has no row to keep, or a setting is wrong.

    Warns
    -----
    UserWarning
        For each column, and each value of an attribute, that is not read.

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {"sku": [7, 8], "title": ["Lampe", "Stuhl"], "Preis": ["1.250,00 €", "VB"]}
    ... )
    >>> listings, rejects = clean_table(
    ...     table,
    ...     columns={"id": "sku", "name": "title", "price": "Preis"},
    ...     currency="EUR",
    ...     decimal=",",
    ...     root=project,
    ... )  # doctest: +SKIP
    >>> listings["price"].tolist()  # doctest: +SKIP
    [1250.0]
    >>> rejects["id"].tolist()  # doctest: +SKIP
    ['8']
    """
    changes = {f"input.{name}": value for name, value in settings.items()}
    clean, input_settings = load_params(
        "clean", "input", root=Path(root).absolute(), changes=changes
    )
    frame = source if isinstance(source, pd.DataFrame) else None
    folder, name = _locate(source, input_settings.products)
    input_settings = input_settings.model_copy(update={"products": name})
    if labelled:
        # The caller sees the rejects, however many they are.
        clean = clean.model_copy(update={"max_rejected_share": 1.0})
        listings, rejects, messages = Cleaner(folder, clean, input_settings).clean_listings(frame)
    else:
        table = RawFolder(folder, input_settings).listings(labelled=False, frame=frame)
        schema = products_schema(labelled=False)
        rows, _ = check_rows(table, schema)
        _, rejects = check_rows(table, schema, price_faults(table, input_settings))
        messages = table.unread_messages()
        listings = clean_products(
            rows, placeholder_above=clean.placeholder_above, settings=input_settings
        )
    for message in messages:
        warnings.warn(message, stacklevel=2)
    return CleanedTable(listings.reset_index(drop=True), rejects)


def _locate(source: pd.DataFrame | str | Path, products: str) -> tuple[Path, str]:
    """Return the folder and the name of a table; messages name a DataFrame as "DataFrame"."""
    if isinstance(source, pd.DataFrame):
        return Path(), "DataFrame"
    path = Path(source)
    if not path.exists():
        raise MarketError(not_found_message(path))
    return (path, products) if path.is_dir() else (path.parent, path.name)
