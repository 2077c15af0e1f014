"""The tables of a raw folder, whatever their format, as strings."""

from __future__ import annotations

import bz2
import difflib
import gzip
import lzma
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa

from market.core.errors import MarketError
from market.data.csv_tables import MAX_QUOTED, parse_csv
from market.data.typed_tables import CellStyle, parse_json_rows, parse_parquet

MAX_SHOWN = 60  # characters of a name or value that a message shows
KEY_FIELDS = ("id", "user_id", "product_id", "timestamp")  # a table without these is of no use


def _decompress_zstd(content: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
        return stream.read()


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zst": _decompress_zstd,
}
# By the ending of a file's name, before that of its compression; other files are CSV.
JSON_ENDINGS = (".jsonl", ".ndjson", ".json")
PARQUET_ENDINGS = (".parquet", ".pq")
TAB_ENDINGS = (".tsv", ".tab")
CSV_ENDINGS = (".csv", ".txt")
# The first bytes of files that are often named .csv.
OTHER_KINDS = {
    b"PK\x03\x04": "an Excel file or a .zip archive",
    b"\xd0\xcf\x11\xe0": "an Excel file",
    b"\x1f\x8b": "compressed by gzip",
    b"SQLite format 3": "a database",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet table",
}


@dataclass(frozen=True)
class RawTable:
    """A table as strings, with the columns that are used under the names that the code knows.

    Parameters
    ----------
    path
        The file.
    read
        All columns (n rows) under the file's names, missing where a field is empty.
    columns
        The file's name of each column that is used, by the name that the code knows.
    absent
        The same for columns that would be used, but that the file does not have.
    """

    path: Path
    read: pd.DataFrame
    columns: Mapping[str, str]
    absent: Mapping[str, str]

    @classmethod
    def select(cls, path: Path, read: pd.DataFrame, wanted: Mapping[str, str]) -> RawTable:
        """Return a table that uses the columns of `wanted`, as far as the file has them."""
        present = {name: column for name, column in wanted.items() if column in read}
        absent = {name: column for name, column in wanted.items() if column not in read}
        return cls(path, read, present, absent)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The columns that are used (n rows), under the names that the code knows."""
        return self.read[list(self.columns.values())].set_axis(list(self.columns), axis=1)

    def own_name(self, column: str) -> str:
        """Return the file's name of a column, for messages."""
        return self.columns.get(column) or self.absent.get(column) or column

    def require(self, key: str, fields: Mapping[str, str]) -> None:
        """Raise MarketError unless the file has these columns.

        Parameters
        ----------
        key
            The setting that maps columns, such as "input.columns".
        fields
            The name of each column under `key`, by the name that the code knows.
        """
        missing = [name for name in fields if name not in self.columns]
        if not missing:
            return
        used = set(self.columns.values())
        others = [name for name in map(str, self.read.columns) if name not in used]
        names = ", ".join(map(repr, others or map(str, self.read.columns)))[:MAX_QUOTED]
        first = fields[missing[0]]
        remedy = f"rename it, map it under {key}"
        if first not in KEY_FIELDS:
            remedy += f", or set {key}.{first} to null if the export has none"
        else:
            remedy = " or ".join(remedy.split(", "))
        raise MarketError(
            f"{self.path}: no column {', '.join(repr(self.own_name(name)) for name in missing)} "
            f"(found: {names or 'none'}): {remedy}"
        )

    def unread(self) -> dict[str, int]:
        """Return the number of values in each column that is not used and not empty."""
        used = list(self.columns.values())
        counts = self.read.drop(columns=used).notna().sum()
        return {str(name): int(count) for name, count in counts.items() if count}

    def unread_messages(self) -> list[str]:
        """Return a line for each unread column, which suggests the name that may be meant."""
        absent = sorted(self.absent.values())
        lines = []
        for name, count in self.unread().items():
            similar = difflib.get_close_matches(name.lower().replace(" ", "_"), absent, n=1)
            remedy = f": rename it if {similar[0]!r} is meant" if similar else ""
            lines.append(
                f"{self.path}: column {name!r:.{MAX_SHOWN}} ({count} values) is not read{remedy}"
            )
        return lines


