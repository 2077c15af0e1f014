"""The report on an export: what was recognised, what is usable, and the section to use."""

from __future__ import annotations

import unicodedata
from typing import Any

import yaml

from market.core.settings import Input
from market.data.dates import order_note
from market.data.inspection.export import Inspection
from market.data.inspection.finding import Finding, percent
from market.data.inspection.tables import Table
from market.data.inspection.usable import Count

MAX_EXAMPLE = 44  # characters of a value
MAX_REASONS = 4
NONE = "–"

Row = tuple[str, str, str]


def render(inspection: Inspection) -> str:
    """Return the report as text, without the next command."""
    products = inspection.tables.products
    parts = [
        _block("Tables", _table_rows(inspection)),
        _block(f"Columns of {products.file.path.name}", _column_rows(inspection)),
        _block("Values", _value_rows(inspection)),
        _block("Usable", _usable_rows(inspection)),
        _list("To decide", inspection.questions),
        _list("To put right", inspection.problems),
        _list("Notes", inspection.notes),
        _section_text(inspection),
    ]
    return "\n\n".join(part for part in parts if part)


def _block(title: str, rows: list[Row]) -> str:
    """Return a title and rows, their columns aligned."""
    first, second = (max((_width(row[i]) for row in rows), default=0) for i in (0, 1))
    lines = [
        f"  {_pad(label, first)}  {_pad(value, min(second, 40))}  {evidence}".rstrip()
        for label, value, evidence in rows
    ]
    return "\n".join([title, *lines])


def _list(title: str, lines: list[str]) -> str:
    return "\n".join([title, *(f"  - {line}" for line in lines)]) if lines else ""


def _width(text: str) -> int:
    """Return the columns of a terminal that a text takes: two for each Chinese sign."""
    return sum(1 + (unicodedata.east_asian_width(sign) in "WF") for sign in text)


def _pad(text: str, width: int) -> str:
    return text + " " * max(0, width - _width(text))


def _short(text: Any) -> str:
    plain = " ".join(str(text).split())
    return plain if len(plain) <= MAX_EXAMPLE else plain[: MAX_EXAMPLE - 1] + "…"


# --- Tables and columns ---------------------------------------------------------------------------
def _table_rows(inspection: Inspection) -> list[Row]:
    tables = inspection.tables
    roles = {"listings": tables.products, "photos": tables.images, "events": tables.interactions}
    if tables.searches is not None:
        roles["searches"] = tables.searches
    return [(role, *_table_facts(table)) for role, table in roles.items()]


def _table_facts(table: Table | None) -> tuple[str, str]:
    if table is None:
        return NONE, ""
    file = table.file
    count = f"{len(table.rows):,} rows"
    if not file.is_whole:
        count = f"looked at the first {len(table.rows):,} rows ({file.size / 1e6:,.0f} MB)"
    facts = [count, file.format]
    if file.format != "Parquet":
        encoding = "utf-8" if file.encoding.value == "ascii" else file.encoding.value
        facts.append(encoding + (" (guess)" if file.encoding.is_guess else ""))
    if file.has_separator:
        separator = {"\t": "tab", " ": "space"}.get(file.separator.value, file.separator.value)
        facts.append(f"separator {separator}" + (" (guess)" if file.separator.is_guess else ""))
    return file.path.name, ", ".join(facts)


def _column_rows(inspection: Inspection) -> list[Row]:
    products, section = inspection.tables.products, inspection.section
    rows = []
    usual = ("id", "name", "description", "category", "price", "location")
    for name in (*usual, "latitude", "longitude", "created", "status", "seller_id"):
        profile = products.profile(name) if name in section["columns"] else None
        if profile is not None:
            guess = " (guess)" if products.matches[name].is_guess else ""
            example = profile.some.iloc[0] if len(profile.some) else ""
            missing = f", {percent(1 - profile.filled)} empty" if profile.filled < 0.995 else ""
            rows.append((name, profile.name + guess, f"{_short(example)}{missing}"))
        elif name in usual:
            rows.append((name, NONE, ""))
    if section["photo_columns"]:
        rows.append(("photos", ", ".join(section["photo_columns"]), ""))
    if attributes := section["attributes"]:
        kinds = [f"{column} ({kind})" for column, kind in attributes.items()]
        rows += [("attributes" if not i else "", "", kind) for i, kind in enumerate(_lines(kinds))]
    if inspection.unused:
        reasons = [f"{column} ({reason})" for column, reason in inspection.unused.items()]
        rows += [("not used" if not i else "", "", line) for i, line in enumerate(_lines(reasons))]
    return rows


