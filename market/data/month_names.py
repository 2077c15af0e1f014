"""Dates with the name of a month, such as "5 March 2024" and "Tue, 05 Mar 2024 10:30"."""

from __future__ import annotations

import re
from functools import lru_cache

import pandas as pd
from babel import Locale

# An abbreviation that means different months counts in the first of these (CLDR, by Babel).
LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "nb", "fi", "pl", "cs", "tr")
NAME = r"[^\W\d_]{2,12}"
WEEKDAY, CLOCK = rf"(?:{NAME}\.?,? )?", r"(?:,? (?:at |um |à |kl\.? )?(?P<clock>\d.*))?"
ORDINAL = r"(?:st|nd|rd|th|er|º|\.)?"
FORMS = (
    re.compile(
        rf"^{WEEKDAY}(?P<day>\d{{1,2}}){ORDINAL}[ -](?:de |of )?(?P<month>{NAME})\.?,?"
        rf"[ -](?:de |del )?(?P<year>\d{{4}}){CLOCK}$",
        re.IGNORECASE,
    ),
    re.compile(
        rf"^{WEEKDAY}(?P<month>{NAME})\.? (?P<day>\d{{1,2}}){ORDINAL},? (?P<year>\d{{4}}){CLOCK}$",
        re.IGNORECASE,
    ),
)


@lru_cache
def month_numbers() -> dict[str, int]:
    """Return the number, 1 to 12, of each name of a month, in small letters without a point."""
    numbers: dict[str, int] = {}
    for language in LANGUAGES:
        months = Locale(language).months
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for number, name in months[context][width].items():
                    numbers.setdefault(name.casefold().rstrip("."), number)
    return numbers | {"sept": 9}


def number_months(texts: pd.Series) -> pd.Series:
    """Return texts (n,) with dates such as 2024-03-05 in place of those with a month's name.

    Examples
    --------
    >>> number_months(pd.Series(["5 March 2024", "Tue, 05 Mar 2024 9:30 PM", "5 tables"])).tolist()
    ['2024-03-05', '2024-03-05 9:30 PM', '5 tables']
    """
    likely = texts.str.contains(r"^(?:[^\W\d_]{2}|[0-9]{1,2}\D{1,3}[^\W\d_])", regex=True).eq(True)
    if not likely.any():
        return texts
    numbered = texts.copy()
    for form in FORMS:
        parts = texts[likely].str.extract(form).dropna(subset="month")
        month = parts["month"].str.casefold().map(month_numbers())
        parts = parts[month.notna()]
        date = parts["year"] + "-" + month.dropna().astype(int).astype("str").str.zfill(2)
        date += "-" + parts["day"].str.zfill(2)
        numbered[parts.index] = date + (" " + parts["clock"]).fillna("")
    return numbered
