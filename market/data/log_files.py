"""Files of logs that grow: new rows go below the rows that a file has, which stay as they are."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from market.core.atomic import replace_when_done
from market.core.errors import MarketError
from market.data.csv_tables import SEPARATOR_LINE, split_records
from market.data.tables import (
    COMPRESSIONS,
    JSON_ENDINGS,
    PARQUET_ENDINGS,
    TAB_ENDINGS,
    table_ending,
)
from market.data.typed_tables import is_document


def _compress_zstd(content: bytes) -> bytes:
    return pa.compress(content, codec="zstd", asbytes=True)


# Several compressed parts, one behind the other, are one file in each of these formats.
_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda content: gzip.compress(content, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


class LogFile:
    """A table to which rows can be added. The whole file is replaced in one step.

    Parameters
    ----------
    path
        CSV, tab-separated, JSON Lines or Parquet, by the ending of its name; it need not exist.
    encoding, separator
        Of text files, as for `tables.read_table`.
    lists
        The columns that hold JSON lists; in JSON Lines and Parquet they become lists.
    """

    def __init__(
        self, path: Path, *, encoding: str, separator: str, lists: frozenset[str] = frozenset()
    ) -> None:
        self.path = path
        self._encoding = encoding
        ending = table_ending(path.name)
        self._is_json, self._is_parquet = ending in JSON_ENDINGS, ending in PARQUET_ENDINGS
        self._separator = "\t" if ending in TAB_ENDINGS else separator
        self._lists = lists
        compression = path.suffix.lower()
        self._compression = compression if compression in COMPRESSIONS else ""

    def append(self, rows: pd.DataFrame, former: Mapping[str, str]) -> None:
        """Add rows below those of the file.

        Parameters
        ----------
        rows
            Strings (n, columns) under the file's names of its columns.
        former
            The value of each row that the file has already in columns that it gains; "" is empty.

        Raises
        ------
        MarketError
            The file cannot hold the rows, or cannot be written.
        """
        if self._is_parquet:
            self._append_parquet(rows, former)
            return
        stored = self.path.read_bytes() if self.path.exists() else b""
        content = COMPRESSIONS[self._compression](stored) if self._compression else stored
        old = self._decode(content)
        kept, added = (
            self._json_lines(old, rows, former)
            if self._is_json
            else self._csv_lines(old, rows, former)
        )
        new = self._encode(added, content)
        if kept == old and stored and self._compression in ("", *_COMPRESS):
            new = _COMPRESS[self._compression](new) if self._compression else new
            written = stored + new
        else:
            written = (content if kept == old else self._encode(kept, b"")) + new
            if self._compression:
                written = _COMPRESS.get(self._compression, _compress_zstd)(written)
        with replace_when_done(self.path) as temporary:
            temporary.write_bytes(written)

    def _decode(self, content: bytes) -> str:
        try:
            return content.decode(self._encoding)
        except UnicodeError as error:
            reason = " ".join(str(error).split())[:100]
            raise MarketError(f"{self.path} is not {self._encoding}: {reason}") from None

    def _encode(self, text: str, before: bytes) -> bytes:
        """Return a text that follows `before` as bytes."""
        encoding = self._encoding
        if before and encoding.lower().replace("_", "-") == "utf-8-sig":
            encoding = "utf-8"
        if before[:2] in (b"\xff\xfe", b"\xfe\xff") and encoding.lower().startswith("utf"):
            encoding = "utf-16-le" if before[:1] == b"\xff" else "utf-16-be"  # without another mark
        try:
            return text.encode(encoding)
        except UnicodeEncodeError as error:
            sign = text[error.start]
            raise MarketError(
                f"{self.path}: {sign!r} cannot be written in {self._encoding}: convert the tables "
                "to UTF-8 and set input.encoding to utf-8"
            ) from None

    def _json_lines(
        self, old: str, rows: pd.DataFrame, former: Mapping[str, str]
    ) -> tuple[str, str]:
        if old.strip() and is_document(old) and "\n" in old.strip():
            raise MarketError(
                f"{self.path} is one JSON document, to which no rows can be added: convert it to "
                "JSON Lines, an object on each line"
            )
        values = {name: value for name, value in former.items() if value}
        if values:
            lines = [json.loads(line) | values for line in old.split("\n") if line.strip()]
            old = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        objects = [
            {
                name: json.loads(value) if name in self._lists else value
                for name, value in row.items()
                if pd.notna(value)
            }
            for row in rows.to_dict("records")
        ]
        added = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in objects)
        return old, ("\n" if old and not old.endswith("\n") else "") + added

    def _csv_lines(
        self, old: str, rows: pd.DataFrame, former: Mapping[str, str]
    ) -> tuple[str, str]:
        if not old.strip("\ufeff\r\n "):
            header = names = list(rows.columns)
            old, end = "", "\n"
        else:
            records = split_records(old, self._separator)
            end = "\r\n" if records[0].endswith("\r\n") else "\n"
            header = next(csv.reader([records[0]], delimiter=self._separator))
            names = [name.strip("\ufeff\r\n ") for name in header]
            added_names = [name for name in rows if name not in names]
            if added_names or "\n" not in old.strip():  # such as lines that end in \r alone
                first = SEPARATOR_LINE.match(old)
                start = first.group() if first else ""
                old = start + self._with_columns(records, added_names, former, end)
            names += added_names
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=self._separator, lineterminator=end)
        if not old:
            writer.writerow(header)
        filled = rows.astype(object).where(rows.notna(), "")
        for row in filled.to_dict("records"):
            writer.writerow([row.get(name, "") for name in names])
        return old, ("" if not old or old.endswith("\n") else end) + buffer.getvalue()

    def _with_columns(
        self, records: list[str], names: list[str], former: Mapping[str, str], end: str
    ) -> str:
        """Return a table with further columns, whose other fields keep every character."""
        mark = self._separator
        cells = (names, [former.get(name, "") for name in names])
        parts = []
        for number, record in enumerate(records):
            fields = record.rstrip("\r\n")
            ending = record[len(fields) :] or end
            more = "".join(mark + cell for cell in cells[number > 0])
            parts.append(f"{fields}{more if fields else ''}{ending}")
        return "".join(parts)

    def _append_parquet(self, rows: pd.DataFrame, former: Mapping[str, str]) -> None:
        old = pq.read_table(self.path) if self.path.exists() else pa.table({})
        # A column without any value has no type yet.
        old = old.drop_columns([field.name for field in old.schema if pa.types.is_null(field.type)])
        columns = {}
        for name in rows:
            values = rows[name].astype(object).where(rows[name].notna(), None).tolist()
            is_list = name in self._lists
            cells = [json.loads(cell) if cell and is_list else cell for cell in values]
            known = old.schema.field(name).type if name in old.column_names else None
            columns[name] = self._as_type(name, cells, known or _type_of(cells, is_list))
        added = pa.table(columns)
        for name in [name for name in rows if name not in old.column_names and old.num_columns]:
            kind = added.schema.field(name).type
            former_cells = pa.array([former.get(name) or None] * old.num_rows, kind)
            old = old.append_column(name, former_cells)
        if old.num_columns:
            added = pa.concat_tables([old, added], promote_options="default")
        with replace_when_done(self.path) as temporary:
            pq.write_table(added, temporary)

    def _as_type(self, name: str, cells: list, kind: pa.DataType) -> pa.Array:
        try:
            if pa.types.is_null(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
                return pa.array(cells, kind)
            if pa.types.is_timestamp(kind):
                times = pd.to_datetime(pd.Series(cells), utc=True, format="ISO8601")
                times = times if kind.tz else times.dt.tz_localize(None)
                return pa.array(times).cast(kind, safe=False)
            return pa.array(cells, pa.large_string()).cast(kind)
        except (pa.ArrowException, TypeError) as error:
            reason = " ".join(str(error).split())[:100]
            raise MarketError(
                f"{self.path}: column {name!r} has the type {kind}, which cannot hold the new rows "
                f"({reason}): convert it to strings"
            ) from None


def _type_of(cells: list, is_list: bool) -> pa.DataType:
    """Return the type of a new column."""
    if not is_list:
        return pa.large_string()
    if not any(cell is not None for cell in cells):
        return pa.null()
    are_numbers = any(isinstance(each, float | int) for cell in cells for each in cell or ())
    return pa.list_(pa.float64() if are_numbers else pa.large_string())
