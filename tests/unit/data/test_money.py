"""Amounts of money in any currency and notation: read, refused, or in another currency."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from babel import Locale, localedata
from babel.core import get_global
from babel.numbers import format_currency, format_decimal, get_territory_currencies
from hypothesis import given, settings
from hypothesis import strategies as st

from market.data.currencies import currency_name
from market.data.money import Money

pytestmark = pytest.mark.slow


def amount(text: str, currency: str, decimal: str) -> float:
    return Money(currency, decimal).parse(pd.Series([text], dtype="str")).iloc[0]


def fault(text: str, currency: str, decimal: str) -> str:
    return Money(currency, decimal).faults(pd.Series([text], dtype="str")).iloc[0]


@pytest.mark.parametrize(
    ("text", "currency", "decimal", "expected"),
    [
        ("1.250,00 €", "EUR", ",", 1250),
        ("1.250", "EUR", ",", 1250),
        ("1 250 €", "EUR", ",", 1250),
        ("€ 5", "EUR", ",", 5),
        ("5,- €", "EUR", ",", 5),
        ("20 Euro VB", "EUR", ",", 20),
        ("EUR 20", "EUR", ",", 20),
        ("1 250 kr", "SEK", ",", 1250),
        ("1\u00a0250 kr", "SEK", ",", 1250),
        ("1\u202f250,50 kr", "SEK", ",", 1250.5),
        ("1250:-", "SEK", ",", 1250),
        ("250 kr/st", "SEK", ",", 250),
        ("1'250.–", "CHF", ".", 1250),
        ("CHF 1’250.50", "CHF", ".", 1250.5),
        ("$1.2k", "USD", ".", 1200),
        ("13.00 USD", "USD", ".", 13),
        ("US$ 5", "USD", ".", 5),
        ("US$5 obo", "USD", ".", 5),
        ("£5 each", "GBP", ".", 5),
        ("£20 ono", "GBP", ".", 20),
        ("¥12,000", "JPY", ".", 12000),
        ("12,000円", "JPY", ".", 12000),
        ("￥１２，０００", "JPY", ".", 12000),
        ("1万2千円", "JPY", ".", 12000),
        ("3万円", "JPY", ".", 30000),
        ("1.5万", "JPY", ".", 15000),
        ("₹1,25,000", "INR", ".", 125000),
        ("Rs. 2 lakh", "INR", ".", 200000),
        ("١٬٢٥٠٫٥٠ ج.م.", "EGP", ".", 1250.5),
        *((text, "EUR", ",", 0) for text in ("Free", "gratis", "kostenlos", "Zu verschenken!")),
        ("無料", "JPY", ".", 0),
    ],
)
def test_amounts_are_read_as_people_write_them(
    text: str, currency: str, decimal: str, expected: float
) -> None:
    assert amount(text, currency, decimal) == expected
    assert fault(text, currency, decimal) == ""


@pytest.mark.parametrize(
    ("text", "currency", "decimal", "expected"),
    [
        ("$20", "GBP", ".", "is not an amount in pounds, but in $"),
        ("20 USD", "GBP", ".", "is not an amount in pounds, but in USD"),
        ("20 euros", "GBP", ".", "is not an amount in pounds, but in euros"),
        ("A$5", "USD", ".", "is not an amount in US dollars, but in a$"),
        ("CHF 20", "EUR", ",", "is not an amount in euros, but in CHF"),
        ("€5", "JPY", ".", "is not an amount in Japanese yen, but in €"),
        ("1.234", "GBP", ".", "is not an amount in pounds"),
        ("£ 1.234", "GBP", ".", "is not an amount in pounds"),
        ("1,234", "EUR", ",", "is not an amount in euros"),
        ("12.50", "EUR", ",", "is not an amount in euros"),
        ("12,34,567", "GBP", ".", "is not an amount in pounds"),
        ("1 250", "GBP", ".", "is not an amount in pounds"),
        ("VB", "EUR", ",", "is not an amount in euros"),
        ("5 or 6 €", "EUR", ",", "is not an amount in euros"),
        ("-5 €", "EUR", ",", "is negative"),
        ("€-5", "EUR", ",", "is negative"),
    ],
)
def test_other_amounts_are_refused_with_the_reason(
    text: str, currency: str, decimal: str, expected: str
) -> None:
    assert fault(text, currency, decimal).lower() == expected.lower()
    assert not amount(text, currency, decimal) >= 0


def test_missing_amounts_are_no_faults() -> None:
    missing = pd.Series([None, "5"], dtype="str", index=[3, 7])
    assert Money("GBP", ".").faults(missing).to_dict() == {3: "", 7: ""}
    assert math.isnan(Money("GBP", ".").parse(missing)[3])


def _locales() -> list[tuple[str, str]]:
    """Return the locales that have a territory, each with its territory's present currency."""
    known = get_global("territory_currencies")
    found = []
    for name in localedata.locale_identifiers():
        territory = name.rpartition("_")[2]
        currencies = get_territory_currencies(territory) if territory in known else []
        if currencies:
            found.append((name, currencies[-1]))
    return found


