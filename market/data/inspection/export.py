"""An export as the detectors see it, and the section `input` of params.yaml that describes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from market.core.settings import Clean, Input
from market.data.inspection.events import EventNames, map_events
from market.data.inspection.misfits import misfits, missing_header
from market.data.inspection.photos import PhotoFiles, PhotoLayout, detect_photos
from market.data.inspection.section import build_section, find_attributes, listing_columns
from market.data.inspection.table_files import find_tables
from market.data.inspection.tables import Table, Tables, read_tables
from market.data.inspection.usable import Usable, count_usable
from market.data.inspection.values import Values, detect_values


@dataclass(frozen=True)
class Inspection:
    """What an export holds, and how it is written.

    Attributes
    ----------
    raw
        The raw folder.
    tables
        Its tables.
    values
        Its currency, language, country and so on.
    photos
        How photos belong to listings.
    events
        The names of events, if there is a log.
    unused
        The columns of the listings that are not used, with the reason.
    section
        The proposed section `input`.
    usable
        How much can be used with it.
    questions
        A line for each key that the export does not settle.
    problems
        A line for each thing to put right first.
    notes
        A line for each thing worth knowing.
    """

    raw: Path
    tables: Tables
    values: Values
    photos: PhotoLayout
    events: EventNames | None
    unused: dict[str, str]
    section: dict[str, Any]
    usable: Usable
    questions: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def inspect_export(path: Path, clean: Clean) -> Inspection:
    """Look at an export.

    Parameters
    ----------
    path
        A folder or a table.
    clean
        The limits of stage clean.

    Raises
    ------
    MarketError
        If the path does not exist, or holds no table of listings.
    """
    raw, paths, other_files = find_tables(path)
    tables = read_tables(paths)
    values = detect_values(tables.products)
    photos = _detect_photos(raw, path, tables)
    event = tables.interactions.profile("event") if tables.interactions else None
    events = map_events(event.known) if event else None
    section = build_section(tables, values, photos, events)
    settings, problems = _validate(section)
    usable = count_usable(tables, settings, clean) if settings else Usable()
    _, unused = find_attributes(tables.products, photos, values.decimal.value)
    _, dropped = listing_columns(tables.products)
    return Inspection(
        raw, tables, values, photos, events, unused, section, usable,
        questions=_questions(tables.products, values, events),
        problems=[*tables.unreadable, *missing_header(tables.products), *problems,
                  *usable.problems],
        notes=[*dropped, *misfits(tables.products), *usable.notes,
               *_other_notes(tables, other_files)],
    )  # fmt: skip


def _detect_photos(raw: Path, path: Path, tables: Tables) -> PhotoLayout:
    match = tables.products.matches.get("id")
    ids = tables.products.rows[match.column].dropna() if match else []
    # Beside a single table there may be anything, such as all downloads of a user.
    files = PhotoFiles.find(raw, named_only=path.is_file())
    images = tables.images
    return detect_photos(
        files,
        ids,
        tables.products.unmatched,
        images.sample if images else None,
        images.matches if images else {},
    )


def _validate(section: dict[str, Any]) -> tuple[Input | None, list[str]]:
    if "id" not in section["columns"]:
        return None, [
            "no column identifies a listing: add one with a different value in each row, or set "
            "input.columns.id"
        ]
    try:
        return Input.model_validate(section), []
    except ValidationError as error:
        return None, [str(fault.get("ctx", {}).get("error", fault["msg"]))
                      for fault in error.errors()]  # fmt: skip


def _questions(products: Table, values: Values, events: EventNames | None) -> list[str]:
    """Return a line for each key that the user should settle."""
    lines = []
    for key in ("currency", "language", "country"):
        finding = getattr(values, key)
        if key == "currency" and "price" not in products.matches:
            continue
        if not finding.share:
            lines.append(f"input.{key}: {finding.evidence}: change {finding.value} if it is wrong")
    for name, match in products.matches.items():
        if match.others:
            others = " or ".join(map(repr, match.others[:3]))
            lines.append(f"input.columns.{name}: {others} fits as well as {match.column!r}")
    if events and events.unknown:
        names = ", ".join(f"{name!r} ({count:,})" for name, count in [*events.unknown.items()][:5])
        lines.append(f"input.events: {names} count as views: map them if they are not")
    return lines


def _other_notes(tables: Tables, other_files: list[str]) -> list[str]:
    tables_only = [name for name in tables.unused if not name.endswith(".txt")]
    notes = [f"{name} is not read: its columns fit no role" for name in tables_only]
    for name in other_files:
        is_archive = name.lower().endswith(".zip")
        remedy = "unpack it with market.unpack" if is_archive else "save it as .csv"
        notes.append(f"{name} is not read: {remedy} if it has listings or photos")
    return notes
