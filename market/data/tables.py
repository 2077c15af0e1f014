"""The tables of a raw folder: CSV files, read whole or not at all."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from market.core.errors import MarketError

MAX_QUOTED = 300  # characters of a file that a message quotes
MAX_SHOWN = 60  # characters of a name or value that a message shows

# One record of a well-formed table: each field is quoted whole, or does not begin with a quote.
# pandas accepts more: everything between two stray quotes, whole rows too, becomes one field.
_FIELD = r'(?:"(?:[^"]++|"")*+"\r?|[^",\n][^,\n]*+|)'
RECORD = re.compile(rf"(?:{_FIELD},)*+{_FIELD}(?:\n|\Z)")
FILLED = re.compile(r'[^\s,"]')


def read_table(path: Path) -> pd.DataFrame:
    r"""Read a raw CSV file as strings.

    Lines end at \n only, after an optional \r: the real Products.csv holds bare \r inside unquoted
    fields, and by its defaults pandas breaks 7,156 rows into 11,318. Empty fields are missing; the
    words "NA" and "null" are text.

    Parameters
    ----------
    path
        A table in UTF-8 with a header.

    Returns
    -------
    pd.DataFrame
        Every record with content, in order, indexed from 0. Columns without a name are left out.

    Raises
    ------
    MarketError
        If the file does not exist, cannot be read or is not such a table, or if pandas would drop
        one of its records or columns.
    """
    if path.exists() and not path.is_file():  # reading a pipe or a device might never end
        raise MarketError(f"{path} is not a file")
    try:
        records = _count_records(path)
        table = pd.read_csv(
            path,
            lineterminator="\n",
            dtype=str,
            keep_default_na=False,
            na_values=[""],
            encoding="utf-8-sig",
        )
    except FileNotFoundError:
        raise MarketError(
            f"{not_found_message(path)}: run `dvc pull`, or set `dataset` in params.yaml to a "
            "folder under data/ that has raw/Products.csv, raw/Images.csv and raw/images/"
        ) from None
    except OSError as error:
        raise MarketError(f"{path} cannot be read: {error.strerror}") from None
    except MemoryError:
        raise MarketError(f"{path} is too large for the memory of this machine") from None
    except (ValueError, pd.errors.ParserError) as error:  # UnicodeDecodeError is a ValueError
        reason = " ".join(str(error).split())[:MAX_QUOTED]
        raise MarketError(f"{path} is not a UTF-8 CSV table: {reason}") from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas took the first column for labels
        raise MarketError(f"{path}: its rows have more fields than its header")
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


def _count_records(path: Path) -> int:
    """Return the number of records with content after the header; check the form of all."""
    text = path.read_bytes().decode("utf-8-sig")
    header = RECORD.match(text)
    if header is not None:
        _check_header(path, header.group())
    end = count = 0
    for record in RECORD.finditer(text):
        if record.start() != end:
            break
        end = record.end()
        count += FILLED.search(record.group()) is not None
    if end < len(text):
        line = text.count("\n", 0, end) + 1
        raise MarketError(
            f"{path} is not a UTF-8 CSV table: the row at line {line} has a quotation mark that is "
            "not closed, or not at the end of its field: double the marks within a field"
        )
    return max(count - 1, 0)


def _check_header(path: Path, header: str) -> None:
    if header.count("\r") > 1:
        raise MarketError(f"{path}: its lines end in \\r alone: convert them to \\n")
    names = [name.strip(' "') for name in re.findall(rf"({_FIELD})(?:,|$)", header.strip())]
    repeated = {name for name in names if name and names.count(name) > 1}
    if repeated:
        raise MarketError(
            f"{path}: column {', '.join(map(repr, sorted(repeated)))[:MAX_QUOTED]} occurs twice: "
            "rename or remove one"
        )


def ignored_columns(table: pd.DataFrame, read: Iterable[str]) -> dict[str, int]:
    """Return the number of values in each column of a table that is not `read` and not empty."""
    counts = table.drop(columns=list(read), errors="ignore").notna().sum()
    return {str(name): int(count) for name, count in counts.items() if count}


def ignored_column_messages(
    path: Path, ignored: dict[str, int], read: Iterable[str], present: Iterable[str]
) -> list[str]:
    """Return one line for each ignored column, which suggests the name that may be meant.

    Parameters
    ----------
    path
        The table's file.
    ignored
        As `ignored_columns` returns it.
    read
        The columns that are read.
    present
        The columns that the table has.
    """
    absent = sorted(set(read) - set(present))
    lines = []
    for name, count in ignored.items():
        similar = difflib.get_close_matches(name.lower().replace(" ", "_"), absent, n=1)
        remedy = f": rename it if {similar[0]!r} is meant" if similar else ""
        lines.append(f"{path}: column {name!r:.{MAX_SHOWN}} ({count} values) is not read{remedy}")
    return lines


def not_found_message(path: Path) -> str:
    """Return that a path does not exist, with the name that does in another letter case."""
    others = path.parent.iterdir() if path.parent.is_dir() else []
    similar = [other.name for other in others if other.name.lower() == path.name.lower()]
    hint = f" (but {similar[0]!r} does: rename it)" if similar else ""
    return f"{path} does not exist{hint}"
