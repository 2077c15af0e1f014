"""References to photos: the paths and URLs that a column of a table holds."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from typing import Any
from urllib.parse import urldefrag

import pandas as pd

from market.core.errors import MarketError
from market.core.settings import Input
from market.data.csv_tables import MAX_QUOTED
from market.data.tables import RawTable

URL = re.compile(r"(?:https?:)?//[^/\s]", re.IGNORECASE)
OTHER_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # not C:, a drive of Windows
KEYS_OF_OBJECTS = ("url", "src", "href", "path", "file", "name")  # in a JSON list of objects


def is_url(reference: str) -> bool:
    """Return whether a reference is an address on the web, rather than a path."""
    return URL.match(reference) is not None


def canonical_url(reference: str) -> str:
    """Return the address to fetch: with its scheme, without its fragment."""
    url = urldefrag(reference.strip()).url
    return f"https:{url}" if url.startswith("//") else url


def fetched_name(url: str) -> str:
    """Return the name, without an ending, of the file that holds the photo of a canonical URL."""
    return hashlib.sha256(url.encode()).hexdigest()[:32]


def split_references(value: str, separator: str) -> list[str]:
    """Split the value of a column into references, in their order.

    Parameters
    ----------
    value
        One or several paths or URLs, or a list in JSON or Python's notation: its elements are
        strings, or objects with one of KEYS_OF_OBJECTS.
    separator
        Stands between references outside a list; a space is any white space. It does not split a
        URL: after one, it only counts before another one.

    Returns
    -------
    list of str
        Without empty ones.
    """
    value = value.strip()
    elements = _listed(value)
    if elements is None:
        elements = _split(value, separator)
    references = [element.strip().strip("\"'").strip() for element in elements]
    return [reference for reference in references if reference]


def _split(value: str, separator: str) -> list[str]:
    gap = r"\s+" if separator.isspace() and "\n" not in separator else re.escape(separator)
    if is_url(value):
        return re.split(rf"(?:{gap})\s*(?=[\"']?(?:https?:)?//)", value, flags=re.IGNORECASE)
    return re.split(gap, value)


def _listed(value: str) -> list[str] | None:
    """Return the elements of a list in JSON or Python's notation, or None if it is no list."""
    if not (value.startswith("[") and value.endswith("]")):
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            elements = parse(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return [_reference_of(element) for element in elements]
    return None


def _reference_of(element: Any) -> str:
    if isinstance(element, dict):
        lower = {str(key).lower(): content for key, content in element.items()}
        element = next((lower[key] for key in KEYS_OF_OBJECTS if lower.get(key)), "")
    return element if isinstance(element, str) else ""


def listing_references(listings: RawTable, settings: Input, *, partial: bool) -> pd.DataFrame:
    """Return the references to photos in the columns of the listings.

    Parameters
    ----------
    listings
        The table of listings, n rows.
    settings
        Names the columns and the separator.
    partial
        Whether columns may be absent.

    Returns
    -------
    pd.DataFrame
        product_id and reference, in the order of rows, columns and fields; indexed by the row.

    Raises
    ------
    MarketError
        If the table has none of the columns or, unless `partial`, not all of them.
    """
    present = [column for column in settings.photo_columns if column in listings.read]
    absent = [column for column in settings.photo_columns if column not in listings.read]
    if absent and not partial:
        names = ", ".join(map(repr, listings.read.columns))[:MAX_QUOTED]
        raise MarketError(
            f"{listings.path}: no column {', '.join(map(repr, absent))} (found: {names}): correct "
            "input.photo_columns in params.yaml"
        )
    fields = listings.read[present].fillna("").itertuples(index=False)
    found = [
        (row, reference)
        for row, values in enumerate(fields)
        for value in values
        for reference in split_references(value, settings.photo_separator)
    ]
    index = [row for row, _ in found]
    return pd.DataFrame(
        {
            "product_id": listings.rows["id"].iloc[index].to_numpy(),
            "reference": [reference for _, reference in found],
        },
        index=index,
        dtype="str",
    )
