"""The filters of a search as texts, each with the address of the search without it.

The scripts of the page show the same (static/chips.js).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from market.search.attributes import PREFIX
from market.service.page_texts import PageTexts
from market.service.schemas import AttributeDescription, MarketplaceSettings, SearchResults

Given = Mapping[str, Sequence[str]]  # the parameters of an address


def link(given: Given, **changes: str | int | None) -> str:
    """Return the address of a search with other parameters; None removes one.

    It leads to the first page, unless the changes name another.
    """
    params: dict[str, Sequence[str]] = {**given}
    params.pop("offset", None)
    for name, value in changes.items():
        params.pop(name, None)
        if value is not None:
            params[name] = [str(value)]
    return "?" + urlencode(params, doseq=True) if params else "./"


def chips(
    given: Given, texts: PageTexts | None, settings: MarketplaceSettings | None
) -> list[tuple[str, str]]:
    """Return the text of each active filter, and the address without it.

    Parameters
    ----------
    given
        The parameters of the address.
    texts, settings
        How the marketplace writes; None gives no chips.
    """
    if texts is None or settings is None:
        return []
    found: list[tuple[str, str]] = []
    for name, text in _texts_of_filters(given, texts):
        removed = {name: None, "radius_km": None} if name == "near" else {name: None}
        found.append((text, link(given, **removed)))
    for attribute in settings.attributes:
        found += _attribute_chips(given, attribute, texts)
    return found


def understood_chips(
    given: Given, results: SearchResults | None, texts: PageTexts | None
) -> list[tuple[str, str]]:
    """Return the text of each filter that comes from the words of the query, such as a price.

    Each has the address of a search for the other words. Parameters are as in `chips`.
    """
    if texts is None or results is None:
        return []
    words = {"price_min": "from", "price_max": "up to"}
    without = link(given, q=results.remaining_query or None)
    return [
        (f"{words[name]} {texts.money(amount)}, from your words", without)
        for name, amount in (results.understood or {}).items()
        if name in words
    ]


def _texts_of_filters(given: Given, texts: PageTexts) -> list[tuple[str, str]]:
    """Return the name of each filter but the attributes, and its text."""
    first = {name: values[0] for name, values in given.items()}
    shown = {
        "category": first.get("category", "").split(" / ")[-1],
        "price_min": _price("from", first.get("price_min"), texts),
        "price_max": _price("up to", first.get("price_max"), texts),
        "near": _place(first, texts),
        "seller_id": "one seller" if "seller_id" in first else "",
        "flagged": "with implausible prices" if "flagged" in first else "",
        "include_unavailable": "with unavailable" if "include_unavailable" in first else "",
    }
    return [(name, text) for name, text in shown.items() if text]


def _price(word: str, value: str | None, texts: PageTexts) -> str:
    try:
        return f"{word} {texts.money(float(value))}" if value else ""
    except ValueError:
        return ""


def _place(first: Mapping[str, str], texts: PageTexts) -> str:
    if "near" not in first:
        return ""
    try:
        return f"within {texts.distance(float(first['radius_km']))} of {first['near']}"
    except (KeyError, ValueError):
        return f"near {first['near']}"


def _attribute_chips(
    given: Given, attribute: AttributeDescription, texts: PageTexts
) -> list[tuple[str, str]]:
    name = PREFIX + attribute.name
    found = []
    for value in given.get(name, ()):
        others = [other for other in given[name] if other != value]
        without = {key: values for key, values in given.items() if key != name}
        rest = {**without, name: others} if others else without
        try:
            text = texts.attribute(attribute, value)
        except ValueError:  # a number that is none: the search says so
            text = value
        found.append((f"{attribute.label}: {text}", link(rest)))
    for ending, word in (("_min", "from"), ("_max", "up to")):
        for value in given.get(name + ending, ()):
            found.append(
                (f"{attribute.label} {word} {value}", link(given, **{name + ending: None}))
            )
    return found


def heading(query: Mapping[str, str], results: SearchResults | None) -> str:
    """Return the heading of a search.

    Parameters
    ----------
    query
        The parameters of the address.
    results
        The answer, if there is one: it may have corrected the query.
    """
    words = query.get("q", "")
    if results is not None and results.corrected_query is not None:
        words = results.corrected_query
    if words:
        return f"Results for “{words}”"
    # A template that asks for a parameter which the address lacks adds it to `query`, empty.
    if query.get("saved"):
        return "Saved listings"
    if query.get("category"):
        return query["category"].split(" / ")[-1]
    return "Listings of this seller" if query.get("seller_id") else "All listings"


def price_links(
    given: Given, results: SearchResults | None, texts: PageTexts | None
) -> list[tuple[str, int, str]]:
    """Return the text, the count and the address of each price bucket that has listings."""
    if texts is None or results is None or results.facets is None:
        return []
    found = []
    for bucket in results.facets.prices:
        low, high = bucket.minimum, bucket.maximum
        if not bucket.count:
            continue
        if low is None and high is not None:
            text = f"up to {texts.money(high)}"
        elif high is None:
            text = f"from {texts.money(low)}"
        else:
            text = f"{texts.money(low)} – {texts.money(high)}"
        address = link(
            given,
            price_min=None if low is None else f"{low:g}",
            price_max=None if high is None else f"{high:g}",
        )
        found.append((text, bucket.count, address))
    return found
