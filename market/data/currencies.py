"""How a currency is written where it is used: signs, names, group marks (CLDR, by Babel)."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

from babel import Locale, localedata
from babel.core import get_global
from babel.numbers import get_territory_currencies

# Signs that CLDR does not have, but people write.
COLLOQUIAL = {
    "AED": ("dhs", "dh"), "CHF": ("fr.", "fr", "sfr.", "sfr"), "CNY": ("元", "块", "rmb"),
    "CZK": ("kc",), "DKK": ("kr.", "kr"), "IDR": ("rp", "rp."), "ILS": ("nis", "שח", 'ש"ח'),
    "INR": ("rs.", "rs", "₨"), "ISK": ("kr.", "kr"), "JPY": ("円",), "KRW": ("원",),
    "NOK": ("kr.", "kr"), "PHP": ("p",), "PKR": ("rs.", "rs", "₨"), "PLN": ("zl",),
    "RON": ("lei", "leu"), "RUB": ("руб.", "руб", "р."), "SEK": ("kr.", "kr"),
    "THB": ("บาท", "baht"), "TRY": ("tl",), "TWD": ("元", "nt"), "UAH": ("грн", "грн."),
    "VND": ("đ", "đồng", "vnđ"), "ZAR": ("r",),
}  # fmt: skip
# Where symbols of foreign currencies have their usual forms: "US$", "€", "JP¥".
REFERENCE_LOCALES = ("en", "en_001", "en_AU", "de", "fr")
# The second group from the right has two digits: 12,34,567.
INDIAN_GROUPS = frozenset({"BDT", "BTN", "INR", "LKR", "NPR", "PKR"})
# Amounts count in ten thousands.
TEN_THOUSANDS = frozenset({"CNY", "HKD", "JPY", "KRW", "TWD"})


class CurrencyForms(NamedTuple):
    """How a currency is written."""

    signs: frozenset[str]  # symbols and the code, in small letters, as `plain` returns them
    names: frozenset[str]  # such as "euros"
    sign_first: bool  # whether some locale writes the sign before the amount
    sign_last: bool  # whether some locale writes it after the amount
    groups: frozenset[str]  # marks between groups of digits
    indian_groups: bool
    ten_thousands: bool


def known_currencies() -> frozenset[str]:
    """Return the codes (ISO 4217) that Babel knows."""
    return frozenset(get_global("all_currencies"))


# Marks of other scripts and typographies, by their plain forms.
PLAIN_MARKS = str.maketrans(
    {
        **dict.fromkeys("\u00a0\u202f\u2007\u2009", "\u00a0"),  # spaces that join digits
        **dict.fromkeys("’‘ʼ´`′", "'"),
        **dict.fromkeys("−–—‒﹣－", "-"),
        **{"٫": ".", "٬": "\u00a0", "،": ",", "．": ".", "，": ",", "\u3000": " "},
        **{"￥": "¥", "＄": "$", "￡": "£", "￦": "₩"},
    }
)


def plain(text: str) -> str:
    """Return text in small letters, with digits of 0 to 9, without marks of direction.

    Spaces that join digits become U+00A0, and apostrophes, dashes and marks of other scripts the
    plain ones.
    """
    characters = []
    for character in text.translate(PLAIN_MARKS).lower():
        if character.isascii():
            characters.append(character)
        elif character.isdecimal():
            characters.append(str(unicodedata.decimal(character)))
        elif unicodedata.category(character) != "Cf":
            characters.append(character)
    return "".join(characters).strip()


@lru_cache
def currency_name(code: str) -> str:
    """Return a currency's English name in the plural, such as "euros"; British pounds: "pounds"."""
    return "pounds" if code == "GBP" else _name(Locale("en"), code)


def _name(locale: Locale, code: str) -> str:
    plurals = locale._data["currency_names_plural"]  # no public name lists all its forms
    names = plurals[code] if code in plurals else {}  # noqa: SIM401 (it has no `get`)
    return names["other"] if "other" in names else locale.currencies.get(code, code)


@lru_cache
def currency_words() -> dict[str, str]:
    """Return the name of each currency by the codes and English names it is written with."""
    words = {}
    for code in sorted(known_currencies()):
        for written in (code, _name(Locale("en"), code).rpartition(" ")[2]):
            words[written.lower()] = written
    return words


@lru_cache
def currency_forms(code: str) -> CurrencyForms:
    """Return how a currency is written, by the locales of the territories that use it."""
    territories = {
        territory
        for territory in get_global("territory_currencies")
        if code in get_territory_currencies(territory)
    }
    own = [
        name for name in localedata.locale_identifiers() if name.rpartition("_")[2] in territories
    ]
    signs = {code, *COLLOQUIAL.get(code, ())}
    names: set[str] = set()
    groups: set[str] = set()
    first = last = False
    for name in [*REFERENCE_LOCALES, *own]:
        locale = Locale.parse(name)
        signs.add(locale.currency_symbols.get(code, code))
        full = {_name(locale, code), locale.currencies.get(code, code)}
        names |= {part for text in full for part in (text, text.rpartition(" ")[2])}
        if name in own:
            pattern = plain(locale.currency_formats["standard"].pattern).partition(";")[0]
            first, last = first or pattern.startswith("¤"), last or pattern.endswith("¤")
            system = locale.number_symbols.get(locale.default_numbering_system, {})
            groups.add(plain(f"1{system.get('group') or ','}1")[1])
    # Arabic signs such as "د.إ." are often written without their last point.
    signs |= {sign for text in signs if len(sign := plain(text).removesuffix(".")) > 1}
    return CurrencyForms(
        frozenset(map(plain, signs)),
        frozenset(plain(text) for text in names if len(text) > 1),
        first or not last,
        last,
        frozenset(groups),
        code in INDIAN_GROUPS,
        code in TEN_THOUSANDS,
    )
