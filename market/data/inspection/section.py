"""The section `input` of params.yaml that describes an export."""

from __future__ import annotations

from typing import Any

from market.core.settings import EVENT_FIELDS, FIELDS
from market.data.inspection.attributes import propose_attribute
from market.data.inspection.events import EventNames
from market.data.inspection.photos import PhotoLayout, photo_columns
from market.data.inspection.profiles import Profile
from market.data.inspection.searches import own_search_columns
from market.data.inspection.tables import Table, Tables
from market.data.inspection.values import Values
from market.data.interactions import log_columns

DEFAULT_ENCODING = "utf-8"
# Of keys that a section may lack.
SEARCH_DEFAULTS: dict[str, Any] = {"searches": "searches.csv", "search_columns": {}}
MIN_TIMES = 0.5  # share of times that must be readable for the column to be of use


def build_section(
    tables: Tables, values: Values, photos: PhotoLayout, events: EventNames | None
) -> dict[str, Any]:
    """Return the section, in the order of params.yaml."""
    columns, _ = listing_columns(tables.products)
    attributes, _ = find_attributes(tables.products, photos, values.decimal.value)
    return {
        **_files(tables, photos),
        **_dialect(tables),
        "columns": columns,
        "image_columns": photos.image_columns if photos.photos == "table" else {},
        "event_columns": _event_columns(tables.interactions),
        **_searches(tables.searches),
        "events": events.mapping if events else {},
        "attributes": attributes,
        "category_separator": values.category_separator.value,
        "photos": photos.photos or "table",
        "photo_folder": photos.folder,
        "photo_columns": [*photos.columns],
        "photo_separator": photos.separator,
        "currency": values.currency.value,
        "decimal": values.decimal.value,
        "language": values.language.value,
        "country": values.country.value,
    }


def find_attributes(
    products: Table, photos: PhotoLayout, decimal: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the type of each attribute, and why each other column is not used."""
    attributes, unused = {}, {}
    shown = {profile.name for profile in photo_columns(products.unmatched)} | {*photos.columns}
    for profile in products.unmatched:
        kind, reason = propose_attribute(profile, decimal)
        if profile.name in shown:
            if profile.name not in photos.columns:
                unused[profile.name] = "photos"
        elif kind is not None:
            attributes[profile.name] = kind
        else:
            unused[profile.name] = reason
    return attributes, unused


def listing_columns(products: Table) -> tuple[dict[str, str], list[str]]:
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


def _files(tables: Tables, photos: PhotoLayout) -> dict[str, str]:
    """Return the names of the tables; "" for one that is absent or of no use."""
    images, log = tables.images, tables.interactions
    return {
        "products": tables.products.file.path.name,
        "images": images.file.path.name if images and photos.photos == "table" else "",
        "interactions": log.file.path.name if log else "",
    }


def _dialect(tables: Tables) -> dict[str, str]:
    """Return encoding and separator, of the listings if they have one."""
    present = (tables.products, tables.images, tables.interactions, tables.searches)
    files = [table.file for table in present if table is not None]
    encodings = [file.encoding.value for file in files if file.encoding.value != "ascii"]
    separators = [file.separator.value for file in files if file.has_separator]
    return {
        "encoding": (encodings or [DEFAULT_ENCODING])[0],
        "separator": (separators or [","])[0],
    }


def _searches(log: Table | None) -> dict[str, Any]:
    """Return the keys of the log of searches that differ from SEARCH_DEFAULTS."""
    if log is None:
        return {}
    own = {
        "searches": log.file.path.name,
        "search_columns": own_search_columns(log.rows.columns),
    }
    return {name: value for name, value in own.items() if value != SEARCH_DEFAULTS[name]}


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
