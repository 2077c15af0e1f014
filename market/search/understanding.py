"""Conditions in the words of a query, which become filters."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from market.core.formats import Formats
from market.search.catalogue import Catalogue
from market.search.filters import Filters
from market.search.lexical import LexicalIndex
from market.search.price_phrases import price_phrase_reader

MAX_COMPARED = 5000  # listings whose texts are compared with a phrase


@dataclass(frozen=True)
class Understanding:
    """A query in words, without the words that became filters.

    Attributes
    ----------
    words
        The words to search for.
    filters
        The filters of the request and of the words.
    understood
        The values of the filters that come from the words, by name.
    """

    words: str
    filters: Filters
    understood: dict[str, float]


def understand(
    text: str, filters: Filters, formats: Formats, lexical: LexicalIndex, catalogue: Catalogue
) -> Understanding:
    """Take the price phrase out of a query: "sofa under £100".

    It becomes a filter if the request has no filter on the price.

    Parameters
    ----------
    text
        The query in words.
    filters
        The filters of the request.
    formats
        Language and currency of the listings.
    lexical, catalogue
        The listings. Words that they contain, such as "size 10 to 12", are no price.
    """
    if not any(sign.isdecimal() for sign in text):
        return Understanding(text, filters, {})
    reader = price_phrase_reader(formats)
    phrase = reader.read(text, lambda words: contains_phrase(words, lexical, catalogue))
    if phrase is None:
        return Understanding(text, filters, {})
    if filters.price_min is not None or filters.price_max is not None:
        return Understanding(phrase.text, filters, {})
    stated = {"price_min": phrase.minimum, "price_max": phrase.maximum}
    narrowed = replace(filters, price_min=phrase.minimum, price_max=phrase.maximum)
    understood = {name: value for name, value in stated.items() if value is not None}
    return Understanding(phrase.text, narrowed, understood)


def contains_phrase(words: list[str], lexical: LexicalIndex, catalogue: Catalogue) -> bool:
    """Return whether the text of a listing contains some words, one after the other."""
    containing = np.ones(len(catalogue), bool)
    for word in words:
        if lexical.language.words(word):
            containing &= lexical.scores(word) > 0
    positions = np.flatnonzero(containing)[:MAX_COMPARED]
    pattern = re.compile(r"\W+".join(map(re.escape, words)) + r"(?!\w)", re.IGNORECASE)
    texts = catalogue.listings[["name", "description"]].iloc[positions]
    return any(
        pattern.search(text) for column in texts for text in texts[column] if isinstance(text, str)
    )
