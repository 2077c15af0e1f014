"""Listings in clean, typed columns, the same for training and for new listings."""

from __future__ import annotations

import re

import pandas as pd

from market.data.personal_data import personal_data

# Every expression must take linear time on any text. So one that begins with a repetition must not
# start inside it (hence the lookbehinds): otherwise a megabyte of spaces would take hours.
MAX_CHARACTERS = 100_000  # of a text; the rest is cut

NAME_ENDING = re.compile(r"(?<!\s)\s*\|\s*in\s[^|]*\|\s*Gumtree\s*$")

_DATE = r"(?:\d{1,2}\.?\s[A-Z][a-z]+|[A-Z][a-z]+\s\d{1,2},?)\s\d{4}"
# "Posted by Ann in Garden & Patio, Ponds in Ambridge. 1 May 2021" names the category, which would
# leak the label. The form with a date comes first, as a town may contain a full stop (St. Ives).
BOILERPLATE = re.compile(
    rf"(?<!\s)\s*Posted by [^\r\n]{{1,60}}? in [^\r\n]{{1,160}}?\.\s*{_DATE}"
    r"|(?<!\s)\s*Posted by [^.\r\n]{1,60}?,? in [^.\r\n]{1,160}(?:\.|$)"
)

# An amount in pounds in British notation. Rejected are "123,45", "1.234,56", "12,34,567", and
# "1.234", which means a thousand elsewhere. Only ASCII digits, and few enough for a finite float.
AMOUNT = re.compile(
    r"\s*£?\s*(-?(?:[0-9]{1,3}(?:,[0-9]{3}){1,3}|[0-9]{1,12})(?:\.[0-9]{1,12})?)\s*"
)
THOUSANDS_BY_DOT = re.compile(r"\D*[1-9][0-9]{0,2}\.[0-9]{3}\s*")

# A slash with a space beside it separates the levels of a category path: "AC/DC" is one level. A
# run of slashes separates as one slash does, and a slash at either end separates nothing.
BETWEEN_LEVELS = re.compile(r" /[/ ]*|/ [/ ]*|//[/ ]*|^/|/$")

SEQUENCE = re.compile(r"1234|12345\d*|123{3,}|(\d)\1{4,}")  # 1234567, 12345, 1233333; 11111 and up


def clean_name(name: pd.Series) -> pd.Series:
    """Remove the ending "| in Town, County | Gumtree"; a missing name becomes ""."""
    name = name.fillna("").str.slice(0, MAX_CHARACTERS)
    return name.str.replace(NAME_ENDING, "", regex=True).pipe(_squeeze)


def clean_description(
    description: pd.Series, name: pd.Series | None = None, *, country: str = "GB"
) -> pd.Series:
    """Remove boilerplate that names the category, mask personal data, make \\r a line end.

    Parameters
    ----------
    description
        (n,) as in the raw table; a missing one becomes "".
    name
        (n,) as in the raw table. Boilerplate is removed only beside a name with the ending of the
        original marketplace: elsewhere "Posted by" may begin any sentence.
    country
        ISO 3166 code, whose telephone numbers and postcodes are masked.
    """
    text = description.fillna("").str.slice(0, MAX_CHARACTERS)
    if name is not None:
        original = name.fillna("").str.contains(NAME_ENDING)
        text = text.where(~original, text.str.replace(BOILERPLATE, " ", regex=True))
    return _squeeze(personal_data(country).mask(text))


def _squeeze(text: pd.Series) -> pd.Series:
    text = text.str.replace(r"(?<!\s)\s*[\r\n]\s*", "\n", regex=True)
    return text.str.replace(r"[^\S\n]+", " ", regex=True).str.strip()


def parse_price(price: pd.Series) -> pd.Series:
    """Return prices in pounds, float; NaN where the text is missing or not an amount in pounds."""
    text = price.astype("str")
    amount = text.str.fullmatch(AMOUNT) & ~text.str.fullmatch(THOUSANDS_BY_DOT)
    digits = text.where(amount.fillna(False).astype(bool)).str.replace(r"[£,\s]", "", regex=True)
    return pd.to_numeric(digits, errors="coerce").astype(float)


def price_faults(rows: pd.DataFrame) -> pd.Series:
    """Return why the price of each row of Products.csv cannot be used, or "".

    A missing price is not a fault here.
    """
    faults = pd.Series("", index=rows.index)
    if "price" in rows:
        pounds = parse_price(rows["price"])
        faults[pounds.lt(0)] = "price is negative"
        faults[pounds.isna() & rows["price"].notna()] = "price is not an amount in pounds"
    return faults


def listing_faults(rows: pd.DataFrame) -> pd.Series:
    """Return why a model cannot learn from each row of Products.csv, or "".

    A price that cannot be read is a fault, and so is a category without a level. A missing field is
    not: the schema reports it.
    """
    faults = price_faults(rows)
    if "category" in rows:
        written = rows["category"].dropna()
        empty = ~written.map(split_category).astype(bool)
        faults[written.index[empty]] = "category is missing"
    return faults


def split_category(path: str) -> list[str]:
    """Return the levels of a category path, the widest first, in their letter case."""
    return [level for level in BETWEEN_LEVELS.split(" ".join(path.split())) if level]


def is_placeholder(price: pd.Series, above: float) -> pd.Series:
    """Return whether each price is a placeholder: 0, above `above` pounds, 12345… or 11111…"""
    digits = price.map("{:.0f}".format).astype("str")
    return price.eq(0) | price.gt(above) | digits.str.fullmatch(SEQUENCE)


def has_price_to_learn(products: pd.DataFrame) -> pd.Series:
    """Return whether a model can learn each price: no placeholder, or £0 (some are gifts)."""
    price = products["price"]
    return price.notna() & (~products["price_is_placeholder"] | price.eq(0))


def clean_products(
    rows: pd.DataFrame, *, placeholder_above: float, country: str = "GB"
) -> pd.DataFrame:
    """Turn rows of Products.csv into typed columns.

    Parameters
    ----------
    rows
        Rows (n) that satisfy `schemas.products_schema`.
    placeholder_above
        Pounds, above which a price is a placeholder.
    country
        ISO 3166 code of the listings' country, for telephone numbers and postcodes.

    Returns
    -------
    pd.DataFrame
        A row for each, in the same order: product_id, name, description, location, town and county
        (str, "" where missing); category (the first level) and category_levels (the list of all
        levels), both missing without a category; price (pounds, float, missing where it is not a
        valid amount) and price_is_placeholder (bool).
    """

    def column(name: str) -> pd.Series:
        return rows.get(name, pd.Series(pd.NA, index=rows.index, dtype="str"))

    levels = column("category").map(split_category, na_action="ignore")
    levels = levels.where(levels.astype(bool), pd.NA).astype(object)
    price = parse_price(column("price"))
    price = price.where(price.ge(0))
    location = column("location").fillna("")
    # "Wokingham, Berkshire" has both; "Swansea" is its own county.
    town = location.str.replace(r",.*", "", regex=True)
    county = location.str.replace(r"^[^,]*,?", "", regex=True)
    return pd.DataFrame(
        {
            "product_id": rows["id"],
            "name": clean_name(column("product_name")),
            "description": clean_description(
                column("product_description"), column("product_name"), country=country
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


def listing_text(products: pd.DataFrame) -> pd.Series:
    """Return the text (n,) of each listing: its name, a line end, and its description.

    Parameters
    ----------
    products
        With the columns name and description, both without missing values.

    Returns
    -------
    pd.Series
        By the index of `products`; "" for a listing with neither.
    """
    text = products["name"] + "\n" + products["description"]
    return text.where(text != "\n", "")
