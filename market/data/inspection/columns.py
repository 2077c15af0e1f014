"""The field that each column of a table is: by its name, if its values agree, or by its values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from market.data.ids import LONGEST_ID
from market.data.inspection.names import match_name, normalise
from market.data.inspection.profiles import Profile
from market.data.values import LATITUDES, LONGITUDES

MIN_SCORE = 0.2  # a lower one is no match
CLOSE = 0.13  # columns whose scores differ by less fit a field about equally
GUESS = 0.5  # a lower score is a guess
MAX_STATUSES = 12


@dataclass(frozen=True)
class ColumnMatch:
    """The column of a field.

    Attributes
    ----------
    column
        As the file has it.
    score
        How well it fits, 0 to 1.
    others
        Columns that fit about as well and are not used otherwise.
    """

    column: str
    score: float
    others: tuple[str, ...] = ()

    @property
    def is_guess(self) -> bool:
        """Whether it was recognised by little more than its values, or others fit as well."""
        return self.score < GUESS or bool(self.others)


def match_columns(
    profiles: list[Profile],
    names: Mapping[str, str],
    checks: Mapping[str, Callable[[Profile], float]],
    values_only: Mapping[str, Callable[[Profile], float]],
) -> dict[str, ColumnMatch]:
    """Return the column of each field that has one.

    Parameters
    ----------
    profiles
        The columns.
    names
        The names of each field (`names.LISTING_NAMES`).
    checks
        By field, how well the values of a column suit it, 0 to 1; 0 excludes the column.
    values_only
        By field, the score of a column whose name says nothing.
    """
    fields = [*names]
    scores = np.zeros((len(fields), len(profiles)))
    for row, field in enumerate(fields):
        for column, profile in enumerate(profiles):
            by_name = match_name(profile.name, names[field]).score
            by_values = values_only[field](profile) if field in values_only else 0.0
            likely = max(by_name, by_values) if profile.filled else 0.0
            # The checks take time: only of columns that may be the field.
            scores[row, column] = likely and likely * _weight(checks[field](profile))
    if not scores.size:
        return {}
    pairs = [
        (row, column)
        for row, column in zip(*linear_sum_assignment(scores, maximize=True), strict=True)
        if scores[row, column] >= MIN_SCORE
    ]
    used = {column for _, column in pairs}
    return {
        fields[row]: ColumnMatch(
            profiles[column].name,
            float(scores[row, column]),
            tuple(
                profile.name
                for other, profile in enumerate(profiles)
                if other not in used
                and scores[row, other] > scores[row, column] - CLOSE
                and not _is_settled(fields[row], profiles[column])
            ),
        )
        for row, column in pairs
    }


def _is_settled(field: str, profile: Profile) -> bool:
    """Return whether no other column is worth a question: beside an id, there are often codes."""
    return field == "id" and normalise(profile.name) == "id" and profile.unique == 1


def _weight(suits: float) -> float:
    return 0.5 + 0.5 * suits if suits else 0.0


# --- Whether values suit a field ------------------------------------------------------------------
def suits_id(profile: Profile) -> float:
    """Return how well values identify rows."""
    if profile.filled < 0.5 or profile.length > LONGEST_ID or profile.words > 4:
        return 0.0
    if profile.unique < 0.3:
        return 0.0
    return profile.unique if profile.unique > 0.9 else profile.unique / 2


def suits_text(profile: Profile) -> float:
    """Return how well values are texts for people."""
    if profile.texts < 0.4 or profile.photos > 0.5 or profile.times > 0.5 or profile.numbers > 0.5:
        return 0.0
    return profile.texts


def suits_name(profile: Profile) -> float:
    """Return how well values are names of listings."""
    if profile.length > 300 or profile.length < 2:
        return 0.0
    return suits_text(profile) * min(1.0, 0.4 + profile.unique)


def suits_category(profile: Profile) -> float:
    """Return how well values are categories: they repeat."""
    if profile.length > 200 or profile.photos > 0.5 or profile.times > 0.5:
        return 0.0
    repeats = 1 - max(0.0, profile.unique - 0.5)
    return repeats * (1.0 if profile.texts > 0.5 else 0.3)


def suits_price(profile: Profile) -> float:
    """Return how well values are amounts of money."""
    return profile.amounts if profile.amounts >= 0.4 and profile.times < 0.9 else 0.0


def suits_location(profile: Profile) -> float:
    """Return how well values are places."""
    if profile.length > 150 or profile.photos > 0.5 or profile.times > 0.5:
        return 0.0
    return 1.0 if profile.texts > 0.5 else 0.4


def suits_status(profile: Profile) -> float:
    """Return how well values are states of a listing: few different ones."""
    return 1.0 if profile.distinct <= MAX_STATUSES and profile.length < 40 else 0.0


def suits_seller(profile: Profile) -> float:
    """Return how well values name sellers."""
    return 1.0 if profile.length < 100 and profile.photos < 0.5 and profile.words < 6 else 0.0


def _suits_time(profile: Profile) -> float:
    # Also times that cannot be read, so that the report can say so.
    looks_so = profile.some.str.contains(r"\d.*[-/.:年 ].*\d", regex=True).mean()
    return max(profile.times, 0.5 * float(looks_so))


LISTING_CHECKS: dict[str, Callable[[Profile], float]] = {
    "id": suits_id,
    "name": suits_name,
    "description": suits_text,
    "category": suits_category,
    "price": suits_price,
    "location": suits_location,
    "latitude": lambda profile: profile.degrees(LATITUDES),
    "longitude": lambda profile: profile.degrees(LONGITUDES),
    "created": _suits_time,
    "status": suits_status,
    "seller_id": suits_seller,
}


# --- Scores of columns whose names say nothing ----------------------------------------------------
def _seems_id(profile: Profile) -> float:
    is_code = profile.unique == 1 and profile.words <= 1 and profile.times < 0.9
    if profile.position or not is_code or profile.photos > 0.5:
        return 0.0
    return 0.6 if normalise(profile.name).endswith(" id") else 0.3


def _seems_name(profile: Profile) -> float:
    return 0.3 if profile.unique > 0.6 and 1.5 < profile.words < 20 else 0.0


def _seems_description(profile: Profile) -> float:
    return min(0.45, 0.3 + profile.length / 2000) if profile.length > 60 else 0.0


def _seems_price(profile: Profile) -> float:
    signs = profile.some.str.contains(r"[$€£¥￥₹₽₩円元]|\bkr\b|\bzł\b", regex=True).mean()
    return 0.4 if signs > 0.3 else 0.0


def _seems_category(profile: Profile) -> float:
    paths = profile.some.str.contains(r"[^\W\d_]\s*(?:[>＞»|]| / )\s*[^\W\d_]", regex=True).mean()
    return 0.35 if paths > 0.3 and profile.unique < 0.6 and profile.length < 150 else 0.0


SEEMS_LISTING: dict[str, Callable[[Profile], float]] = {
    "id": _seems_id,
    "name": _seems_name,
    "description": _seems_description,
    "price": _seems_price,
    "category": _seems_category,
}


# --- Tables that refer to listings ----------------------------------------------------------------
def reference_checks(ids: frozenset[str], fields: Mapping[str, str]) -> dict[str, Callable]:
    """Return the checks of the fields of a table whose rows refer to listings.

    Parameters
    ----------
    ids
        The ids of the listings that are known, or of some of them.
    fields
        `names.IMAGE_NAMES` or `names.EVENT_NAMES`.
    """

    def refers(profile: Profile) -> float:
        return float(profile.some.isin(ids).mean()) if len(profile.some) else 0.0

    checks: dict[str, Callable[[Profile], float]] = {
        "product_id": lambda profile: max(refers(profile), 0.2),
        "timestamp": _suits_time,
        "create_time": _suits_time,
        "event": lambda profile: 1.0 if profile.distinct <= 40 else 0.0,
        "user_id": lambda profile: 1 - refers(profile),
        "id": lambda profile: suits_id(profile) * (1 - refers(profile)),
        "image_ref": lambda profile: max(profile.photos, 0.2) * (1 - refers(profile)),
    }
    return {field: checks[field] for field in fields}


def seems_reference(ids: frozenset[str]) -> dict[str, Callable[[Profile], float]]:
    """Return the scores, by field, of columns of such a table whose names say nothing."""
    return {
        "product_id": lambda profile: 0.6 * float(profile.some.isin(ids).mean()),
        "image_ref": lambda profile: 0.5 * profile.photos,
        "timestamp": lambda profile: 0.4 if profile.times > 0.9 else 0.0,
    }
