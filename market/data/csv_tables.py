"""CSV tables, read whole or not at all."""

from __future__ import annotations

import io
import re
from functools import lru_cache
from pathlib import Path

import pandas as pd

from market.core.errors import MarketError

MAX_QUOTED = 300  # characters of a file that a message quotes


SEPARATOR_LINE = re.compile(r"\Asep=[^\w\r\n]\r?\n", re.IGNORECASE)


@lru_cache
def _field(separator: str) -> str:
    r"""Return a pattern of one field: quoted whole, or not beginning with a quotation mark.

    pandas accepts more: everything between two stray quotes, whole rows too, becomes one field.
    """
    other = rf"[^{re.escape(separator)}\n"
    return rf'(?:"(?:[^"]++|"")*+"\r?|{other}"]{other}]*+|)'


@lru_cache
def _record(separator: str) -> re.Pattern[str]:
    """Return the pattern of one record of a well-formed table."""
    field = _field(separator)
    return re.compile(rf"(?:{field}{re.escape(separator)})*+{field}(?:\n|\Z)")


def parse_csv(text: str, path: Path, *, separator: str, encoding: str) -> pd.DataFrame:
    r"""Parse a CSV table strictly.

    Lines end at \n only, after an optional \r: the real Products.csv holds bare \r inside unquoted
    fields, and by its defaults pandas breaks 7,156 rows into 11,318. In a table without any \n they
    end at \r. A first line such as "sep=;", which Excel reads, is no part of the table.

    Parameters
    ----------
    text
        The table, with a header.
    path, encoding
        Its file and encoding, which messages name.
    separator
        The character between fields.

    Returns
    -------
    pd.DataFrame
        Strings, every record with content in order, indexed from 0. Empty fields are missing; the
        words "NA" and "null" are text. Columns without a name are left out.

    Raises
    ------
    MarketError
        If the text is not such a table, or if pandas would drop one of its records or columns.
    """
    kind = f"{encoding.upper()} CSV table"
    text = usual_lines(text)
    records = _count_records(text, path, separator, kind)
    table = _read_strings(text, path, separator, kind)
    # With the columns without a name, so that a row with nothing but its number counts.
    filled = table.apply(lambda column: column.str.strip().fillna("").ne("")).any(axis=1)
    if filled.sum() != records:
        raise MarketError(
            f"{path}: {records} rows were read as {filled.sum()}: look for stray quotation marks "
            "and line ends"
        )
    table.columns = table.columns.str.strip()
    # Columns without a name: an index that pandas wrote, or Excel's empty columns.
    table = table.loc[:, ~table.columns.str.match(r"^(Unnamed: \d+)?$")]
    table = table.astype(str).where(table.notna()).apply(lambda column: column.str.strip())
    # A last field that held only the \r of a \r\n is empty now.
    table = table.where(table.ne(""))
    return table[filled].reset_index(drop=True)


def _read_strings(text: str, path: Path, separator: str, kind: str) -> pd.DataFrame:
    """Return all columns of a table (n rows) as strings, missing where empty."""
    # pandas takes separators of one byte only: another one changes places with a byte.
    one_byte = separator if separator.isascii() else "\x1f"
    swap = str.maketrans({separator: one_byte, one_byte: separator})
    try:
        table = pd.read_csv(
            io.StringIO(text if separator.isascii() else text.translate(swap)),
            sep=one_byte,
            lineterminator="\n",
            dtype=str,
            keep_default_na=False,
            na_values=[""],
        )
    except (ValueError, pd.errors.ParserError) as error:
        reason = " ".join(str(error).split())[:MAX_QUOTED]
        raise MarketError(f"{path} is not a {kind}: {reason}") from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas took the first column for labels
        raise MarketError(
            f"{path}: its rows have more fields than its header: remove the lines above the "
            "header, or name each column"
        )
    if not separator.isascii():
        table.columns = table.columns.str.translate(swap)
        table = table.apply(lambda column: column.str.translate(swap))
    return table


def usual_lines(text: str) -> str:
    """Return a CSV table without Excel's line "sep=;", its lines ended by \\n if none is."""
    text = SEPARATOR_LINE.sub("", text, count=1)
    return text if "\n" in text else text.replace("\r", "\n")


def _count_records(text: str, path: Path, separator: str, kind: str) -> int:
    """Return the number of records with content after the header; check the form of all."""
    record_pattern = _record(separator)
    filled = re.compile(rf'[^\s"{re.escape(separator)}]')
    header = record_pattern.match(text)
    if header is not None:
        _check_header(path, header.group(), separator)
    end = count = 0
    for record in record_pattern.finditer(text):
        if record.start() != end:
            break
        end = record.end()
        count += filled.search(record.group()) is not None
    if end < len(text):
        line = text.count("\n", 0, end) + 1
        raise MarketError(
            f"{path} is not a {kind}: the row at line {line} has a quotation mark that is not "
            "closed, or not at the end of its field: double the marks within a field"
        )
    return max(count - 1, 0)


def split_records(text: str, separator: str) -> list[str]:
    """Return the records of a table that `parse_csv` accepts, with their line ends.

    A first line such as "sep=;" is left out, as `usual_lines` does.
    """
    return [record for record in _record(separator).findall(usual_lines(text)) if record]


def _check_header(path: Path, header: str, separator: str) -> None:
    if header.count("\r") > 1:
        raise MarketError(f"{path}: its lines end in \\r alone: convert them to \\n")
    mark = re.escape(separator)
    fields = re.findall(rf"({_field(separator)})(?:{mark}|$)", header.strip("\r\n"))
    check_names(path, [name.strip(' "\t\r') for name in fields])


def check_names(path: Path, names: list[str]) -> None:
    """Raise MarketError if two columns of a table have the same name."""
    repeated = {name for name in names if name and names.count(name) > 1}
    if repeated:
        raise MarketError(
            f"{path}: column {', '.join(map(repr, sorted(repeated)))[:MAX_QUOTED]} occurs twice: "
            "rename or remove one"
        )
