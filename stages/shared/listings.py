"""A listing's fields in clean, typed columns, the same for `clean` and for `predict`."""

from __future__ import annotations

import re

import pandas as pd

# The expressions must take time in proportion to any text: so one that begins with any number of
# something does not begin within it (the lookbehinds), or a megabyte of spaces would take hours.
MOST_CHARACTERS = 100_000  # of a text that is read

NAME_ENDING = re.compile(r"(?<!\s)\s*\|\s*in\s[^|]*\|\s*Gumtree\s*$")

_DATE = r"(?:\d{1,2}\.?\s[A-Z][a-z]+|[A-Z][a-z]+\s\d{1,2},?)\s\d{4}"
# "Posted by Ann in Garden & Patio, Ponds in Ambridge. 1 May 2021": it names the category, so
# leaving it in gives the label away. The dated form first: a town may hold a full stop (St. Ives).
BOILERPLATE = re.compile(
    rf"(?<!\s)\s*Posted by [^\r\n]{{1,60}}? in [^\r\n]{{1,160}}?\.\s*{_DATE}"
    r"|(?<!\s)\s*Posted by [^.\r\n]{1,60}?,? in [^.\r\n]{1,160}(?:\.|$)"
)

# Personal data, replaced by a word rather than cut, so that its presence stays a signal.
# phonenumbers (libphonenumber) found 227 of the real descriptions where this finds 311: it wants
# word boundaries and conventional groups, and sellers write "Call07…" and "0 7 7 0 0 …".
PHONE = re.compile(r"(?<![\d£])(?:(?:\+|00)\s?44|\(?0)(?:[\s().-]{0,3}\d){9,10}(?!\d)")
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
POSTCODE = re.compile(r"(?<![A-Z])[A-Z]{1,2}\d[A-Z\d]?\s?\d[ABD-HJLNP-UW-Z]{2}(?![A-Z])")

SEQUENCE = re.compile(r"1234|12345\d*|123{3,}|(\d)\1{4,}")  # 1234567, 12345, 1233333; 11111 and up


def clean_name(name: pd.Series) -> pd.Series:
    """Cut the ending "| in Town, County | Gumtree"; a missing name becomes ""."""
    name = name.fillna("").str.slice(0, MOST_CHARACTERS)
    return name.str.replace(NAME_ENDING, "", regex=True).pipe(_squeeze)


def clean_description(description: pd.Series) -> pd.Series:
    """Cut the boilerplate that names the category, mask personal data, make \\r a line end."""
    text = (
        description.fillna("")
        .str.slice(0, MOST_CHARACTERS)
        .str.replace(BOILERPLATE, " ", regex=True)
    )
    for word, pattern in {
        "email": EMAIL,
        "link": LINK,
        "phone": PHONE,
        "postcode": POSTCODE,
    }.items():
        text = text.str.replace(pattern, f" [{word}] ", regex=True)
    return _squeeze(text)


def _squeeze(text: pd.Series) -> pd.Series:
    text = text.str.replace(r"(?<!\s)\s*[\r\n]\s*", "\n", regex=True)
    return text.str.replace(r"[^\S\n]+", " ", regex=True).str.strip()


def parse_price(price: pd.Series) -> pd.Series:
    """Pounds as float; NaN where the text is missing or not an amount."""
    digits = price.astype("str").str.replace(r"[£,\s]", "", regex=True)
    pounds = pd.to_numeric(digits, errors="coerce").astype(float)
    return pounds.where(pounds.abs().lt(float("inf")))


def is_placeholder(price: pd.Series, above: float) -> pd.Series:
    """True for prices nobody asks: 0, over `above` pounds, 12345…, or one digit five times."""
    digits = price.map("{:.0f}".format).astype("str")
    return price.eq(0) | price.gt(above) | digits.str.fullmatch(SEQUENCE)


def has_price_to_learn(products: pd.DataFrame) -> pd.Series:
    """True for prices that are meant: no placeholders, but £0, as some listings are gifts."""
    price = products["price"]
    return price.notna() & (~products["price_is_placeholder"] | price.eq(0))


def clean_products(rows: pd.DataFrame, *, placeholder_above: float) -> pd.DataFrame:
    """Turn checked rows of Products.csv into typed columns, one row each, in the same order.

    product_id, name, description, location, town, county: str ("" where missing or absent);
    category: the first level, category_levels: list of all levels (both missing where unlabelled);
    price: pounds, float; price_is_placeholder: bool.
    """

    def column(name: str) -> pd.Series:
        return rows.get(name, pd.Series(pd.NA, index=rows.index, dtype="str"))

    category, price = column("category"), parse_price(column("price"))
    location = column("location").fillna("")
    # "Wokingham, Berkshire" has both; "Swansea" is its own county.
    town = location.str.replace(r",.*", "", regex=True)
    county = location.str.replace(r"^[^,]*,?", "", regex=True)
    return pd.DataFrame(
        {
            "product_id": rows["id"],
            "name": clean_name(column("product_name")),
            "description": clean_description(column("product_description")),
            "location": location,
            "town": town.str.strip(),
            "county": county.str.strip(),
            "category": category.str.replace(r"(?s)(?<!\s)\s+/\s.*", "", regex=True),
            "category_levels": category.str.split(r"(?<!\s)\s+/\s+", regex=True),
            "price": price,
            "price_is_placeholder": is_placeholder(price, placeholder_above),
        }
    )
