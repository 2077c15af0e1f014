"""Synonyms of rules.yaml: the phrases of a query, each with what may stand in its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from market.data.language import Language
from market.search.rule_kinds import Synonym, stems_of

SYNONYM_WEIGHT = 0.7  # of a synonym, beside the word that it stands for

Stems = tuple[str, ...]


@dataclass(frozen=True)
class Phrase:
    """A part of a query.

    Attributes
    ----------
    stems
        The stems of its words.
    synonyms
        The stems of each of its synonyms; none for most.
    """

    stems: Stems
    synonyms: tuple[Stems, ...] = ()


class Synonyms:
    """Synonyms by the stems of the phrase that they stand for.

    Examples
    --------
    >>> seats = Synonym(name="seats", words=("sofa", "corner settee"))
    >>> Synonyms([seats], Language("en")).split(("red", "corner", "sette"))
    [Phrase(stems=('red',), synonyms=()), Phrase(stems=('corner', 'sette'), synonyms=(('sofa',),))]
    """

    def __init__(self, rules: Iterable[Synonym], language: Language) -> None:
        found: dict[Stems, dict[Stems, None]] = defaultdict(dict)
        for rule in rules:
            words = [stems_of(text, language) for text in rule.words]
            finds = [stems_of(text, language) for text in rule.finds or rule.words]
            for word in words:
                found[word] |= {other: None for other in finds if other != word}
        self._found = {word: tuple(others) for word, others in found.items() if others}
        self._longest = max(map(len, self._found), default=0)

    def __bool__(self) -> bool:
        return bool(self._found)

    def split(self, stems: Stems) -> list[Phrase]:
        """Return the phrases of a query from left to right, the longest with a synonym first."""
        phrases = []
        start = 0
        while start < len(stems):
            for end in range(min(start + self._longest, len(stems)), start, -1):
                if synonyms := self._found.get(stems[start:end]):
                    phrases.append(Phrase(stems[start:end], synonyms))
                    break
            else:
                end = start + 1
                phrases.append(Phrase(stems[start:end]))
            start = end
        return phrases


NO_SYNONYMS = Synonyms([], Language("en"))
