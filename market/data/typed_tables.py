"""Tables of typed values, JSON Lines and Parquet, turned into the strings that a CSV would hold."""

from __future__ import annotations

import datetime
import io
import json
import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from market.core.errors import MarketError
from market.data.csv_tables import check_names

# Of the array of rows in a document.
NAMES_OF_ROWS = frozenset((
    "products", "listings", "items", "ads", "adverts", "offers", "data", "results", "records",
    "rows", "entries", "hits", "values", "images", "photos", "events", "interactions",
))  # fmt: skip
MAX_DEPTH = 10  # of objects within objects; deeper ones stay JSON


class CellStyle(NamedTuple):
    """How typed values of a column are written as text."""

    decimal: str = "."  # the decimal mark of numbers
    between: str | None = ", "  # between the elements of a list; None keeps it as JSON


DEFAULT_STYLE = CellStyle()
HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")


def parse_json_rows(
    text: str, path: Path, styles: Mapping[str, CellStyle] | None = None
) -> pd.DataFrame:
    """Parse JSON Lines, or one JSON array of objects, which may stand in an object by itself.

    Parameters
    ----------
    text
        An object on each line. A value within objects is in a column such as "price.amount".
    path
        The file, which messages name.
    styles
        By column; other columns have the default style.

    Returns
    -------
    pd.DataFrame
        Strings (n, columns), columns in the order of their first appearance.

    Raises
    ------
    MarketError
        If a line is not a JSON object.
    """
    rows: list[dict[str, Any]] = []
    objects = _array_of_objects(text, path)
    if objects is not None:
        numbered: Iterable[tuple[int, Any]] = enumerate(objects, start=1)
        place = "element"
    else:
        # Not splitlines(): JSON strings may hold other line separators, such as U+2028.
        lines = enumerate(text.split("\n"), start=1)
        numbered = ((number, line) for number, line in lines if line.strip())
        place = "line"
    for number, item in numbered:
        try:
            row = json.loads(item) if place == "line" else item
        except (ValueError, RecursionError) as error:
            raise MarketError(f"{path}: line {number} is not valid JSON: {error}") from None
        if not isinstance(row, dict):
            raise MarketError(f"{path}: {place} {number} is not a JSON object: {str(row)[:60]!r}")
        rows.append(dict(_flatten(row)))
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return _to_strings(columns, len(rows), path, styles or {})


def _array_of_objects(text: str, path: Path) -> list[Any] | None:
    """Return the rows of a text that is one JSON document, None if it is JSON Lines.

    Interfaces on the web answer with an object such as {"products": [...], "next": 2}.
    """
    if not is_document(text):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip()[:1] == "{":  # the line that is wrong is named
            return None
        raise MarketError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        return document
    lists = [
        value
        for name, value in document.items()
        if value and isinstance(value, list) and all(isinstance(row, dict) for row in value)
        and (name.lower() in NAMES_OF_ROWS or len(document) == 1)
    ]  # fmt: skip
    return lists[0] if len(lists) == 1 else [document]


def is_document(text: str) -> bool:
    """Return whether a text begins as one JSON document, not as JSON Lines."""
    beginning = text.lstrip()
    if beginning[:1] != "{":
        return beginning[:1] == "["
    first_line, _, rest = beginning.partition("\n")
    if not rest.strip():
        return True
    try:
        json.loads(first_line)
    except (ValueError, RecursionError):
        return True
    return False


def _flatten(row: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterable[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict) and value and depth < MAX_DEPTH:
            yield from _flatten(value, f"{prefix}{name}.", depth + 1)
        else:
            yield prefix + name, value


def parse_parquet(
    content: bytes, path: Path, styles: Mapping[str, CellStyle] | None = None
) -> pd.DataFrame:
    """Parse a Parquet file; parameters and result as those of `parse_json_rows`."""
    try:
        table = pq.read_table(io.BytesIO(content))
        while any(pa.types.is_struct(field.type) for field in table.schema):
            table = table.flatten()
    except pa.ArrowException as error:
        reason = " ".join(str(error).split())[:300]
        raise MarketError(f"{path} is not a Parquet table: {reason}") from None
    check_names(path, table.column_names)
    columns: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name.startswith("__index_level_"):  # an index that pandas wrote
            continue
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
        if pa.types.is_integer(column.type) or pa.types.is_string(column.type):
            columns[name] = column.cast(pa.large_string()).to_pylist()
        else:
            columns[name] = column.to_pylist()
    return _to_strings(columns, table.num_rows, path, styles or {})


def frame_to_strings(
    frame: pd.DataFrame, path: Path, styles: Mapping[str, CellStyle] | None = None
) -> pd.DataFrame:
    """Return a DataFrame as `parse_json_rows` returns a file; its index is ignored.

    Parameters
    ----------
    frame
        Cells of any type.
    path
        The name of the table in messages.
    styles
        As for `parse_json_rows`.
    """
    check_names(path, [str(name).strip() for name in frame.columns])
    columns = {
        str(name): column.astype(object).where(column.notna(), None).tolist()
        for name, column in frame.items()
    }
    return _to_strings(columns, len(frame), path, styles or {})


def _to_strings(
    columns: Mapping[str, list[Any]], rows: int, path: Path, styles: Mapping[str, CellStyle]
) -> pd.DataFrame:
    names = [_encodable(str(name).strip()) or "" for name in columns]
    check_names(path, names)
    texts = {
        name: pd.Series(
            [_encodable(cell_text(value, styles.get(name, DEFAULT_STYLE))) for value in values],
            dtype="str",
        )
        for name, values in zip(names, columns.values(), strict=True)
        if name
    }
    table = pd.DataFrame(texts, index=pd.RangeIndex(rows))
    table = table.apply(lambda column: column.str.strip())
    table = table.where(table.ne(""))
    return table[table.notna().any(axis=1)].reset_index(drop=True)


def _encodable(text: str | None) -> str | None:
    """Return a text with U+FFFD for each half of a character, which JSON may hold: "\\ud83d"."""
    if text is None or text.isascii():
        return text
    return HALF_CHARACTER.sub("\ufffd", text)


def cell_text(value: Any, style: CellStyle = DEFAULT_STYLE) -> str | None:
    """Return a typed value as the text that a CSV would hold; None if it is missing.

    Whole numbers have no ".0", times are ISO 8601, and lists are joined.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float | Decimal):
        return _number_text(value, style.decimal)
    if isinstance(value, pd.Timestamp | datetime.date | datetime.time):
        return None if pd.isna(value) else value.isoformat()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None  # such as the bytes of a photo
    if isinstance(value, list | tuple):
        if style.between is None:
            return json.dumps(value, ensure_ascii=False, default=str) if value else None
        texts = (
            json.dumps(item, ensure_ascii=False) if isinstance(item, dict) else cell_text(item)
            for item in value
        )
        return style.between.join(text for text in texts if text)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str) if value else None
    return str(value)


def _number_text(number: float | Decimal, decimal: str) -> str | None:
    if math.isnan(number):
        return None
    if math.isinf(number):
        return str(number)
    whole, _, fraction = (
        f"{Decimal(repr(number) if isinstance(number, float) else number):f}".partition(".")
    )
    fraction = fraction.rstrip("0")
    if not fraction:
        return whole
    # A number is not ambiguous, but a text such as "1.234" is: it might mean a thousand.
    return f"{whole}{decimal}{fraction}{'0' if len(fraction) == 3 else ''}"
