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

# An amount in pounds, and in nothing else: "123,45", "1.234,56" and "12,34,567" are no amounts, and
# neither is "1.234", which some call a thousand. ASCII digits only, and not so many that a float
# has no end.
AMOUNT = re.compile(
    r"\s*£?\s*(-?(?:[0-9]{1,3}(?:,[0-9]{3}){1,3}|[0-9]{1,12})(?:\.[0-9]{1,12})?)\s*"
)
THOUSANDS_BY_DOT = re.compile(r"\D*[1-9][0-9]{0,2}\.[0-9]{3}\s*")

# Levels of a category path are parted by a slash with a space at its side: "AC/DC" is one level.
# A run of slashes parts no more than one, and one at the path's end parts nothing.
BETWEEN_LEVELS = re.compile(r" /[/ ]*|/ [/ ]*|//[/ ]*|^/|/$")

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
    """Return pounds as float; NaN where the text is missing or not an amount in pounds."""
    text = price.astype("str")
    amount = text.str.fullmatch(AMOUNT) & ~text.str.fullmatch(THOUSANDS_BY_DOT)
    digits = text.where(amount.fillna(False).astype(bool)).str.replace(r"[£,\s]", "", regex=True)
    return pd.to_numeric(digits, errors="coerce").astype(float)


def price_faults(rows: pd.DataFrame) -> pd.Series:
    """Return why the price of each row of Products.csv cannot be used; "" where it can be.

    A missing price is no fault here.
    """
    faults = pd.Series("", index=rows.index)
    if "price" in rows:
        pounds = parse_price(rows["price"])
        faults[pounds.lt(0)] = "price is negative"
        faults[pounds.isna() & rows["price"].notna()] = "price is not an amount in pounds"
    return faults


def listing_faults(rows: pd.DataFrame) -> pd.Series:
    """Return why nothing can be learned from each row of Products.csv; "" where it can be.

    Its price, or a category of slashes alone; a missing field is no fault here.
    """
    faults = price_faults(rows)
    if "category" in rows:
        written = rows["category"].dropna()
        nothing = ~written.map(split_category).astype(bool)
        faults[written.index[nothing]] = "category is missing"
    return faults


def split_category(path: str) -> list[str]:
    """Return the levels of a category path, from the widest; letter case is kept."""
    return [level for level in BETWEEN_LEVELS.split(" ".join(path.split())) if level]


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
    price: pounds, float (missing where it is not read); price_is_placeholder: bool.
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
            "description": clean_description(column("product_description")),
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
