"""Amounts of money as people write them: in a column of prices, and inside texts."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import pandas as pd

from market.core.settings import Input
from market.data.currencies import (
    CurrencyForms,
    currency_forms,
    currency_name,
    currency_words,
    plain,
)
from market.data.html_text import html_to_text

# What is said of gifts.
FREE = frozenset((
    "free", "for free", "free to collect", "gratis", "kostenlos", "umsonst", "geschenkt",
    "verschenke", "zu verschenken", "gratuit", "gratuite", "à donner", "gratuito", "regalo",
    "da regalare", "grátis", "無料", "无料", "免费", "免費", "무료", "무료나눔", "бесплатно",
    "даром", "отдам даром", "безкоштовно", "za darmo", "zdarma", "zadarmo", "ingyen", "ücretsiz",
    "bortskänkes", "gis bort", "gives væk", "ilmainen", "annetaan", "gratis af te halen", "te geef",
    "مجاني", "مجانا", "חינם", "ฟรี", "miễn phí", "मुफ्त", "फ्री",
))  # fmt: skip
# Said of a price; they do not change it.
REMARKS = (
    "vb", "vhb", "vs", "fp", "festpreis", "verhandlungsbasis", "fix", "ono", "o.n.o.", "o.n.o",
    "obo", "o.b.o.", "or best offer", "or nearest offer", "neg", "neg.", "negotiable", "firm",
    "each", "ea", "ea.", "apiece", "per item", "per piece", "only", "pro stück", "je stück",
    "das stück", "stk", "stk.", "/stk", "st", "/st", "pcs", "/pc", "pièce", "la pièce",
    "à débattre", "ttc", "trattabili", "negociable", "a negociar", "税込", "(税込)", "税込み",
    "(税込み)", "送料込み",
)  # fmt: skip
MULTIPLIERS = {"k": 1_000, "tsd": 1_000, "tsd.": 1_000, "lakh": 100_000, "lakhs": 100_000,
               "crore": 10_000_000, "万": 10_000, "萬": 10_000, "만": 10_000}  # fmt: skip
MAX_DIGITS = 12  # of whole units: few enough for an exact float
# An amount in a text of the original marketplace.
POUNDS_IN_TEXT = re.compile(
    r"£\s*(?P<whole>\d{1,3}(?:,\d{3})+|\d{1,7})(?:\.(?P<fraction>\d\d?))?\s*(?P<multiplier>k\b)?"
)


class Money:
    """Reads amounts of one currency.

    Parameters
    ----------
    currency
        ISO 4217.
    decimal
        The decimal mark, "." or ",".

    Examples
    --------
    >>> Money("EUR", ",").parse(pd.Series(["1.250,00 €", "3 EUR VB", "$5"], dtype="str")).tolist()
    [1250.0, 3.0, nan]
    """

    def __init__(self, currency: str, decimal: str) -> None:
        self.currency = currency
        self.decimal = decimal
        self.name = currency_name(currency)

    @classmethod
    def of(cls, settings: Input) -> Money:
        """Return the money of a dataset."""
        return cls(settings.currency, settings.decimal)

    def parse(self, texts: pd.Series) -> pd.Series:
        """Return amounts (n,), float; NaN where a text is missing or no amount of the currency."""
        known = texts.dropna().astype("str")
        written = pd.Series(known.unique(), dtype="str")
        plain_texts = html_to_text(written)  # "&pound;5"
        amounts = {
            text: self._amount(plain_text)
            for text, plain_text in zip(written, plain_texts, strict=True)
        }
        return known.map(amounts).reindex(texts.index).astype(float)

    def faults(self, texts: pd.Series) -> pd.Series:
        """Return why each amount (n,) cannot be used, such as "is negative", or "".

        A missing amount is not a fault.
        """
        amounts = self.parse(texts)
        faults = pd.Series("", index=texts.index)
        faults[amounts.lt(0)] = "is negative"
        unread = texts[amounts.isna() & texts.notna()]
        faults[unread.index] = unread.map(self._fault).astype("str")
        return faults

    def write(self, amount: float) -> str:
        """Return an amount as a text that `parse` reads, with two decimals."""
        return f"{amount:.2f}".replace(".", self.decimal)

    def in_texts(self, texts: pd.Series) -> pd.Series:
        """Return the amounts within texts.

        Parameters
        ----------
        texts
            (n,) without missing values.

        Returns
        -------
        pd.Series
            The amounts, float, in the order of each text; the index of a text as often as it has
            amounts.
        """
        index: list[Any] = []
        amounts: list[float] = []
        for key, text in texts.items():
            for match in self._pattern_in_texts.finditer(text):
                parts = {
                    name.partition("_")[0]: part for name, part in match.groupdict().items() if part
                }
                whole = "".join(filter(str.isdigit, parts["whole"]))
                amount = float(f"{whole}.{parts.get('fraction', '0')}")
                index.append(key)
                amounts.append(amount * MULTIPLIERS.get(parts.get("multiplier", "").lower(), 1))
        return pd.Series(amounts, index=pd.Index(index, dtype=texts.index.dtype), dtype=float)

    def _amount(self, text: str) -> float:
        text = plain(text)
        if " ".join(text.strip("!.*").split()) in FREE:
            return 0.0
        if self._forms.ten_thousands and (counted := self._counted.fullmatch(text)):
            parts = {name: float(value or 0) for name, value in counted.groupdict().items()}
            return parts["ten_thousands"] * 10_000 + parts["thousands"] * 1_000 + parts["rest"]
        match = self._pattern.fullmatch(text)
        if match is None:
            return math.nan
        digits = "".join(filter(str.isdigit, match["whole"]))
        fraction = match["fraction"] or ""
        multiplier = match["multiplier"]
        grouped = len(digits) < len(match["whole"])
        # "1.234" means a thousand elsewhere: with a zero in front or groups it cannot.
        if (
            len(fraction) == 3
            and not multiplier
            and not grouped
            and len(digits) <= 3
            and (digits[0] != "0")
        ):
            return math.nan
        amount = float(f"{digits}.{fraction or 0}") * MULTIPLIERS.get(multiplier or "", 1)
        return -amount if match["minus"] or match["minus_inside"] else amount

    def _fault(self, text: str) -> str:
        fault = f"is not an amount in {self.name}"
        other = self._other_currency(text)
        return f"{fault}, but in {other}" if other else fault

    def _other_currency(self, text: str) -> str | None:
        """Return the sign, code or name of another currency, if a text is an amount in it."""
        if not any(map(str.isdecimal, text)):
            return None
        own = self._forms.signs | self._forms.names
        for word in re.findall(r"[^\W\d_]*[^\w\s.,:'()/-]|[^\W\d_]+", text):
            if plain(word) in own:
                continue
            if any(unicodedata.category(character) == "Sc" for character in word):
                return word
            if plain(word) in currency_words():
                return currency_words()[plain(word)]
        return None

    @cached_property
    def _forms(self) -> CurrencyForms:
        return currency_forms(self.currency)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """The pattern of a whole text that is an amount, as `plain` returns it."""
        marks = _alternatives(self._forms.signs | self._forms.names)
        remarks = _alternatives(REMARKS)
        factors = _alternatives(MULTIPLIERS)
        space = r"[ \u00a0]*"
        return re.compile(
            rf"(?P<minus>-)?{space}(?:(?:{marks}){space})?(?P<minus_inside>-)?{space}"
            rf"(?P<whole>{self._whole})(?:{re.escape(self.decimal)}(?P<fraction>[0-9]{{1,12}}))?"
            rf"(?:[.,:]?--?)?{space}(?P<multiplier>{factors})?{space}(?:{marks})?"
            rf"(?:[ ,]*(?:{remarks}))*"
        )

    @cached_property
    def _counted(self) -> re.Pattern[str]:
        """The pattern of amounts in ten thousands and thousands, such as 1万2千円."""
        marks = _alternatives(self._forms.signs | self._forms.names)
        return re.compile(
            rf"(?=.*[万萬만千천])(?:(?:{marks}) *)?"
            r"(?:(?P<ten_thousands>[0-9]{1,6}(?:\.[0-9]{1,4})?) *[万萬만])?"
            rf"(?: *(?P<thousands>[0-9]) *[千천])? *(?P<rest>[0-9]{{1,4}})? *(?:{marks})?"
            rf"(?:[ ,]*(?:{_alternatives(REMARKS)}))*"
        )

    @cached_property
    def _pattern_in_texts(self) -> re.Pattern[str]:
        if (self.currency, self.decimal) == ("GBP", "."):
            return POUNDS_IN_TEXT
        marks = [
            mark
            for mark in self._forms.signs | self._forms.names
            if len(mark) > 1 or not mark.isascii() or not mark.isalpha()
        ]
        groups = (self._forms.groups | {",", "."}) - {self.decimal}
        spaces = " \u202f" if self.decimal == "," and "\u00a0" in groups else ""
        others = "".join(sorted(groups)) + spaces
        factors = _alternatives(["k", *(["万", "萬", "만"] if self._forms.ten_thousands else [])])

        def amount(number: str) -> str:
            return (
                rf"(?P<whole{number}>\d{{1,3}}(?:[{re.escape(others)}]\d{{3}})+(?!\d)|\d{{1,9}}(?!\d))"
                rf"(?:{re.escape(self.decimal)}(?P<fraction{number}>\d\d?)(?!\d))?"
                rf"(?:\s*(?P<multiplier{number}>{factors})(?![a-z]))?"
            )

        before = _alternatives(marks, whole_words=True)
        return re.compile(
            rf"(?:{before})\s*{amount('')}|(?<![\d.,]){amount('_first')}\s*(?:{before})",
            re.IGNORECASE,
        )

    @property
    def _whole(self) -> str:
        """The pattern of whole units, with or without marks between groups of digits."""
        other = "," if self.decimal == "." else "."
        # A plain space groups digits only where the point does not: "1 250" might be two numbers.
        groups = [other, "\u00a0", "'", *([" "] if self.decimal == "," else [])]
        alternatives = [rf"[0-9]{{1,3}}(?:{re.escape(mark)}[0-9]{{3}}){{1,3}}" for mark in groups]
        if self._forms.indian_groups:
            alternatives.append(r"[0-9]{1,2}(?:,[0-9]{2}){1,3},[0-9]{3}")
        return "|".join([*alternatives, rf"[0-9]{{1,{MAX_DIGITS}}}"])


def _alternatives(words: Iterable[str], *, whole_words: bool = False) -> str:
    """Return a pattern of any of these words, the longest first."""
    patterns = []
    for word in sorted(words, key=lambda word: (-len(word), word)):
        pattern = re.sub(r"\\?[ \u00a0]", "[ \u00a0]", re.escape(word))
        # Scripts with capital letters set words apart: "5 kr." is an amount, "5 kram" is none.
        if whole_words and word[0].upper() != word[0].lower():
            pattern = rf"(?<![^\W\d_]){pattern}"
        if whole_words and word[-1].upper() != word[-1].lower():
            pattern = rf"{pattern}(?![^\W\d_])"
        patterns.append(pattern)
    return "|".join(patterns)
