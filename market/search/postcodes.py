"""Postcodes of a country, from an optional package of data: a location may be a postcode alone."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from importlib.util import find_spec
from typing import NamedTuple

import pandas as pd

# Its data is under the Open Database Licence, which asks those who pass on a database made from it
# to share that alike. So it is no part of the installation.
PACKAGE, DISTRIBUTION = "countrystatecity_postal_codes", "countrystatecity-postal-codes"


# Countries of which known postcodes of the largest towns were found where the towns are. Of others
# the package has no postcodes, or other numbers: Spain's are those of municipalities.
VERIFIED = frozenset((
    "AT", "AU", "BE", "CA", "CH", "CZ", "DE", "DK", "FI", "FR", "GB", "HU", "IN", "IT", "JP", "NL",
    "NO", "NZ", "PL", "PT", "SE", "US",
))  # fmt: skip


class Postcode(NamedTuple):
    """A postcode, or the beginning of postcodes, as `postcode_key` writes it, and its place."""

    code: str
    name: str  # of a town; "" if unknown
    region: str  # its code
    latitude: float  # degrees, NaN if unknown
    longitude: float


BETWEEN = re.compile(r"[\s\u2010-\u2015-]+")
COUNTRY_PREFIX = re.compile(r"^(?:[A-Z]{1,2}[-–](?=\d)|〒)")
BRACKETS = re.compile(r"\s*[(（].*|\s*,\s*NULL$")
JAPANESE_TOWN = re.compile(r".{2,}?市")
ALONE = re.compile(r"(?=.*\d)[A-Z\d]{2,10}", re.ASCII)
ZIP_WITH_ROUTE = re.compile(r"\d{5}-\d{4}", re.ASCII)
FIGURES_FIRST = re.compile(r"(\d{4})[A-Z]{2}", re.ASCII)
LETTERS_FIRST = re.compile(r"([A-Z]{1,2})\d[A-Z\d]?(?:\d[A-Z\d]{1,2})?", re.ASCII)


def postcode_key(text: str) -> str:
    """Return one spelling of a postcode.

    Examples
    --------
    >>> postcode_key("ls1 4ab"), postcode_key("D-10115"), postcode_key("〒150-0001")
    ('LS14AB', '10115', '1500001')
    """
    return BETWEEN.sub("", COUNTRY_PREFIX.sub("", text.strip().upper()))


def postcode_keys(text: str) -> list[str]:
    """Return the codes that a text which is a postcode alone may have in a table; else none.

    The whole one comes first, then its beginning: the part before the hyphen of 10001-1234, the
    figures of 1012 AB, the first three signs of M5V 2T6 and the letters of LS1 4AB.
    """
    key = postcode_key(text)
    if not ALONE.fullmatch(key):
        return []
    keys = [key]
    if ZIP_WITH_ROUTE.fullmatch(text.strip()):
        keys.append(key[:5])
    if match := FIGURES_FIRST.fullmatch(key):
        keys.append(match[1])
    if match := LETTERS_FIRST.fullmatch(key):
        keys += [key[:3], match[1]]
    return keys


def read_postcodes(country: str) -> pd.DataFrame:
    """Read the postcodes of a country, if the package is installed.

    Returns
    -------
    pd.DataFrame
        The fields of `Postcode`, a row for each code, sorted. Without rows if the package is not
        installed or the country is not in VERIFIED.
    """
    empty = pd.DataFrame({name: pd.Series(dtype="str") for name in Postcode._fields}).astype(
        {"latitude": float, "longitude": float}
    )
    if country not in VERIFIED or find_spec(PACKAGE) is None:
        return empty
    path = files(PACKAGE) / "data" / "by-country" / country / "postcodes.json"
    if not path.is_file():
        return empty
    rows = [
        (
            postcode_key(row["code"]),
            _town(row["localityName"] or ""),
            row["stateCode"] or "",
            row["latitude"],
            row["longitude"],
        )
        for row in json.loads(path.read_text(encoding="utf-8"))
    ]
    table = pd.DataFrame(rows, columns=[*Postcode._fields]).astype(empty.dtypes)
    # Of several places with one code the one with the most codes, which is the town.
    table["codes"] = table.groupby("name")["code"].transform("size")
    table = table.sort_values(["code", "codes", "name"], ascending=[True, False, True])
    return table.drop_duplicates("code", ignore_index=True).drop(columns="codes")


def _town(name: str) -> str:
    """Return the town of a place: Fukuoka of "福岡市中央区天神", as 中央区 is also in Tokyo."""
    name = BRACKETS.sub("", name)
    town = JAPANESE_TOWN.match(name)
    return town[0] if town else name
