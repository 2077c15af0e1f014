"""An export as the detectors see it, and the section `input` of params.yaml that describes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from babel.numbers import get_territory_currencies
from pydantic import ValidationError

from market.core.settings import EVENT_FIELDS, FIELDS, Clean, Input
from market.data.inspection.attributes import propose_attribute
from market.data.inspection.categories import detect_category_separator
from market.data.inspection.country import detect_country
from market.data.inspection.events import EventNames, map_events
from market.data.inspection.finding import Finding
from market.data.inspection.language import detect_language
from market.data.inspection.photos import (
    DEFAULT_SEPARATOR,
    PhotoFiles,
    PhotoLayout,
    detect_photos,
    photo_columns,
)
from market.data.inspection.prices import detect_decimal, possible_currencies
from market.data.inspection.profiles import Profile
from market.data.inspection.table_files import find_tables
from market.data.inspection.tables import Table, Tables, read_tables
from market.data.inspection.usable import Usable, count_usable
from market.data.interactions import log_columns

DEFAULT_ENCODING, DEFAULT_CURRENCY = "utf-8", "GBP"
MIN_TIMES = 0.5  # share of times that must be readable for the column to be of use


@dataclass(frozen=True)
class Inspection:
    """What an export holds, and how it is written.

    Attributes
    ----------
    raw
        The raw folder.
    tables
        Its tables.
    currency, decimal, language, country, category_separator
        The values of these keys, with their evidence.
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
    currency: Finding[str]
    decimal: Finding[str]
    language: Finding[str]
    country: Finding[str]
    category_separator: Finding[str]
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
    products = tables.products
    places = _Places.of(products)
    texts = _texts(products)
    codes = possible_currencies(products.profile("price"), products.unmatched)
    language = detect_language(texts)
    country = detect_country(
        places.locations, places.coordinates, texts, codes.value, language.value
    )
    currency = _settle_currency(codes, country)
    price = products.profile("price")
    amounts = price.some if price is not None else pd.Series(dtype="str")
    decimal = detect_decimal(amounts, country.value)
    photos = _detect_photos(raw, path, tables)
    attributes, unused = _attributes(products, photos)
    event = tables.interactions.profile("event") if tables.interactions else None
    events = map_events(event.known) if event else None
    separator = detect_category_separator(products.profile("category"))
    columns, dropped = _columns(products)
    section = {
        "products": products.file.path.name,
        "images": tables.images.file.path.name if tables.images and photos.photos in ("", "table")
        else "",
        "interactions": tables.interactions.file.path.name if tables.interactions else "",
        **_dialect(tables),
        "columns": columns,
        "image_columns": photos.image_columns if photos.photos == "table" else {},
        "event_columns": _event_columns(tables.interactions),
        "events": events.mapping if events else {},
        "attributes": attributes,
        "category_separator": separator.value,
        "photos": photos.photos or "table",
        "photo_folder": photos.folder,
        "photo_columns": [*photos.columns],
        "photo_separator": photos.separator or DEFAULT_SEPARATOR,
        "currency": currency.value,
        "decimal": decimal.value,
        "language": language.value,
        "country": country.value,
    }  # fmt: skip
    if not photos.photos:
        section["images"] = ""
    settings, problems = _validate(section)
    usable = count_usable(tables, settings, clean) if settings else Usable()
    return Inspection(
        raw, tables, currency, decimal, language, country, separator, photos, events, unused,
        section, usable,
        questions=_questions(products, currency, language, country, events),
        problems=[*tables.unreadable, *problems, *usable.problems],
        notes=[*dropped, *usable.notes, *_other_notes(tables, other_files)],
    )  # fmt: skip


@dataclass(frozen=True)
class _Places:
    locations: pd.Series
    coordinates: pd.DataFrame

    @classmethod
    def of(cls, products: Table) -> _Places:
        location = products.profile("location")
        pair = [products.profile(name) for name in ("latitude", "longitude")]
        known = [profile for profile in pair if profile is not None]
        coordinates = pd.DataFrame({"latitude": [], "longitude": []}, dtype=float)
        if len(known) == 2:
            degrees = {
                profile.name: pd.to_numeric(
                    profile.values.str.replace(",", ".").str.removesuffix("°"), errors="coerce"
                )
                for profile in known
            }
            coordinates = pd.DataFrame(degrees)
        return cls(location.known if location else pd.Series(dtype="str"), coordinates)


