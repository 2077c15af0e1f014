"""The separator between the levels of a category."""

from __future__ import annotations

import re

from market.data.inspection.finding import Finding, percent
from market.data.inspection.profiles import Profile
from market.data.listings import split_category

DEFAULT = " / "
SIGNS = (">", "＞", "›", "»", "→", "::", "|", "\\", ";", "/", ":")
MIN_SHARE = 0.05  # of values that have a separator


def detect_category_separator(category: Profile | None) -> Finding[str]:
    """Return the separator of category levels; the default if there is one level."""
    if category is None:
        return Finding(DEFAULT, 1.0, "no categories")
    values = category.known.drop_duplicates()
    for sign in SIGNS:
        pattern = rf"\S\s*{re.escape(sign)}\s*\S"
        has_sign = values.str.contains(pattern, regex=True)
        if has_sign.mean() < MIN_SHARE:
            continue
        spaced = values.str.contains(f" {sign} ", regex=False)
        if sign == "/" and spaced.any():
            separator = DEFAULT  # a slash without spaces is part of a name
        elif sign in "/:" and not _is_tree(values[has_sign].tolist(), sign):
            continue
        else:
            separator = f" {sign} " if spaced[has_sign].all() else sign
        levels = values.map(lambda value, between=separator: len(split_category(value, between)))
        share = float(levels.gt(1).mean())
        evidence = f"in {percent(share)} of categories, up to {levels.max()} levels"
        return Finding(separator, 1.0, evidence)
    return Finding(DEFAULT, 1.0, "one level")


def _is_tree(values: list[str], sign: str) -> bool:
    """Return whether the parts before the first sign repeat, as the first levels of paths do."""
    first = {value.partition(sign)[0].strip() for value in values}
    return len(first) <= 0.7 * len(values)
