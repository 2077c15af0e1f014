"""The values of an export: currency, decimal mark, language, country, levels of categories."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from babel.numbers import get_territory_currencies

from market.data.inspection.categories import detect_category_separator
from market.data.inspection.country import detect_country
from market.data.inspection.finding import Finding
from market.data.inspection.language import detect_language
from market.data.inspection.prices import detect_decimal, possible_currencies
from market.data.inspection.tables import Table
from market.data.values import LATITUDES, LONGITUDES, parse_coordinates

DEFAULT_CURRENCY = "GBP"


@dataclass(frozen=True)
class Values:
    """The values of the keys of this name in section `input`, with their evidence."""

    currency: Finding[str]
    decimal: Finding[str]
    language: Finding[str]
    country: Finding[str]
    category_separator: Finding[str]


def detect_values(products: Table) -> Values:
    """Return the values of a table of listings.

    Currency and country help each other: the currencies that a sign may mean point to countries,
    and the country settles which of them it is.
    """
    price, location = products.profile("price"), products.profile("location")
    texts = _texts(products)
    codes = possible_currencies(price, products.unmatched)
    language = detect_language(texts)
    country = detect_country(
        location.known if location else pd.Series(dtype="str"),
        _coordinates(products),
        texts,
        codes.value,
        language.value,
    )
    return Values(
        _settle_currency(codes, country),
        detect_decimal(price.some if price else pd.Series(dtype="str"), country.value),
        language,
        country,
        detect_category_separator(products.profile("category")),
    )


def _coordinates(products: Table) -> pd.DataFrame:
    """Return latitude and longitude of the sampled listings, without rows if there are none."""
    pair = {name: products.profile(name) for name in ("latitude", "longitude")}
    degrees = {
        name: parse_coordinates(profile.values, LATITUDES if name == "latitude" else LONGITUDES)
        for name, profile in pair.items()
        if profile is not None
    }
    if len(degrees) < 2:
        return pd.DataFrame({"latitude": [], "longitude": []}, dtype=float)
    return pd.DataFrame({name: parsed.values for name, parsed in degrees.items()})


def _texts(products: Table) -> pd.Series:
    """Return name and description of each sampled listing that has either."""
    parts = [products.profile(name) for name in ("name", "description")]
    texts = pd.Series("", index=products.sample.index, dtype="str")
    for profile in parts:
        if profile is not None:
            texts = texts + profile.values.fillna("").astype("str") + "\n"
    return texts[texts.str.strip().ne("")]


def _settle_currency(codes: Finding[tuple[str, ...]], country: Finding[str]) -> Finding[str]:
    """Return the currency: of several that share a sign, the country's."""
    current = get_territory_currencies(country.value)
    own = current[-1] if current else DEFAULT_CURRENCY
    if len(codes.value) == 1:
        return Finding(codes.value[0], codes.share, codes.evidence)
    if own in codes.value:
        share = 0.9 if not country.is_guess else 0.5
        return Finding(own, share * codes.share, f"{codes.evidence}; {country.value} uses it")
    if codes.value:
        return Finding(codes.value[0], 0.4, codes.evidence)
    return Finding(own, 0.0 if country.is_guess else 0.5, codes.evidence)
