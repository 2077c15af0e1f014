"""The currency of prices, and their decimal mark."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

import pandas as pd
from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.numbers import get_territory_currencies

from market.data.currencies import COLLOQUIAL, known_currencies, plain
from market.data.inspection.finding import Finding, percent
from market.data.inspection.names import normalise
from market.data.inspection.profiles import Profile, is_amount

# Signs that several currencies share, the largest one first.
SHARED_SIGNS = {
    "$": "USD CAD AUD MXN BRL NZD SGD HKD TWD ARS CLP COP", "¥": "JPY CNY", "£": "GBP",
    "kr": "SEK NOK DKK ISK", "kr.": "DKK SEK NOK ISK", "rs": "INR PKR LKR NPR",
    "rs.": "INR PKR LKR NPR", "元": "CNY TWD", "r": "ZAR", "fr": "CHF", "fr.": "CHF",
}  # fmt: skip
# Signs that are written in their own country only, and that English texts replace by the code.
LOCAL_SIGNS = {
    "zł": "PLN", "kč": "CZK", "ft": "HUF", "lei": "RON", "лв": "BGN", "₺": "TRY", "tl": "TRY",
    "₽": "RUB", "₴": "UAH", "₸": "KZT", "₾": "GEL", "₱": "PHP", "฿": "THB", "₫": "VND", "₪": "ILS",
    "₩": "KRW", "₹": "INR", "rm": "MYR", "rp": "IDR", "s/": "PEN", "r$": "BRL", "дин": "RSD",
    "din": "RSD", "km": "BAM", "₦": "NGN", "₵": "GHS", "৳": "BDT", "﷼": "IRR", "ksh": "KES",
}  # fmt: skip
WORD = re.compile(r"[^\W\d_]*[^\w\s.,'\u00a0-]+|[^\W\d_]+\.?")
SPACED_THOUSANDS = re.compile(r"(?<!\d)\d{1,3}(?:[ \u00a0]\d{3})+(?!\d)")
NUMBER = re.compile(r"\d[\d.,]*\d")


def currency_signs(price: Profile) -> Counter[str]:
    """Return the number of prices with each sign, code or name that a currency may have."""
    known = _currencies_by_sign()
    counts: Counter[str] = Counter()
    for text in price.some[price.some.map(is_amount)]:
        words = {*WORD.findall(plain(text))}
        words |= {word.rstrip(".") for word in words}
        counts.update(word for word in words if word in known)
    return counts


def possible_currencies(price: Profile | None, other: list[Profile]) -> Finding[tuple[str, ...]]:
    """Return the currencies that prices may be in, the likeliest first.

    Parameters
    ----------
    price
        The column of prices.
    other
        All other columns: one of them may hold the code of the currency.
    """
    if price is None:
        return Finding((), 0.0, "no prices")
    known = _currencies_by_sign()
    signs = currency_signs(price)
    votes: Counter[tuple[str, ...]] = Counter()
    for sign, count in signs.items():
        votes[known[sign]] += count
    if votes:
        # An unambiguous sign, such as USD, settles a shared one, such as $.
        sole = Counter({codes[0]: count for codes, count in votes.items() if len(codes) == 1})
        shared = votes.most_common(1)[0][0]
        settled = [code for code, _ in sole.most_common() if code in shared]
        codes = (settled[0],) if settled else shared
        fitting = [sign for sign in signs if set(known[sign]) & set(codes)]
        share = sum(signs[sign] for sign in fitting) / sum(signs.values())
        shown = max(fitting, key=lambda sign: signs[sign])
        part = signs[shown] / max(1, len(price.some))
        return Finding(codes, share, f"{shown.upper()!r} in {percent(part)} of prices")
    for profile in other:
        values = profile.some.str.upper()
        if len(values) and values.isin(list(known_currencies())).mean() > 0.95:
            counts = values.value_counts()
            share = float(counts.iloc[0] / len(values))
            return Finding((str(counts.index[0]),), share, f"column {profile.name!r}")
    for word in normalise(price.name).split():
        if codes := known.get(word, ()):
            return Finding(codes, 1.0 if len(codes) == 1 else 0.5, f"column {price.name!r}")
    return Finding((), 0.0, "no sign in the prices")


@lru_cache
def _currencies_by_sign() -> dict[str, tuple[str, ...]]:
    """Return the currencies of each sign, code and English name."""
    current = {
        code
        for territory in get_global("territory_currencies")
        for code in get_territory_currencies(territory)
    }
    english = Locale("en")
    signs: dict[str, set[str]] = {}
    for code in current:
        name = english.currencies.get(code, code)
        texts = {code, english.currency_symbols.get(code, code), *COLLOQUIAL.get(code, ())}
        if code in ("EUR", "USD", "GBP"):
            texts |= {name.rpartition(" ")[2], name.rpartition(" ")[2] + "s"}
        for text in texts:
            signs.setdefault(plain(text), set()).add(code)
    codes_of_sign = {sign: tuple(sorted(codes)) for sign, codes in signs.items()}
    shared = {sign: tuple(codes.split()) for sign, codes in SHARED_SIGNS.items()}
    codes_of_sign |= shared | {plain(sign): (code,) for sign, code in LOCAL_SIGNS.items()}
    return codes_of_sign


def detect_decimal(prices: pd.Series, country: str) -> Finding[str]:
    """Return the decimal mark of prices.

    Parameters
    ----------
    prices
        Texts (n,), without missing ones.
    country
        Whose usual mark is returned if no price has one.
    """
    votes: Counter[str] = Counter()
    for text in prices:
        written = plain(text.replace("٬", ""))  # Arabic, between thousands beside either mark
        if SPACED_THOUSANDS.search(written):  # only beside a decimal comma: "1 250"
            votes[","] += 1
        for number in NUMBER.findall(written):
            if mark := _decimal_of(number):
                votes[mark] += 1
    if votes:
        (mark, count), total = votes.most_common(1)[0], sum(votes.values())
        return Finding(mark, count / total, f"in {count} of {total} prices with a mark")
    # Without a mark in any price, either reads them all alike.
    return Finding(_usual_decimal(country), 1.0, "no price has a mark")


def _usual_decimal(country: str) -> str:
    try:
        locale = Locale.parse(get_global("likely_subtags")[f"und_{country}"])
    except (UnknownLocaleError, ValueError, KeyError):
        return "."
    symbols = locale.number_symbols.get(locale.default_numbering_system, {})
    return "," if symbols.get("decimal") == "," else "."


def _decimal_of(number: str) -> str:
    """Return the decimal mark of a number; "" if it has no mark, or one that may mean either."""
    points, commas = number.count("."), number.count(",")
    if points and commas:
        return max(".,", key=number.rfind)
    mark = "." if points else ","
    if not points + commas:
        return ""
    other = "," if mark == "." else "."
    if points + commas > 1:  # between thousands
        return other
    decimals = len(number) - number.rfind(mark) - 1
    return other if decimals == 3 else mark