LOCALES = _locales()


@given(st.sampled_from(LOCALES), st.integers(0, 10**9 - 1), st.booleans())
@settings(max_examples=400, deadline=None, derandomize=True, database=None)
def test_what_a_locale_writes_is_read(
    locale: tuple[str, str], hundredths: int, with_sign: bool
) -> None:
    name, currency = locale
    symbols = Locale.parse(name).number_symbols
    system = Locale.parse(name).default_numbering_system
    if system not in symbols or "decimal" not in symbols[system]:
        return
    decimal = "," if symbols[system]["decimal"] == "," else "."
    value, pattern = hundredths / 100, "#,##0.00"
    if with_sign:
        text = format_currency(value, currency, locale=name, currency_digits=False,
                               decimal_quantization=False, numbering_system="default")  # fmt: skip
    else:
        text = format_decimal(value, pattern, locale=name, numbering_system="default")
    assert amount(text, currency, decimal) == pytest.approx(value, abs=1e-9), (name, text)


@given(st.sampled_from(sorted({currency for _, currency in LOCALES})), st.integers(0, 10**8),
       st.sampled_from(".,"))  # fmt: skip
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_a_code_is_read_on_either_side(currency: str, whole: int, decimal: str) -> None:
    written = f"{whole}{decimal}50"
    for text in (f"{currency} {written}", f"{written} {currency}", f"{written}{currency.lower()}"):
        assert amount(text, currency, decimal) == whole + 0.5
    assert amount(Money(currency, decimal).write(whole), currency, decimal) == whole


def test_currencies_have_english_names() -> None:
    assert [currency_name(code) for code in ("GBP", "EUR", "SEK")] == [
        "pounds", "euros", "Swedish kronor",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("currency", "decimal", "text", "amounts"),
    [
        ("EUR", ",", "NP 250€, jetzt 1.250,50 EUR oder 2k €", [250, 1250.5, 2000]),
        ("EUR", ",", "€ 5 und 100 Euro; 5 kg, 1999er, 12,5 cm", [5, 100]),
        ("SEK", ",", "Nypris 2 500 kr, säljes 900kr. 5 kram", [2500, 900]),
        ("USD", ".", "Paid $1.2k, asking $800 or 750 USD", [1200, 800, 750]),
        ("JPY", ".", "定価3万円です。12,000円", [30000, 12000]),
        ("GBP", ".", "cost £1,200 new, 20 GBP, 10 pounds", [1200]),
    ],
)
def test_amounts_in_texts_are_those_of_the_currency(
    currency: str, decimal: str, text: str, amounts: list[float]
) -> None:
    found = Money(currency, decimal).in_texts(pd.Series(["", text], index=[4, 2]))
    assert found.tolist() == amounts
    assert set(found.index) == {2}
