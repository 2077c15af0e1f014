"""The table files of an export: each read whole if it is small, otherwise its beginning."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from market.core.errors import MarketError
from market.data.inspection.dialect import detect_encoding, detect_separator
from market.data.inspection.finding import Finding
from market.data.raw_folder import ERASED_USERS
from market.data.tables import (
    COMPRESSIONS,
    JSON_ENDINGS,
    PARQUET_ENDINGS,
    TAB_ENDINGS,
    is_table_name,
    parse_table,
    table_ending,
)
from market.data.typed_tables import CellStyle, is_document

WHOLE_BYTES = 2**24  # a file up to this size is read whole
EXCERPT_BYTES = 2**22  # that is read of a larger one
MAX_ROWS = 20_000  # that are read of a large Parquet file
SAMPLED_ROWS = 5_000  # that the detectors look at
OTHER_FORMATS = (".xlsx", ".xls", ".ods", ".sql", ".sqlite", ".db", ".xml", ".zip", ".7z")


@dataclass(frozen=True)
class TableFile:
    """A table of an export.

    Attributes
    ----------
    path
        The file.
    content
        Its bytes, decompressed; only the beginning of a large file, up to the end of a record.
    encoding
        "ascii" if every encoding fits, as in Parquet.
    separator
        The default where the format has none.
    is_whole
        Whether `content` has every row.
    """

    path: Path
    content: bytes
    encoding: Finding[str]
    separator: Finding[str]
    is_whole: bool

    def parse(
        self, *, encoding: str, separator: str, styles: Mapping[str, CellStyle] | None = None
    ) -> pd.DataFrame:
        """Return the rows of `content` as strings, as `tables.read_table` does."""
        return parse_table(
            self.content, self.path, encoding=encoding, separator=separator, styles=styles
        )

    def read(self) -> pd.DataFrame:
        """Return the rows of `content`. A list stays JSON, which keeps several photos apart."""
        plain = "utf-8" if self.encoding.value == "ascii" else self.encoding.value
        names = self.parse(encoding=plain, separator=self.separator.value)
        if self.format not in ("JSON", "Parquet"):
            return names
        styles = {name: CellStyle(between=None) for name in names.columns}
        return self.parse(encoding=plain, separator=self.separator.value, styles=styles)

    @property
    def size(self) -> int:
        """Return the size of the file in bytes."""
        return self.path.stat().st_size

    @property
    def format(self) -> str:
        """Return the file's format, as people write it."""
        return _format(self.path)

    @property
    def has_separator(self) -> bool:
        """Return whether the separator is a setting: a .tsv file has tabs, whatever it says."""
        return self.format == "CSV"


def _format(path: Path) -> str:
    ending = table_ending(path.name)
    if ending in PARQUET_ENDINGS:
        return "Parquet"
    if ending in JSON_ENDINGS:
        return "JSON"
    return "TSV" if ending in TAB_ENDINGS else "CSV"


def open_table(path: Path) -> TableFile:
    """Open a table and detect how it is written.

    Raises
    ------
    MarketError
        If the file cannot be read.
    """
    try:
        content, is_whole = _read(path)
    except (OSError, EOFError, ValueError, lzma.LZMAError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:200]
        raise MarketError(f"{path} cannot be read: {reason}") from None
    kind = _format(path)
    none = Finding(",", 1.0, "")
    if kind == "Parquet":
        return TableFile(path, content, Finding("ascii", 1.0, ""), none, is_whole)
    encoding = detect_encoding(content)
    text = _decode_beginning(content, encoding.value)
    if kind == "JSON" and not is_whole and is_document(text):
        # Without its end a document is no JSON.
        content, is_whole = _open(path).read(), True
    separator = detect_separator(text) if kind == "CSV" else none
    if not is_whole:
        content = _whole_records(text, is_json=kind == "JSON").encode(encoding.value)
    return TableFile(path, content, encoding, separator, is_whole)


def _read(path: Path) -> tuple[bytes, bool]:
    if _format(path) == "Parquet":
        parquet = pq.ParquetFile(path)
        if parquet.metadata.num_rows <= 10 * MAX_ROWS:
            return path.read_bytes(), True
        first = pa.Table.from_batches([next(parquet.iter_batches(MAX_ROWS))])
        buffer = io.BytesIO()
        pq.write_table(first, buffer)
        return buffer.getvalue(), False
    with _open(path) as file:
        content = file.read(WHOLE_BYTES + 1)
    if len(content) <= WHOLE_BYTES:
        return content, True
    return content[:EXCERPT_BYTES], False


def _open(path: Path) -> Any:
    compression = path.suffix.lower()
    streams: dict[str, Callable] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    if compression in streams:
        return streams[compression](path, "rb")
    if compression in COMPRESSIONS:  # zstd
        return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
    return path.open("rb")


def _decode_beginning(content: bytes, encoding: str) -> str:
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    return decoder.decode(content[:EXCERPT_BYTES]).removeprefix("\ufeff")


def _whole_records(text: str, *, is_json: bool) -> str:
    """Return a text without the record that its end cuts in two."""
    end = text.rfind("\n") + 1
    if is_json:
        return text[:end]
    while end > 0 and text.count('"', 0, end) % 2:  # within quotation marks
        end = text.rfind("\n", 0, end - 1) + 1
    return text[:end]


def find_tables(path: Path) -> tuple[Path, list[Path], list[str]]:
    """Return the raw folder, its possible tables, and the files in formats that are not read.

    Parameters
    ----------
    path
        A table, or a folder. If the folder holds none, its only folder with tables counts, such as
        data/mine/raw in data/mine.

    Raises
    ------
    MarketError
        If the path does not exist or holds no table.
    """
    if not path.exists():
        raise MarketError(f"{path} does not exist: name a table, or a folder of tables and photos")
    if path.is_file():
        if not is_table_name(path.name):
            raise MarketError(f"{path} is no table: save it as .csv, .tsv, .jsonl or .parquet")
        return path.parent, [path], []
    others = [file.name for file in _files(path) if file.suffix.lower() in OTHER_FORMATS]
    folders = [path, *sorted(folder for folder in path.iterdir() if _is_visible_folder(folder))]
    for folder in folders:
        tables = [file for file in _files(folder) if is_table_name(file.name)]
        if any(table_ending(file.name) != ".txt" for file in tables):
            return folder, tables, others
    for folder in folders:
        if tables := [file for file in _files(folder) if is_table_name(file.name)]:
            return folder, tables, others
    found = f" (found: {', '.join(others)[:100]})" if others else ""
    if archives := [name for name in others if name.lower().endswith(".zip")]:
        command = f"python -m market.unpack {path / archives[0]} {path}"
        raise MarketError(f"{path} holds no table{found}: run `{command}`")
    raise MarketError(
        f"{path} holds no table{found}: put the listings there as .csv, .tsv, .jsonl or .parquet"
    )


def _is_visible_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(
            file
            for file in folder.iterdir()
            if file.is_file() and not file.name.startswith(".") and file.name != ERASED_USERS
        )
    except OSError as error:
        raise MarketError(f"{folder} cannot be read: {error.strerror}") from None


def sample_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return at most SAMPLED_ROWS rows, spread evenly over the table."""
    step = -(-len(table) // SAMPLED_ROWS) if len(table) else 1
    return table.iloc[::step]