def read_table(
    path: Path,
    *,
    encoding: str = "utf-8",
    separator: str = ",",
    styles: Mapping[str, CellStyle] | None = None,
) -> pd.DataFrame:
    """Read a raw table as strings.

    Parameters
    ----------
    path
        A CSV file, or by the ending of its name tab-separated values (.tsv), JSON Lines (.jsonl,
        .ndjson, .json) or Parquet (.parquet). All but Parquet may be compressed (.gz, .bz2, .xz,
        .zst).
    encoding
        Of a text file; a byte order mark is no part of the text.
    separator
        One character, between the fields of a CSV file; a .tsv file has tabs.
    styles
        How typed values of JSON and Parquet become text, by column.

    Returns
    -------
    pd.DataFrame
        Every record with content, in order, indexed from 0. Empty fields are missing. Columns
        without a name are left out.

    Raises
    ------
    MarketError
        If the file does not exist, cannot be read or is not such a table.
    """
    if path.exists() and not path.is_file():  # reading a pipe or a device might never end
        raise MarketError(f"{path} is not a file")
    try:
        return _parse(path, encoding, separator, styles)
    except FileNotFoundError:
        raise MarketError(
            f"{not_found_message(path)}: run `dvc pull`, or set `dataset` in params.yaml to a "
            "folder under data/ that has raw/Products.csv, raw/Images.csv and raw/images/"
        ) from None
    except (gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError) as error:
        raise MarketError(f"{path} is not a whole {path.suffix} file: {error}") from None
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())[:MAX_QUOTED]
        raise MarketError(f"{path} cannot be read: {reason}") from None
    except MemoryError:
        raise MarketError(f"{path} is too large for the memory of this machine") from None


def _parse(
    path: Path, encoding: str, separator: str, styles: Mapping[str, CellStyle] | None
) -> pd.DataFrame:
    content = path.read_bytes()
    compression = path.suffix.lower()
    if compression in COMPRESSIONS:
        content = COMPRESSIONS[compression](content)
    return parse_table(content, path, encoding=encoding, separator=separator, styles=styles)


def parse_table(
    content: bytes,
    path: Path,
    *,
    encoding: str,
    separator: str,
    styles: Mapping[str, CellStyle] | None = None,
) -> pd.DataFrame:
    """Parse the content of a table, already decompressed; otherwise as `read_table`."""
    ending = table_ending(path.name)
    if ending in PARQUET_ENDINGS:
        return parse_parquet(content, path, styles)
    _check_kind(content, path)
    is_json = ending in JSON_ENDINGS
    text = _decode(content, path, encoding, "JSON" if is_json else "CSV table")
    if is_json:
        return parse_json_rows(text, path, styles)
    separator = "\t" if ending in TAB_ENDINGS else separator
    return parse_csv(text, path, separator=separator, encoding=encoding)


def _check_kind(content: bytes, path: Path) -> None:
    """Raise MarketError if the content is no text, whatever the file's name says."""
    for beginning, kind in OTHER_KINDS.items():
        if content.startswith(beginning):
            raise MarketError(f"{path} is {kind}, whatever its name says: save its listings as CSV")


def table_ending(name: str) -> str:
    """Return the ending of a file's name in small letters, before that of a compression; or ""."""
    endings = [ending.lower() for ending in Path(name).suffixes]
    if endings and endings[-1] in COMPRESSIONS:
        endings.pop()
    return endings[-1] if endings else ""


def _decode(content: bytes, path: Path, encoding: str, kind: str) -> str:
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeError as error:  # a ValueError
        reason = " ".join(str(error).split())[:MAX_QUOTED]
        utf_16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        remedy = "set input.encoding to utf-16" if utf_16 else "set input.encoding"
        raise MarketError(
            f"{path} is not a {encoding.upper()} {kind}: {reason}: {remedy}"
        ) from None


def is_table_name(name: str) -> bool:
    """Return whether a file's name ends as that of a table that `read_table` reads."""
    return table_ending(name) in CSV_ENDINGS + TAB_ENDINGS + JSON_ENDINGS + PARQUET_ENDINGS


def not_found_message(path: Path) -> str:
    """Return that a path does not exist, with the name that does in another letter case."""
    others = path.parent.iterdir() if path.parent.is_dir() else []
    similar = [other.name for other in others if other.name.lower() == path.name.lower()]
    hint = f" (but {similar[0]!r} does: rename it)" if similar else ""
    return f"{path} does not exist{hint}"
