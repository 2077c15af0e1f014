"""Prices in the words of a query: "sofa under £100" is a sofa with a highest price of 100."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import pandas as pd
from babel import Locale, UnknownLocaleError

from market.core.formats import Formats
from market.data.currencies import PLAIN_MARKS, currency_forms, plain
from market.data.money import MULTIPLIERS, Money
from market.data.words import UNSPACED, UNSPACED_SIGNS
from market.search.price_words import PRICE_WORDS, SIGNS, PriceWords

YEARS = range(1900, 2101)  # a bare range within them is one of years
MIN_BARE_RANGE = 10  # "lego 4-7" is an age
_NUMBER = r"\d+(?:[.,'\u00a0]\d+)*(?:[万萬만千천](?:\d+[千천]?)*)?"
_SPACED_NUMBER = r"\d{1,3}(?: \d{3})+(?!\d)"  # "1 250", where the point is no decimal mark
_GAP = r"[ \u00a0]*"


@dataclass(frozen=True)
class PricePhrase:
    """A query without its price phrase, and the prices that the phrase states.

    Attributes
    ----------
    text
        The rest of the query.
    minimum, maximum
        In the currency of the listings; None if the phrase states none.
    """

    text: str
    minimum: float | None
    maximum: float | None


class PricePhraseReader:
    """Finds prices in queries, in one language and one currency.

    An amount with a sign or name of the currency is a price after any of the words. A bare number
    is one only at the end of the query, after words for a highest price or a range, and if no
    listing contains these words: "iphone 11 under glass" and "size 10 to 12" stay words.

    Parameters
    ----------
    formats
        Language and currency of the listings.

    Examples
    --------
    >>> reader = PricePhraseReader(Formats("GBP", "en", "GB"))
    >>> reader.read("sofa under £100", lambda words: False)
    PricePhrase(text='sofa', minimum=None, maximum=100.0)
    """

    def __init__(self, formats: Formats) -> None:
        self._money = Money(formats.currency, _decimal_mark(formats))
        forms = currency_forms(formats.currency)
        marks = _alternatives(forms.signs | forms.names | _plurals(formats))
        number = rf"(?:{_SPACED_NUMBER}|{_NUMBER})" if self._money.decimal == "," else _NUMBER
        factor = rf"(?:{_GAP}{_alternatives(MULTIPLIERS)})?"
        self._amount = re.compile(
            rf"(?<![\w.,](?<![{UNSPACED_SIGNS}]))(?:(?P<sign>{marks}){_GAP})?"
            rf"(?P<number>{number}{factor})(?:{_GAP}(?P<name>{marks}))?"
            rf"(?![^\W{UNSPACED_SIGNS}])(?!%)",
            re.IGNORECASE,
        )
        own = PRICE_WORDS.get(formats.language, PriceWords())
        english = PRICE_WORDS["en"]
        self._measures = frozenset(own.measures)
        self._languages = [SIGNS, own] if own is english else [SIGNS, own, english]

    def read(self, text: str, contains: Callable[[list[str]], bool]) -> PricePhrase | None:
        """Return what a query says about the price; None if it says nothing.

        Parameters
        ----------
        text
            The query.
        contains
            Returns whether a listing contains some words, one after the other.
        """
        minimum = maximum = None
        rest = text
        for _ in range(2):  # "over £50 under £100"
            phrase = self._first(rest, contains)
            if phrase is None:
                break
            minimum = phrase.minimum if minimum is None else minimum
            maximum = phrase.maximum if maximum is None else maximum
            rest = phrase.text
        if rest == text or (minimum is not None and maximum is not None and minimum > maximum):
            return None
        return PricePhrase(rest, minimum, maximum)

    def _first(self, text: str, contains: Callable[[list[str]], bool]) -> PricePhrase | None:
        """Return the first phrase: ranges first, as "from 50 to 100" also contains "from 50"."""
        normal = _same_length(text)
        amounts = list(self._amount.finditer(normal))
        if not amounts:
            return None
        for words in self._languages:
            ranges = (_find_range(normal, *pair, words) for pair in pairwise(amounts))
            ends = (end for amount in amounts for end in _find_ends(normal, amount, words))
            for found in (*ranges, *ends):
                if found is None:
                    continue
                span = _extend_over_links(normal, found, words.links)
                prices = self._prices(found, normal, contains, words is PRICE_WORDS["en"])
                if prices is not None:
                    rest = f"{text[: span[0]]} {text[span[1] :]}"
                    return PricePhrase(" ".join(rest.split()), *prices)
        return None

    def _prices(
        self, found: _Found, text: str, contains: Callable[[list[str]], bool], is_english: bool
    ) -> tuple[float | None, float | None] | None:
        """Return the lowest and the highest price of a phrase; None if it is no price."""
        # Names that the currency has in the declensions of a language say nothing about the amount.
        written = [amount["number"] for amount in found.amounts]
        values = self._money.parse(pd.Series(written, dtype="str")).tolist()
        if any(math.isnan(value) for value in values) or values != sorted(values):
            return None
        if not any(amount["sign"] or amount["name"] for amount in found.amounts):
            foreign = is_english and PRICE_WORDS["en"] is not self._languages[1]
            if found.kind == "least" or foreign or text[found.end :].strip():
                return None
            if self._names_a_thing(found, text, values, contains):
                return None
        if found.kind == "range":
            return values[0], values[1]
        return (None, values[0]) if found.kind == "most" else (values[0], None)

    def _names_a_thing(
        self,
        found: _Found,
        text: str,
        values: list[float],
        contains: Callable[[list[str]], bool],
    ) -> bool:
        """Return whether bare numbers belong to a thing, such as "iphone 11-13"."""
        phrase = re.findall(r"\w+", text[found.start : found.end])
        before = re.findall(r"[\w.°]+", text[: found.start])
        if before and before[-1].casefold() in self._measures:
            return True
        if len(values) == 2 and (
            values[0] < MIN_BARE_RANGE or all(value in YEARS for value in values)
        ):
            return True
        if before and phrase[0][0].isdigit() and contains([before[-1], phrase[0]]):
            return True
        return len(phrase) > 1 and contains(phrase)


class _Found(NamedTuple):
    """A possible price phrase: its kind ("most", "least", "range"), place and amounts."""

    kind: str
    start: int
    end: int
    amounts: tuple[re.Match[str], ...]


def _find_range(
    text: str, low: re.Match[str], high: re.Match[str], words: PriceWords
) -> _Found | None:
    between = text[low.end() : high.start()].strip().casefold()
    for first, second in words.pairs:
        if between == second:
            start = _start_of_word_before(text, low.start(), first) if first else low.start()
            if start is not None:
                return _Found("range", start, high.end(), (low, high))
    return None


def _find_ends(text: str, amount: re.Match[str], words: PriceWords) -> Iterator[_Found]:
    """Yield what the words on both sides of one amount say."""
    for kind, before, after in (
        ("most", words.most_before, words.most_after),
        ("least", words.least_before, words.least_after),
    ):
        for word in sorted(after, key=len, reverse=True):
            end = _end_of_word_after(text, amount.end(), word)
            if end is not None:
                yield _Found(kind, amount.start(), end, (amount,))
        for word in sorted(before, key=len, reverse=True):
            start = _start_of_word_before(text, amount.start(), word)
            if start is not None:
                yield _Found(kind, start, amount.end(), (amount,))


def _start_of_word_before(text: str, end: int, word: str) -> int | None:
    """Return where `word` starts, if it stands in front of position `end`, else None."""
    head = text[:end].rstrip()
    start = len(head) - len(word)
    if start < 0 or head[start:].casefold() != word:
        return None
    joined = start > 0 and _is_spaced_letter(head[start - 1]) and _is_spaced_letter(word[0])
    return None if joined else start


def _end_of_word_after(text: str, start: int, word: str) -> int | None:
    """Return where `word` ends, if it stands behind position `start`, else None."""
    start += len(text[start:]) - len(text[start:].lstrip())
    end = start + len(word)
    if text[start:end].casefold() != word:
        return None
    joined = end < len(text) and _is_spaced_letter(text[end]) and _is_spaced_letter(word[-1])
    return None if joined else end


def _is_spaced_letter(sign: str) -> bool:
    """Return whether a sign is a letter or digit of a script with spaces between words."""
    return sign.isalnum() and not UNSPACED.match(sign)


def _extend_over_links(text: str, found: _Found, links: tuple[str, ...]) -> tuple[int, int]:
    """Return start and end of a phrase with the words that tie it to the thing."""
    start, end = found.start, found.end
    for link in links:
        longer = _start_of_word_before(text, start, link)
        if longer is not None:
            return longer, end
    for link in links:
        if UNSPACED.match(link) and (after := _end_of_word_after(text, end, link)) is not None:
            return start, after
    return start, end


def _plurals(formats: Formats) -> set[str]:
    """Return the names of the currency in all grammatical numbers of the language: "рублей"."""
    try:
        names = Locale.parse(formats.language)._data["currency_names_plural"]  # no public name
        forms = {*names[formats.currency].values()}
    except (UnknownLocaleError, ValueError, KeyError):
        return set()
    return {plain(part) for form in forms for part in (form, form.rpartition(" ")[2])} - {""}


@lru_cache
def price_phrase_reader(formats: Formats) -> PricePhraseReader:
    """Return the reader for some listings; it is made once."""
    return PricePhraseReader(formats)


def _decimal_mark(formats: Formats) -> str:
    for name in (f"{formats.language}_{formats.country}", formats.language):
        try:
            symbols = Locale.parse(name).number_symbols
        except (UnknownLocaleError, ValueError):
            continue
        return "," if symbols.get("latn", {}).get("decimal") == "," else "."
    return "."


def _same_length(text: str) -> str:
    """Return a text with plain digits, dashes and signs of money, each in its place."""
    marked = text.translate(PLAIN_MARKS)
    return "".join(
        str(int(sign)) if sign.isdecimal() and not sign.isascii() else sign for sign in marked
    )


def _alternatives(words: Iterable[str]) -> str:
    """Return a pattern of any of these words, the longest first, as whole words.

    Words of scripts without spaces stand beside others.
    """
    patterns = []
    for word in sorted({*words}, key=lambda word: (-len(word), word)):
        pattern = re.sub(r"\\?[ \u00a0]", "[ \u00a0]+", re.escape(word))
        if re.match(rf"[^\W\d_{UNSPACED_SIGNS}]", word[0]):
            pattern = rf"(?<![^\W\d_]){pattern}"
        if re.match(rf"[^\W\d_{UNSPACED_SIGNS}]", word[-1]):
            pattern = rf"{pattern}(?![^\W\d_{UNSPACED_SIGNS}])"
        patterns.append(pattern)
    return f"(?:{'|'.join(patterns)})"
