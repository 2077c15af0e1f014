"""Logs of other search systems: their records, and the raw logs that are made of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from market.core.atomic import replace_when_done
from market.core.errors import MarketError
from market.data.inspection.names import event_kind
from market.data.interactions import read_times
from market.data.log_files import LogFile
from market.data.tables import COMPRESSIONS, JSON_ENDINGS, read_table, table_ending
from market.data.typed_tables import cell_text, is_document

MAX_NAMED = 8  # actions or fields in a message
REJECTS = "import_rejects.csv"
# Actions that are no interaction with a listing, although their names hold the word of one.
NO_INTERACTIONS = frozenset(
    ("impression", "impressions", "search", "on_search", "view_search_results")
)


@dataclass
class ForeignLog:
    """What was read of a log, row by row.

    Attributes
    ----------
    searches, events
        Rows of searches.csv and interactions.csv, whose cells are strings, lists or None.
    rejects
        (source, record, id, reason) of each record that cannot be used.
    ignored
        Number of records or fields of each kind that is not read.
    """

    searches: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[tuple[str, int, str | None, str]] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)

    def add_search(self, path: Path, number: int, row: dict[str, Any]) -> None:
        self._add(self.searches, path, number, row, ("search_id", "timestamp"))

    def add_event(self, path: Path, number: int, row: dict[str, Any]) -> None:
        self._add(self.events, path, number, row, ("user_id", "product_id", "timestamp"))

    def _add(
        self, rows: list, path: Path, number: int, row: dict[str, Any], required: tuple[str, ...]
    ) -> None:
        missing = next((name for name in required if not row.get(name)), None)
        if missing is not None:
            self.reject(path, number, row.get("search_id"), f"has no {missing}")
            return
        rows.append({**row, "_source": (path.name, number)})

    def reject(self, path: Path, number: int, key: str | None, reason: str) -> None:
        self.rejects.append((path.name, number, key, reason))

    def kind_of(self, action: str | None, chosen: Mapping[str, str]) -> str | None:
        """Return view, save, message or buy for an action; None, and a count, for any other."""
        name = (action or "").strip()
        if name in chosen:
            return chosen[name]
        kind = None if name.lower() in NO_INTERACTIONS else event_kind(name)
        if kind is None:
            self.ignored[f"action {name!r}"] += 1
        return kind

    def write(self, folder: Path) -> list[Path]:
        """Write searches.csv, interactions.csv and the rejects; return the files of the logs.

        Searches are JSON Lines if an id holds a space.

        Raises
        ------
        MarketError
            A file exists already, or nothing can be used.
        """
        self.searches = searches = self._with_times(self.searches)
        self.events = events = self._with_times(self.events)
        if not searches and not events:
            first = f": {self.rejects[0][3]} (record {self.rejects[0][1]})" if self.rejects else ""
            raise MarketError(f"no search and no event can be used{first}: check the files' format")
        spaced = any(
            len(product_id.split()) != 1 for row in searches for product_id in row["product_ids"]
        )
        names = {"searches.jsonl.gz" if spaced else "searches.csv": searches,
                 "interactions.csv": events}  # fmt: skip
        for path in (folder / name for name in names):
            others = folder.glob(f"{path.name.partition('.')[0]}.*") if folder.is_dir() else ()
            for other in others:
                raise MarketError(f"{other} exists: remove it, or name another folder in --out")
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for name, rows in names.items():
            if rows:
                path = folder / name
                lists = frozenset(("product_ids",)) if spaced else frozenset()
                file = LogFile(path, encoding="utf-8", separator=",", lists=lists)
                file.append(_frame(rows, as_json=spaced), {})
                written.append(path)
        if self.rejects:
            table = pd.DataFrame(self.rejects, columns=["source", "record", "id", "reason"])
            with replace_when_done(folder / REJECTS) as temporary:
                table.to_csv(temporary, index=False, lineterminator="\n")
        return written

    def _with_times(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the rows with times that can be read; the others become rejects."""
        texts = pd.Series([row["timestamp"] for row in rows], dtype="str")
        times, faults = read_times(texts)
        kept = []
        for row, time, fault in zip(rows, times, faults, strict=True):
            name, number = row.pop("_source", ("", 0))
            if fault:
                self.rejects.append((name, number, row.get("search_id"), f"timestamp {fault}"))
            else:
                kept.append({**row, "timestamp": time.isoformat()})
        return sorted(kept, key=lambda row: row["timestamp"])

    def messages(self) -> list[str]:
        """Return a line on what was ignored, and one on the rejects, if there are any."""
        lines = []
        if self.ignored:
            named = ", ".join(
                f"{name} ({count})" for name, count in self.ignored.most_common(MAX_NAMED)
            )
            more = len(self.ignored) - MAX_NAMED
            rest = f" and {more} others" if more > 0 else ""
            lines.append(f"not read: {named}{rest}; --event NAME=view counts an action")
        if self.rejects:
            reasons = Counter(reason for *_, reason in self.rejects).most_common(MAX_NAMED)
            named = ", ".join(f"{reason} ({count})" for reason, count in reasons)
            lines.append(f"{len(self.rejects)} records rejected: {named}: see {REJECTS}")
        shown = {
            row["search_id"]: {*row["product_ids"]} for row in self.searches if "search_id" in row
        }
        linked = [row for row in self.events if row.get("search_id") in shown]
        strange = sum(row["product_id"] not in shown[row["search_id"]] for row in linked)
        if linked and strange > len(linked) / 2:
            lines.append(
                f"{strange} of {len(linked)} events name a product that their search did not show: "
                "are both the ids of your listings?"
            )
        return lines


