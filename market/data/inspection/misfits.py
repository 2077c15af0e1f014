"""Columns whose names and values disagree."""

from __future__ import annotations

import re

from market.core.settings import FIELDS
from market.data.inspection.columns import LISTING_CHECKS
from market.data.inspection.names import LISTING_NAMES, match_name
from market.data.inspection.tables import Table

CLEAR_NAME = 0.8  # score of a name that says what the column is
NUMBER = re.compile(r"[-+]?[0-9]+(?:[.,][0-9]+)?")
MIN_NUMBERS = 0.8  # share of the values of a column


def misfits(products: Table) -> list[str]:
    """Return a line for each column that has the name of an absent field, but other values."""
    lines = []
    for field in FIELDS:
        if field in products.matches:
            continue
        for profile in products.unmatched:
            named = match_name(profile.name, LISTING_NAMES[field]).score >= CLEAR_NAME
            if named and len(profile.some) and not LISTING_CHECKS[field](profile):
                example = " ".join(profile.some.iloc[0].split())[:60]
                lines.append(
                    f"column {profile.name!r} is not used as {field}: its values, such as "
                    f"{example!r}, do not fit"
                )
    return lines


def missing_header(products: Table) -> list[str]:
    """Return a line if the first row of the table looks like a listing, not like names."""
    for profile in products.profiles:
        values = profile.some.str.fullmatch(NUMBER)
        if NUMBER.fullmatch(profile.name) and len(values) and values.mean() >= MIN_NUMBERS:
            path = products.file.path
            return [
                f"{path}: the first row has values, such as {profile.name!r}, where the names of "
                "columns belong: add a row of names above it"
            ]
    return []
