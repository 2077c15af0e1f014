"""Columns of typed values: numbers with units, truth values, coordinates."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import pandas as pd

from market.data.currencies import plain

# By unit, its quantity and its size. A column's values are converted to its commonest unit.
UNITS = {
    "mm": ("length", 0.001), "cm": ("length", 0.01), "m": ("length", 1), "km": ("length", 1000),
    "in": ("length", 0.0254), "inch": ("length", 0.0254), "inches": ("length", 0.0254),
    '"': ("length", 0.0254), "zoll": ("length", 0.0254), "ft": ("length", 0.3048),
    "mi": ("length", 1609.344), "miles": ("length", 1609.344),
    "mg": ("mass", 1e-6), "g": ("mass", 0.001), "kg": ("mass", 1), "t": ("mass", 1000),
    "oz": ("mass", 0.028349523125), "lb": ("mass", 0.45359237), "lbs": ("mass", 0.45359237),
    "ml": ("volume", 0.001), "cl": ("volume", 0.01), "l": ("volume", 1),
    "kb": ("bytes", 1e-6), "mb": ("bytes", 0.001), "gb": ("bytes", 1), "tb": ("bytes", 1000),
    "w": ("power", 1), "kw": ("power", 1000), "mw": ("power", 1e6),
    "m2": ("area", 1), "m²": ("area", 1), "qm": ("area", 1), "sqm": ("area", 1),
    "sqft": ("area", 0.09290304), "ft²": ("area", 0.09290304), "cc": ("displacement", 1),
    "ccm": ("displacement", 1), "cm³": ("displacement", 1),
}  # fmt: skip
TRUE = frozenset((
    "1", "true", "t", "yes", "y", "on", "x", "✓", "✔", "ja", "j", "wahr", "oui", "o", "vrai", "sí",
    "si", "s", "verdadero", "vero", "sim", "verdadeiro", "да", "tak", "ano", "evet", "kyllä",
    "igen", "da", "はい", "有", "あり", "是", "예", "네", "نعم", "כן",
))  # fmt: skip
FALSE = frozenset((
    "0", "false", "f", "no", "n", "off", "✗", "✘", "nein", "falsch", "non", "faux", "falso", "não",
    "nao", "нет", "nie", "ne", "hayır", "nej", "nei", "ei", "nem", "nu", "nee", "いいえ", "無",
    "なし", "否", "아니요", "لا", "לא",
))  # fmt: skip
LATITUDES, LONGITUDES = (-90.0, 90.0), (-180.0, 180.0)


class Values(NamedTuple):
    """Typed values (n,), missing where empty or unreadable, and why they are unreadable, or ""."""

    values: pd.Series
    faults: pd.Series
    unit: str = ""  # of numbers


def parse_numbers(texts: pd.Series, decimal: str) -> Values:
    """Parse numbers, each with or without a unit.

    Parameters
    ----------
    texts
        Such as "1.5 kg" (n,).
    decimal
        The decimal mark, "." or ",".

    Returns
    -------
    Values
        Floats, in the commonest unit of the column; a number without a unit is taken to be in it.
    """
    pattern = _number_pattern(decimal)
    known = texts.dropna().map(plain)
    parts = known.str.extract(pattern)
    digits = parts["whole"].str.replace(r"[^0-9]", "", regex=True)
    numbers = (parts["sign"].fillna("") + digits + "." + parts["fraction"].fillna("0")).astype(
        float
    )
    units = parts["unit"].fillna("").str.strip()
    named = units[numbers.notna() & units.ne("")]
    common = named.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    unit = str(common.index[0]) if len(common) else ""
    factors = units.map({name: _factor(name, unit) for name in {*units}})
    faults = pd.Series("", index=texts.index)
    faults[factors.index[factors.isna()]] = f"is not in {unit}"
    faults[numbers.index[numbers.isna()]] = "is not a number"
    return Values((numbers * factors).reindex(texts.index), faults, unit)


@lru_cache
def _number_pattern(decimal: str) -> str:
    other = re.escape("," if decimal == "." else ".")
    grouped = "|".join(
        rf"[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+" for mark in (other, "\u00a0", "'", " ")
    )
    return (
        r"^(?:(?:ca\.?|circa|about|approx\.?|~|≈|約|约) *)?(?P<sign>[-+])? *"
        rf"(?P<whole>{grouped}|[0-9]{{1,15}})(?:{re.escape(decimal)}(?P<fraction>[0-9]{{1,15}}))?"
        r"(?P<unit>[ \u00a0]*[^\W\d_][^\d]{0,19}[²³23]?|[ \u00a0]*[%°\"'€$£¥])?$"
    )


def _factor(unit: str, to: str) -> float:
    """Return the size of a unit in another one; NaN if it measures another quantity."""
    if unit in ("", to):
        return 1.0
    quantity, size = UNITS.get(unit, (unit, 1))
    other_quantity, other_size = UNITS.get(to, (to, 1))
    return size / other_size if quantity == other_quantity else float("nan")


def parse_booleans(texts: pd.Series) -> Values:
    """Parse truth values such as "yes", "0" and "nein" (n,), as nullable booleans."""
    words = texts.map(plain, na_action="ignore")
    values = pd.Series(pd.NA, index=texts.index, dtype="boolean")
    values[words.isin(TRUE)] = True
    values[words.isin(FALSE)] = False
    faults = pd.Series("", index=texts.index)
    faults[values.isna() & texts.notna()] = "is neither yes nor no"
    return Values(values, faults)


def parse_coordinates(texts: pd.Series, limits: tuple[float, float]) -> Values:
    """Parse degrees (n,), with a point or a comma, between two limits."""
    number = r"[-+]?[0-9]{1,3}(?:[.,][0-9]+)?"
    written = texts.map(plain, na_action="ignore").str.removesuffix("°")
    degrees = pd.to_numeric(
        written.where(written.str.fullmatch(number)).str.replace(",", "."), errors="coerce"
    ).astype(float)
    faults = pd.Series("", index=texts.index)
    faults[degrees.isna() & texts.notna()] = "is not a number of degrees"
    low, high = limits
    faults[degrees.lt(low) | degrees.gt(high)] = f"is not between {low:g} and {high:g}"
    return Values(degrees.where(faults.eq("")), faults)
