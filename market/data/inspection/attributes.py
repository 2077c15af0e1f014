"""The further columns of the listings that are worth keeping, each with its type."""

from __future__ import annotations

from market.data.inspection.finding import percent
from market.data.inspection.profiles import Profile
from market.data.money import FREE

MIN_FILLED = 0.05  # of the rows have a value
MIN_READ = 0.95  # of the values fit the type
MAX_CATEGORIES = 200
MAX_CATEGORY_LENGTH = 60


def propose_attribute(profile: Profile, decimal: str) -> tuple[str | None, str]:
    """Return the type of a column that no field has, and "", or None and why it is left out.

    Numbers are such with this decimal mark.
    """
    if not profile.distinct:
        return None, "empty"
    if profile.filled < MIN_FILLED:
        return None, f"filled in {percent(profile.filled)} of rows"
    if profile.distinct < 2:
        return None, "always the same"
    if profile.photos > 0.5:
        return None, "photos"
    if profile.some.str.contains(r"^(?:https?:)?//\S+$", regex=True).mean() > 0.5:
        return None, "links"
    repeats = profile.unique < 0.5 or profile.distinct < 10
    if profile.distinct == 2 and profile.is_boolean:
        return "boolean", ""
    if profile.times >= MIN_READ:
        return "date", ""
    if profile.numbers_with(decimal) >= MIN_READ and not profile.some.str.lower().isin(FREE).any():
        if profile.unique > MIN_READ and profile.some.str.fullmatch(r"\d+").all():
            return None, "numbers of rows"
        return "number", ""
    if repeats and profile.distinct <= MAX_CATEGORIES and profile.length <= MAX_CATEGORY_LENGTH:
        return "category", ""
    if profile.unique > 0.9 and profile.words < 1.5:
        return None, "codes"
    if profile.texts < 0.5:
        return None, "of no type"
    return ("text", "") if profile.length > 1 else (None, "codes")