def _lines(items: list[str], width: int = 70) -> list[str]:
    """Return items divided by commas, on as many lines as they need."""
    lines = [""]
    for item in items:
        if lines[-1] and _width(lines[-1] + item) > width:
            lines[-1] += ","
            lines.append(item)
        else:
            lines[-1] += (", " if lines[-1] else "") + item
    return lines


# --- Values and counts ----------------------------------------------------------------------------
def _value_rows(inspection: Inspection) -> list[Row]:
    rows = [
        _finding_row("currency", inspection.values.currency),
        _finding_row("decimal mark", inspection.values.decimal),
        _finding_row("language", inspection.values.language),
        _finding_row("country", inspection.values.country),
        _finding_row("categories", inspection.values.category_separator, quoted=True),
    ]
    tables, section = inspection.tables, inspection.section
    if "price" not in section["columns"]:
        rows = rows[2:]
    if "category" not in section["columns"]:
        rows = rows[:-1]
    for label, profile in {
        "times": tables.products.profile("created"),
        "times of events": tables.interactions.profile("timestamp") if tables.interactions
        else None,
    }.items():  # fmt: skip
        if profile is not None and len(profile.some):
            facts = [f"{percent(profile.times)} are readable"]
            facts += filter(None, [order_note(profile.known, section["country"])])
            rows.append((label, _short(profile.some.iloc[0]), "; ".join(facts)))
    photos = inspection.photos
    if not photos.photos:
        rows.append(("photos", NONE, photos.evidence))
    else:
        how = {
            "table": f"by {section['images']}", "column": "by " + ", ".join(photos.columns),
            "folders": "a folder for each listing", "names": "by the names of files",
        }[photos.photos]  # fmt: skip
        guess = " (guess)" if photos.share < 0.5 else ""
        place = "the raw folder" if photos.folder == "." else f"{photos.folder}/"
        rows.append(("photos", how + guess, f"in {place}: {photos.evidence}"))
    if inspection.events is not None:
        mapped = [f"{name} = {kind}" for name, kind in inspection.events.mapping.items()]
        if inspection.events.ratings:
            mapped = ["ratings"]
        rows += [("events" if not i else "", "", line) for i, line in enumerate(_lines(mapped))
                 if line]  # fmt: skip
    return rows


def _finding_row(label: str, finding: Finding[str], *, quoted: bool = False) -> Row:
    value = f'"{finding.value}"' if quoted else finding.value
    return label, value + (" (guess)" if finding.is_guess else ""), finding.evidence


def _usable_rows(inspection: Inspection) -> list[Row]:
    usable = inspection.usable
    rows: list[Row] = []
    for label, count in {
        "listings": usable.listings, "photos": usable.photos, "photos that open": usable.decoded,
        "events": usable.events,
    }.items():  # fmt: skip
        if count is None or (not count.total and label != "listings"):
            continue
        first = "" if count.is_whole else "the first "
        sampled = " tried" if label == "photos that open" else ""
        value = f"{count.usable:,} of {first}{count.total:,}{sampled}"
        reasons = _lines(_reasons(count))
        rows.append((label, value, reasons[0]))
        rows += [("", "", line) for line in reasons[1:]]
    if usable.photos is not None and usable.listings is not None:
        value = f"{usable.listings_with_photo:,} of {usable.listings.usable:,}"
        rows.insert(1, ("with a photo", value, ""))
    return rows or [("listings", NONE, "not counted: see below")]


def _reasons(count: Count) -> list[str]:
    shown = [f"{number:,} {reason}" for reason, number in [*count.reasons.items()][:MAX_REASONS]]
    more = len(count.reasons) - MAX_REASONS
    return shown + ([f"{more} other reasons"] if more > 0 else [])


# --- The section ----------------------------------------------------------------------------------
def _section_text(inspection: Inspection) -> str:
    """Return the section `input` as YAML, with a comment on every guess."""
    products = inspection.tables.products
    guesses = {
        key: finding.evidence
        for key, finding in {
            "currency": inspection.values.currency, "decimal": inspection.values.decimal,
            "language": inspection.values.language, "country": inspection.values.country,
        }.items()
        if finding.is_guess
    }  # fmt: skip
    columns = {f"  {name}" for name, match in products.matches.items() if match.is_guess}
    lines = []
    place = ""
    for key in (key for key in Input.model_fields if key in inspection.section):
        text = yaml.safe_dump(
            {key: inspection.section[key]}, allow_unicode=True, sort_keys=False, width=10_000
        )
        for line in text.splitlines():
            name = line.partition(":")[0]
            place = name if not line.startswith((" ", "-")) else place
            comment = ""
            if name in guesses and place == name:
                comment = f"  # guess: {guesses[name]}"
            elif place == "columns" and name in columns:
                comment = "  # guess"
            lines.append(f"  {line}{comment}")
    return "\n".join(["input:", *lines])
