"""Highlights: where the words of a query stand in a listing's name and description."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from market.data.language import Language
from market.data.words import word_spans
from market.search.lexical import LexicalIndex
from market.search.prefixes import unfinished_word
from market.search.synonyms import NO_SYNONYMS, Synonyms

MAX_SNIPPET = 200  # characters
CONTEXT = 60  # characters that may stand before the first match of a snippet
MAX_DESCRIPTION = 20_000  # characters that are looked at
MAX_WORDS = 30_000  # whose stems are remembered: 0.5 kB each

Span = tuple[int, int]  # start and end, exclusive, in characters


class Highlights(NamedTuple):
    """Where the words of a query stand in a listing.

    Attributes
    ----------
    name
        Spans in the name.
    snippet
        The part of the description around most matches, at most MAX_SNIPPET characters; the
        beginning of it without a match.
    spans
        Spans in the snippet.
    """

    name: list[Span]
    snippet: str
    spans: list[Span]


@dataclass(frozen=True)
class Highlighter:
    """Finds the words of one query in texts, by the stems that search compares.

    Attributes
    ----------
    language
        The language of the listings.
    stems
        The stems of the query and of compounds that end in its words.
    prefix
        The key of a last word that is unfinished; "" without one.
    """

    language: Language
    stems: frozenset[str]
    prefix: str = ""
    _known: dict[str, bool] = field(default_factory=dict)  # listings repeat words

    @classmethod
    def of(cls, text: str, lexical: LexicalIndex, synonyms: Synonyms = NO_SYNONYMS) -> Highlighter:
        """Return the highlighter of a query.

        Parameters
        ----------
        text
            The query; its spelling is corrected.
        lexical
            The words of the listings.
        synonyms
            Words that stand for others of the query.
        """
        language = lexical.language
        unfinished = unfinished_word(text, lexical)
        prefix = ""
        if unfinished is not None:
            prefix = language.key(language.fold(text[unfinished.start :]))
            text = text[: unfinished.start]
        stems = {language.stem(word) for word in language.words(text)}
        phrases = synonyms.split(tuple(language.stem(word) for word in language.words(text)))
        stems |= {stem for phrase in phrases for other in phrase.synonyms for stem in other}
        longer = {compound for stem in stems for compound in lexical.compounds(stem)}
        return cls(language, frozenset(stems | longer), prefix)

    def highlight(self, name: str, description: str) -> Highlights:
        """Return the highlights of a listing."""
        description = description[:MAX_DESCRIPTION]
        spans = list(self.spans(description))
        start, end = _densest_part(description, spans)
        inside = [
            (first - start, last - start) for first, last in spans if start <= first and last <= end
        ]
        return Highlights(list(self.spans(name)), description[start:end], inside)

    def spans(self, text: str) -> Iterator[Span]:
        """Yield the spans of a text's words that the query has, in order.

        Words that follow each other without a space between them are one span.
        """
        if not (self.stems or self.prefix):
            return
        before: Span | None = None
        for start, end in word_spans(text):
            if not self._matches(text[start:end]):
                continue
            if before is not None and before[1] == start:
                before = before[0], end
                continue
            if before is not None:
                yield before
            before = start, end
        if before is not None:
            yield before

    def _matches(self, written: str) -> bool:
        if written not in self._known:
            self._known[written] = any(
                stem in self.stems or (self.prefix and key.startswith(self.prefix))
                for stem, key in _stems_and_keys(written, self.language)
            )
        return self._known[written]


@lru_cache(MAX_WORDS)
def _stems_and_keys(written: str, language: Language) -> tuple[tuple[str, str], ...]:
    """Return stem and key of each word of a text without spaces: most queries meet the same."""
    return tuple((language.stem(word), language.key(word)) for word in language.words(written))


def _densest_part(text: str, spans: Sequence[Span]) -> Span:
    """Return start and end of the part of a text with the most matched characters.

    It starts and ends between words where the script has spaces.
    """
    if len(text) <= MAX_SNIPPET:
        return 0, len(text)
    best, best_start = -1, 0
    for number, (first, _) in enumerate(spans):
        limit = first + MAX_SNIPPET - CONTEXT
        matched = sum(last - start for start, last in spans[number:] if last <= limit)
        if matched > best:
            best, best_start = matched, first
    start = max(0, min(best_start - CONTEXT, len(text) - MAX_SNIPPET))
    if start:
        gap = re.search(r"\s", text[start:best_start])
        start += gap.end() if gap else 0
    end = min(len(text), start + MAX_SNIPPET)
    if end < len(text):
        gap_before_end = text[start:end].rstrip().rfind(" ")
        last_match = max((last for _, last in spans if last <= end), default=0)
        if start + gap_before_end > max(last_match, start + MAX_SNIPPET // 2):
            end = start + gap_before_end
    return start, end
