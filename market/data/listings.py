"""Listings in clean, typed columns, the same for training and for new listings."""

from __future__ import annotations

import re

import pandas as pd

from market.core.settings import Input
from market.data.html_text import count_html, html_to_text
from market.data.money import Money
from market.data.personal_data import personal_data

# Every expression must take linear time on any text. So one that begins with a repetition must not
# start inside it (hence the lookbehinds): otherwise a megabyte of spaces would take hours.
MAX_CHARACTERS = 100_000  # of a text; the rest is cut

TEXT_COLUMNS = ("product_name", "product_description", "category", "location")

NAME_ENDING = re.compile(r"(?<!\s)\s*\|\s*in\s[^|]*\|\s*Gumtree\s*$")

_DATE = r"(?:\d{1,2}\.?\s[A-Z][a-z]+|[A-Z][a-z]+\s\d{1,2},?)\s\d{4}"
# "Posted by Ann in Garden & Patio, Ponds in Ambridge. 1 May 2021" names the category, which would
# leak the label. The form with a date comes first, as a town may contain a full stop (St. Ives).
BOILERPLATE = re.compile(
    rf"(?<!\s)\s*Posted by [^\r\n]{{1,60}}? in [^\r\n]{{1,160}}?\.\s*{_DATE}"
    r"|(?<!\s)\s*Posted by [^.\r\n]{1,60}?,? in [^.\r\n]{1,160}(?:\.|$)"
)

SLASH = " / "
# A slash with a space beside it separates the levels of a category path: "AC/DC" is one level. A
# run of slashes separates as one slash does, and a slash at either end separates nothing.
BETWEEN_LEVELS = re.compile(r" /[/ ]*|/ [/ ]*|//[/ ]*|^/|/$")

SEQUENCE = re.compile(r"1234|12345\d*|123{3,}|(\d)\1{4,}")  # 1234567, 12345, 1233333; 11111 and up


def clean_name(name: pd.Series) -> pd.Series:
    """Remove HTML and the ending "| in Town, County | Gumtree"; a missing name becomes ""."""
    name = name.fillna("").str.slice(0, MAX_CHARACTERS)
    name = html_to_text(name, keep_entities=is_original(name))
    return name.str.replace(NAME_ENDING, "", regex=True).pipe(squeeze)


def clean_description(
    description: pd.Series, name: pd.Series | None = None, *, country: str = "GB"
) -> pd.Series:
    """Remove HTML and boilerplate that names the category, mask personal data, make \\r a line end.

    Parameters
    ----------
    description
        (n,) as in the raw table; a missing one becomes "".
    name
        (n,) as in the raw table. Boilerplate is removed only in listings of the original
        marketplace: elsewhere "Posted by" may begin any sentence.
    country
        ISO 3166 code, whose telephone numbers and postcodes are masked.
    """
    text = description.fillna("").str.slice(0, MAX_CHARACTERS)
    original = None if name is None else is_original(name)
    text = html_to_text(text, keep_entities=original)
    if original is not None:
        text = text.where(~original, text.str.replace(BOILERPLATE, " ", regex=True))
    return squeeze(personal_data(country).mask(text))


def is_original(name: pd.Series) -> pd.Series:
    """Return whether each name (n,) has the ending of the original marketplace.

    Its texts are no HTML: an entity in one, which its website wrote, is left as it is.
    """
    return name.str.contains(NAME_ENDING).eq(True)


def squeeze(text: pd.Series) -> pd.Series:
    """Return texts with single spaces, and \\n between lines."""
    text = text.str.replace(r"(?<!\s)\s*[\r\n]\s*", "\n", regex=True)
    return text.str.replace(r"[^\S\n]+", " ", regex=True).str.strip()


def split_category(path: str, separator: str = SLASH) -> list[str]:
    """Return the levels of a category path, the widest first, in their letter case.

    Spaces around any other separator than " / " do not matter; "/" also splits "Women/Shoes".
    """
    path = " ".join(path.split())
    if separator == SLASH:
        return [level for level in BETWEEN_LEVELS.split(path) if level]
    return [level for part in path.split(separator.strip() or separator) if (level := part.strip())]


def is_placeholder(price: pd.Series, above: float) -> pd.Series:
    """Return whether each price is a placeholder: 0, above `above`, 12345… or 11111…"""
    digits = price.map("{:.0f}".format).astype("str")
    return price.eq(0) | price.gt(above) | digits.str.fullmatch(SEQUENCE)


def html_counts(rows: pd.DataFrame) -> dict[str, int]:
    """Return how many texts of each column have HTML, which `clean_products` removes.

    Parameters
    ----------
    rows
        As for `clean_products`. Columns without HTML are not among the result.
    """
    absent = pd.Series(pd.NA, index=rows.index, dtype="str")
    original = is_original(rows.get("product_name", absent))
    names = [name for name in TEXT_COLUMNS if name in rows]
    counts = {name: count_html(rows[name], keep_entities=original) for name in names}
    return {name: count for name, count in counts.items() if count}


def clean_products(
    rows: pd.DataFrame, *, placeholder_above: float, settings: Input
) -> pd.DataFrame:
    """Turn rows of the table of listings into typed columns.

    Parameters
    ----------
    rows
        Rows (n) that satisfy `schemas.products_schema`.
    placeholder_above
        Amount of the currency, above which a price is a placeholder.
    settings
        How prices and categories are written, and the country of telephone numbers and postcodes.

    Returns
    -------
    pd.DataFrame
        A row for each, in the same order: product_id, name, description, location, town and county
        (str, "" where missing); category (the first level) and category_levels (the list of all
        levels), both missing without a category; price (float, missing where it is not a valid
        amount of the currency) and price_is_placeholder (bool).
    """

    def column(name: str) -> pd.Series:
        return rows.get(name, pd.Series(pd.NA, index=rows.index, dtype="str"))

    original = is_original(column("product_name"))

    separator = settings.category_separator
    levels = html_to_text(column("category"), keep_entities=original).map(
        lambda path: split_category(path, separator), na_action="ignore"
    )
    levels = levels.where(levels.astype(bool), pd.NA).astype(object)
    price = Money.of(settings).parse(column("price"))
    price = price.where(price.ge(0))
    location = html_to_text(column("location"), keep_entities=original).fillna("")
    # "Wokingham, Berkshire" has both; "Swansea" is its own county.
    town = location.str.replace(r",.*", "", regex=True)
    county = location.str.replace(r"^[^,]*,?", "", regex=True)
    return pd.DataFrame(
        {
            "product_id": rows["id"],
            "name": clean_name(column("product_name")),
            "description": clean_description(
                column("product_description"), column("product_name"), country=settings.country
            ),
            "location": location,
            "town": town.str.strip(),
            "county": county.str.strip(),
            "category": levels.str[0].astype("str"),
            "category_levels": levels,
            "price": price,
            "price_is_placeholder": is_placeholder(price, placeholder_above),
        }
    )