def _texts(products: Table) -> pd.Series:
    """Return name and description of each sampled listing that has either."""
    parts = [products.profile(name) for name in ("name", "description")]
    texts = pd.Series("", index=products.sample.index, dtype="str")
    for profile in parts:
        if profile is not None:
            texts = texts + profile.values.fillna("").astype("str") + "\n"
    return texts[texts.str.strip().ne("")]


def _settle_currency(codes: Finding[tuple[str, ...]], country: Finding[str]) -> Finding[str]:
    """Return the currency: of several that share a sign, the country's."""
    current = get_territory_currencies(country.value)
    own = current[-1] if current else DEFAULT_CURRENCY
    if len(codes.value) == 1:
        return Finding(codes.value[0], codes.share, codes.evidence)
    if own in codes.value:
        share = 0.9 if not country.is_guess else 0.5
        return Finding(own, share * codes.share, f"{codes.evidence}; {country.value} uses it")
    if codes.value:
        return Finding(codes.value[0], 0.4, codes.evidence)
    return Finding(own, 0.0 if country.is_guess else 0.5, codes.evidence)


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


def _attributes(products: Table, photos: PhotoLayout) -> tuple[dict[str, str], dict[str, str]]:
    """Return the type of each attribute, and why each other column is not used."""
    attributes, unused = {}, {}
    shown = {profile.name for profile in photo_columns(products.unmatched)} | {*photos.columns}
    for profile in products.unmatched:
        kind, reason = propose_attribute(profile)
        if profile.name in shown:
            if profile.name not in photos.columns:
                unused[profile.name] = "photos"
        elif kind is not None:
            attributes[profile.name] = kind
        else:
            unused[profile.name] = reason
    return attributes, unused


def _columns(products: Table) -> tuple[dict[str, str], list[str]]:
    """Return the column of each field, and a line for each that is of no use."""
    columns = {name: products.matches[name].column for name in FIELDS if name in products.matches}
    dropped = []
    created = products.profile("created")
    if created is not None and created.times < MIN_TIMES:
        dropped.append(
            f"column {created.name!r} is not used: its times, such as {_example(created)}, are not "
            "ISO 8601: rewrite them, such as 2024-03-05 10:30"
        )
        del columns["created"]
    if ("latitude" in columns) != ("longitude" in columns):
        for name in ("latitude", "longitude"):
            columns.pop(name, None)
    return columns, dropped


def _example(profile: Profile) -> str:
    return repr(profile.some.iloc[0])[:60] if len(profile.some) else "none"


def _dialect(tables: Tables) -> dict[str, str]:
    """Return encoding and separator, of the listings if they have one."""
    present = (tables.products, tables.images, tables.interactions)
    files = [table.file for table in present if table is not None]
    encodings = [file.encoding.value for file in files if file.encoding.value != "ascii"]
    separators = [file.separator.value for file in files if file.has_separator]
    return {
        "encoding": (encodings or [DEFAULT_ENCODING])[0],
        "separator": (separators or [","])[0],
    }


def _event_columns(log: Table | None) -> dict[str, str | None]:
    """Return the columns of the log that have no usual name."""
    if log is None:
        return {}
    usual = log_columns(log.rows.columns)
    columns = {name: log.matches[name].column for name in EVENT_FIELDS if name in log.matches}
    own: dict[str, str | None] = {
        name: column for name, column in columns.items() if usual.get(name) != column
    }
    # A column with the usual name that was not recognised is none.
    if "event" not in columns and usual.get("event") in log.rows:
        own["event"] = None
    return own


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


def _questions(
    products: Table,
    currency: Finding[str],
    language: Finding[str],
    country: Finding[str],
    events: EventNames | None,
) -> list[str]:
    """Return a line for each key that the user should settle."""
    lines = []
    for key, finding in {"currency": currency, "language": language, "country": country}.items():
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
    notes += [f"{name} is not read: save it as .csv if it has listings" for name in other_files]
    return notes
