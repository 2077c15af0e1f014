"""Which table of an export holds the listings, which the photos and which the events."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from market.core.errors import MarketError
from market.data.html_text import html_to_text
from market.data.inspection.columns import (
    LISTING_CHECKS,
    SEEMS_LISTING,
    ColumnMatch,
    match_columns,
    reference_checks,
    seems_reference,
)
from market.data.inspection.names import (
    EVENT_NAMES,
    IMAGE_NAMES,
    LISTING_NAMES,
    TABLE_NAMES,
    match_name,
)
from market.data.inspection.profiles import Profile, profile_columns
from market.data.inspection.searches import find_search_columns
from market.data.inspection.table_files import TableFile, open_table, sample_rows

# How much each field says that a table holds listings.
WEIGHTS = {"id": 1.0, "name": 1.0, "description": 1.0, "price": 1.0, "category": 0.7}
OTHER_WEIGHT = 0.3
MIN_LISTINGS = 0.8  # score of a table of listings
MAX_IDS = 200_000  # of listings, that other tables are compared with


@dataclass(frozen=True)
class Table:
    """A table that was read.

    Attributes
    ----------
    file
        Its file.
    rows
        Its rows, or the first of a large file.
    matches
        Its columns by field, in its role.
    """

    file: TableFile
    rows: pd.DataFrame
    matches: dict[str, ColumnMatch] = field(default_factory=dict)

    @cached_property
    def sample(self) -> pd.DataFrame:
        """Rows that the detectors look at, without HTML."""
        return sample_rows(self.rows).apply(html_to_text)

    @cached_property
    def profiles(self) -> list[Profile]:
        """The columns of the sample."""
        return profile_columns(self.sample)

    def profile(self, name: str) -> Profile | None:
        """Return the column of a field, if it has one."""
        match = self.matches.get(name)
        if match is None:
            return None
        return next(profile for profile in self.profiles if profile.name == match.column)

    @property
    def unmatched(self) -> list[Profile]:
        """The columns that no field has."""
        used = {match.column for match in self.matches.values()}
        return [profile for profile in self.profiles if profile.name not in used]


@dataclass(frozen=True)
class Tables:
    """The tables of an export by their role."""

    products: Table
    images: Table | None
    interactions: Table | None
    searches: Table | None
    unused: list[str]  # files without a role
    unreadable: list[str]  # why files could not be read


def read_tables(paths: list[Path]) -> Tables:
    """Read the tables of an export and find their roles.

    Raises
    ------
    MarketError
        If no table can be read, or none holds listings.
    """
    tables, unreadable = [], []
    for path in paths:
        try:
            file = open_table(path)
            rows = file.read()
        except MarketError as error:
            unreadable.append(str(error))
            continue
        is_text = path.suffix.lower() == ".txt" and len(rows.columns) < 2  # such as README.txt
        if len(rows) and not is_text:
            tables.append(Table(file, rows))
        elif not is_text:
            unreadable.append(f"{path} has no rows")
    # Files of text that is no table are none of the export's.
    unreadable = [line for line in unreadable if not line.partition(" ")[0].endswith(".txt")]
    if not tables:
        raise MarketError(unreadable[0] if unreadable else f"{paths[0]} is no table of listings")
    searches = next((table for table in tables if find_search_columns(table.rows.columns)), None)
    if searches is not None and len(tables) > 1:
        tables.remove(searches)
    else:
        searches = None
    matched = [_match_listings(table) for table in tables]
    best = max(range(len(tables)), key=lambda i: (_listing_score(matched[i]), len(tables[i].rows)))
    if _listing_score(matched[best]) < MIN_LISTINGS:
        columns = ", ".join(map(str, tables[best].rows.columns))[:200]
        raise MarketError(
            f"{tables[best].file.path}: none of its columns is like the id, name, description or "
            f"price of a listing (found: {columns}): name them so, or fill in input.columns by hand"
        )
    products = matched[best]
    rest = [table for i, table in enumerate(tables) if i != best]
    interactions = _best(rest, products, "interactions")
    rest = [table for table in rest if interactions is None or table.file != interactions.file]
    images = _best(rest, products, "images")
    unused = [table.file.path.name for table in rest
              if images is None or table.file != images.file]  # fmt: skip
    return Tables(products, images, interactions, searches, unused, unreadable)


def _match_listings(table: Table) -> Table:
    matches = match_columns(table.profiles, LISTING_NAMES, LISTING_CHECKS, SEEMS_LISTING)
    return Table(table.file, table.rows, matches)


def _listing_score(table: Table) -> float:
    fields = table.matches.items()
    score = sum(WEIGHTS.get(name, OTHER_WEIGHT) * match.score for name, match in fields)
    if not {"name", "description"} & {*table.matches}:
        score -= 1.0
    stem = table.file.path.name.partition(".")[0]
    other = max(match_name(stem, TABLE_NAMES[role]).score for role in ("images", "interactions"))
    return score + 0.5 * match_name(stem, TABLE_NAMES["products"]).score - 0.5 * other


def _best(tables: list[Table], products: Table, role: str) -> Table | None:
    """Return the table that fits a role best, with its columns; None if none fits."""
    match = products.matches.get("id")
    ids = frozenset(products.rows[match.column].dropna().head(MAX_IDS)) if match else frozenset()
    names = IMAGE_NAMES if role == "images" else EVENT_NAMES
    best, most = None, 0.0
    for table in tables:
        matches = match_columns(
            table.profiles, names, reference_checks(ids, names), seems_reference(ids)
        )
        has_key = "product_id" in matches
        if role == "images":
            fits = has_key and bool({"id", "image_ref"} & {*matches})
        else:
            fits = has_key and {"user_id", "timestamp"} <= {*matches}
        named = match_name(table.file.path.name.partition(".")[0], TABLE_NAMES[role]).score
        score = sum(match.score for match in matches.values()) + named
        if fits and score > most:
            best, most = Table(table.file, table.rows, matches), score
    return best
