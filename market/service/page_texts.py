"""Money, distances, dates and highlighted words as text, for pages that the service renders.

The scripts of the page write the same texts (static/format.js).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from urllib.parse import quote, urlencode

from babel.dates import format_date
from babel.numbers import format_decimal
from babel.units import format_unit

from market.core.formats import KM_PER_MILE, Formats
from market.service.schemas import AttributeDescription, ListingSummary

WHOLE_FROM = 1000  # larger amounts are shown without decimals
PRICE_FLAGS = {
    "placeholder": "Not a real price?",
    "far above": "Unusually high price",
    "far below": "Unusually low price",
}


class PageTexts:
    """Texts in the currency, language and units of the listings.

    Parameters
    ----------
    formats
        Currency, language and country.
    """

    def __init__(self, formats: Formats) -> None:
        self._formats = formats
        self._locale = formats.language_tag.replace("-", "_")

    def money(self, amount: float | None) -> str:
        """Return a price: "£12.50", "Free" or "No price"."""
        if amount is None:
            return "No price"
        if amount == 0:
            return "Free"
        return self._formats.money(round(amount) if amount >= WHOLE_FROM else amount)

    def rough_money(self, amount: float) -> str:
        """Return an estimate with two significant digits."""
        step = 10 ** max(0, len(str(int(max(amount, 1)))) - 2)
        return self.money(round(amount / step) * step)

    def distance(self, kilometres: float) -> str:
        """Return a distance in whole kilometres or miles: "12 mi" or "under 1 km"."""
        is_miles = self._formats.distance_unit == "mi"
        unit = "length-mile" if is_miles else "length-kilometer"
        in_unit = kilometres / KM_PER_MILE if is_miles else kilometres
        text = format_unit(max(1, round(in_unit)), unit, "short", locale=self._locale)
        return text if in_unit >= 1 else f"under {text}"

    def day(self, text: str) -> str:
        """Return a date YYYY-MM-DD in words."""
        return format_date(date.fromisoformat(text), "long", locale=self._locale)

    def number(self, value: float) -> str:
        """Return a number with its thousands separated."""
        return format_decimal(value, locale=self._locale)

    def count(self, listings: int) -> str:
        """Return a number of listings: "1 listing"."""
        return f"{self.number(listings)} {'listing' if listings == 1 else 'listings'}"

    def place(self, location: str) -> str:
        """Return where a listing is, as a card says it.

        It is the town alone in Britain, whose counties are long. Elsewhere it is all of the
        location, because "Portland, ME" and "Portland, OR" differ in their states only.
        """
        return location.split(",")[0] if self._formats.country == "GB" else location

    def attribute(self, attribute: AttributeDescription, value: bool | float | str) -> str:
        """Return a value of an attribute."""
        if attribute.type == "boolean":
            return "Yes" if value in (True, "true") else "No"
        if attribute.type == "date":
            return self.day(str(value))
        if attribute.type != "number":
            return str(value)
        # A year is a number as well: 2015, not 2,015.
        text = format_decimal(float(value), "0.###", locale=self._locale)
        return f"{text}\N{NO-BREAK SPACE}{attribute.unit}" if attribute.unit else text


def badge(listing: ListingSummary) -> str | None:
    """Return what to know of a listing at once: that it is sold, or has an implausible price."""
    if not listing.available:
        status = getattr(listing, "status", None)
        return status.capitalize() if status else "Not available"
    return PRICE_FLAGS.get(listing.price_flag, listing.price_flag) if listing.price_flag else None


def marked(text: str, spans: Sequence[Sequence[int]]) -> list[tuple[str, bool]]:
    """Return the parts of a text, each with whether it is highlighted.

    Parameters
    ----------
    text
        The text.
    spans
        Start and end of each highlighted part, in order; the end is exclusive.

    Examples
    --------
    >>> marked("oak table", [[4, 9]])
    [('oak ', False), ('table', True)]
    """
    parts, position = [], 0
    for start, end in spans:
        parts += [(text[position:start], False), (text[start:end], True)]
        position = end
    parts.append((text[position:], False))
    return [part for part in parts if part[0]]


def listing_url(product_id: str) -> str:
    """Return the URL of a listing's page, relative to the root of the service."""
    return f"listing/{quote(product_id, safe='')}"


def search_url(**params: str | float | None) -> str:
    """Return the URL of a search, relative to the root of the service; None sets no parameter."""
    return "?" + urlencode({name: value for name, value in params.items() if value is not None})
