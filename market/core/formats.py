"""How the marketplace writes money and distances: by its currency, language and country."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal

from babel import Locale, UnknownLocaleError
from babel.numbers import (
    format_compact_currency,
    format_currency,
    format_decimal,
    get_currency_precision,
    get_currency_symbol,
)

KM_PER_MILE = 1.609344
# Countries whose road signs are in miles. CLDR knows only the first four, not the small ones.
MILE_COUNTRIES = {
    "GB", "US", "LR", "MM", "AG", "AI", "AS", "BS", "BZ", "DM", "FK", "GD", "GG", "GU", "IM",
    "JE", "KN", "KY", "LC", "MP", "MS", "PR", "SH", "TC", "VC", "VG", "VI", "WS",
}  # fmt: skip


@dataclass(frozen=True)
class Formats:
    """Currency, language and country of the listings.

    Attributes
    ----------
    currency
        ISO 4217 code.
    language
        ISO 639-1 code.
    country
        ISO 3166 code.
    """

    currency: str = "GBP"
    language: str = "en"
    country: str = "GB"

    @property
    def language_tag(self) -> str:
        """The language as spoken in the country, such as "en-GB", as browsers know it."""
        return f"{self.language}-{self.country}"

    @property
    def distance_unit(self) -> Literal["km", "mi"]:
        """Return "mi" where people use miles, otherwise "km"."""
        return "mi" if self.country in MILE_COUNTRIES else "km"

    @property
    def symbol(self) -> str:
        """The symbol of the currency, such as "£"."""
        return get_currency_symbol(self.currency, self._locale)

    @property
    def currency_decimals(self) -> int:
        """The number of decimals of the currency: 2 for pounds, 0 for yen."""
        return get_currency_precision(self.currency)

    def money(self, amount: float) -> str:
        """Return an amount with its currency, without decimals if it is whole: "£1,250"."""
        if round(amount, self.currency_decimals) == round(amount):
            return format_currency(
                amount, self.currency, self._whole, self._locale, currency_digits=False
            )
        return format_currency(amount, self.currency, locale=self._locale)

    def short_money(self, amount: float) -> str:
        """Return an amount as short as the label of an axis: "£10k"."""
        return format_compact_currency(amount, self.currency, locale=self._locale)

    def distance(self, kilometres: float) -> str:
        """Return a distance in the unit of the country: "62 miles" or "100 km"."""
        if self.distance_unit == "km":
            return f"{format_decimal(round(kilometres), locale=self._locale)} km"
        miles = round(kilometres / KM_PER_MILE)
        name = "mile" if miles == 1 else "miles"
        return f"{format_decimal(miles, locale=self._locale)} {name}"

    def as_dict(self) -> dict[str, str]:
        """Return the three codes by name."""
        return asdict(self)

    @cached_property
    def _locale(self) -> Locale:
        for name in (f"{self.language}_{self.country}", self.language):
            try:
                return Locale.parse(name)
            except (UnknownLocaleError, ValueError):
                continue
        return Locale("en")

    @cached_property
    def _whole(self) -> str:
        """The pattern of an amount without decimals."""
        pattern = self._locale.currency_formats["standard"].pattern
        return pattern.replace("0.00", "0")


BRITISH = Formats()  # of an engine that is made without an index