def _frame(rows: list[dict[str, Any]], *, as_json: bool) -> pd.DataFrame:
    """Return rows as strings; columns without any value are left out."""
    names = list(dict.fromkeys(name for row in rows for name in row))

    def text(cell: Any) -> str | None:
        if isinstance(cell, list):
            return json.dumps(cell, ensure_ascii=False) if as_json else " ".join(cell)
        return cell

    table = pd.DataFrame(
        {name: pd.Series([text(row.get(name)) for row in rows], dtype="str") for name in names}
    )
    required = ("search_id", "user_id", "timestamp", "query", "product_ids", "event", "product_id")
    return table[[name for name in names if name in required or table[name].notna().any()]]


def read_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Iterate over the records of a file with their numbers from 1.

    JSON Lines or an array, also as OpenSearch exports documents (`_source`) and as its bulk format
    (lines that begin with {"index": …} are left out); otherwise a CSV table, whose columns are
    named such as "event_attributes.object.object_id".

    Raises
    ------
    MarketError
        The file does not exist, or is no such file; with the line that is wrong.
    """
    if table_ending(path.name) not in JSON_ENDINGS:
        table = read_table(path)
        for number, row in enumerate(table.to_dict("records"), start=1):
            yield number, {str(name): value for name, value in row.items() if pd.notna(value)}
        return
    for number, record in _json_records(path):
        if not isinstance(record, dict):
            raise MarketError(f"{path}: record {number} is not a JSON object: {str(record)[:60]!r}")
        if len(record) == 1 and next(iter(record)) in ("index", "create"):
            continue
        source = record.get("_source")
        yield number, source if isinstance(source, dict) else record


def _json_records(path: Path) -> Iterable[tuple[int, Any]]:
    try:
        content = path.read_bytes()
        unpack = COMPRESSIONS.get(path.suffix.lower())
        text = (unpack(content) if unpack else content).decode("utf-8-sig")
    except FileNotFoundError:
        raise MarketError(
            f"{path} does not exist: name the file that your system exported"
        ) from None
    except (OSError, EOFError, ValueError) as error:
        reason = " ".join(str(error).split())[:100]
        raise MarketError(f"{path} cannot be read: {reason}") from None
    if is_document(text):
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise MarketError(f"{path} is not valid JSON: {error}") from None
        if isinstance(document, dict):
            hits = document.get("hits")
            document = hits.get("hits", [document]) if isinstance(hits, dict) else [document]
        return enumerate(document, start=1)
    return _json_lines(text, path)


def _json_lines(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                raise MarketError(f"{path}: line {number} is not valid JSON: {error}") from None


def value_of(record: Mapping[str, Any], *names: str) -> Any:
    """Return the first value that is present; dots lead into objects, unless a key holds them.

    Examples
    --------
    >>> value_of({"object": {"id": 7}}, "object_id", "object.id")
    7
    """
    for name in names:
        value: Any = record.get(name)
        if value is None:
            value = record
            for part in name.split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
        if value not in (None, ""):
            return value
    return None


def text_of(record: Mapping[str, Any], *names: str) -> str | None:
    """Return `value_of` as stripped text; None if there is none."""
    text = cell_text(value_of(record, *names))
    return text.strip() or None if text else None
