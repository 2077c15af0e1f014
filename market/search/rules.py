"""rules.yaml: what a shop decides about its search, beside what the ranker learns.

The file has lists of synonyms, pins, boosts, hidden listings and redirects, which its comments
explain. A fault is one line that names the file, the line, the rule, the cause and the remedy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from market.core.checked_yaml import YamlText
from market.core.errors import MarketError
from market.core.paths import RULES
from market.data.language import Language
from market.search.rule_kinds import (
    Boost,
    Entry,
    Hidden,
    Pin,
    Redirect,
    Rule,
    Synonym,
    category_levels,
    stems_of,
)

MAX_RULES = 10_000  # in a list

Section = Literal["synonyms", "pins", "boosts", "hidden", "redirects"]
SECTIONS: tuple[Section, ...] = ("synonyms", "pins", "boosts", "hidden", "redirects")


class Rules(Entry):
    """The rules of a shop.

    Examples
    --------
    >>> text = "pins: [{name: summer, listing: p1, place: 1, queries: [tent], until: 2026-08-31}]"
    >>> rules = Rules.parse(text)
    >>> rules.count(date(2026, 7, 1)), rules.count(date(2026, 9, 1))
    (1, 0)
    """

    synonyms: Annotated[tuple[Synonym, ...], Field(max_length=MAX_RULES)] = ()
    pins: Annotated[tuple[Pin, ...], Field(max_length=MAX_RULES)] = ()
    boosts: Annotated[tuple[Boost, ...], Field(max_length=MAX_RULES)] = ()
    hidden: Annotated[tuple[Hidden, ...], Field(max_length=MAX_RULES)] = ()
    redirects: Annotated[tuple[Redirect, ...], Field(max_length=MAX_RULES)] = ()

    @classmethod
    def load(cls, path: Path = RULES, language: str = "en") -> Rules:
        """Read and check the file of rules.

        Parameters
        ----------
        path
            The file.
        language
            ISO 639-1 code of the queries, by whose stems they are compared.

        Raises
        ------
        MarketError
            If there is no such file, or a rule is wrong, or two rules contradict each other.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise MarketError(
                f"{path} not found in {Path().absolute()}: restore it from git, or write an empty "
                "file for no rules"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise MarketError(f"{path} cannot be read as UTF-8: {error}") from None
        return cls.parse(text, language, title=str(path))

    @classmethod
    def parse(cls, text: str, language: str = "en", *, title: str = str(RULES)) -> Rules:
        """Return the rules of a YAML text; parameters and errors are as for `load`."""
        document = YamlText(text, title)
        rules = document.check(cls)
        spoken = Language(language)
        for faults in (_wordless(rules, spoken), _repeated_names(rules), _conflicts(rules, spoken)):
            for section, number, fault in faults:
                raise MarketError(f"{document.place((section, number))}: {fault}")
        return rules

    def all(self) -> Iterator[Rule]:
        """Iterate over the rules of all kinds."""
        return chain.from_iterable(getattr(self, section) for section in SECTIONS)

    def on(self, day: date) -> Rules:
        """Return the rules that apply on a day."""
        kept: dict[str, tuple[Rule, ...]] = {
            section: tuple(rule for rule in getattr(self, section) if rule.applies_on(day))
            for section in SECTIONS
        }
        return self.model_copy(update=kept)

    def count(self, day: date) -> int:
        """Return the number of rules that apply on a day."""
        return sum(rule.applies_on(day) for rule in self.all())


NO_RULES = Rules()


def words_of(rules: Rules, language: Language) -> list[str]:
    """Return the words of all queries and synonyms, which are correct words."""
    texts = [text for rule in rules.all() for text in rule.queries or ()]
    for synonym in rules.synonyms:
        texts += [*synonym.words, *(synonym.finds or ())]
    return list(dict.fromkeys(word for text in texts for word in language.words(text)))


Fault = tuple[Section, int, str]


def _wordless(rules: Rules, language: Language) -> Iterator[Fault]:
    """Find queries and synonyms without a word that search compares."""
    for section in SECTIONS:
        for number, rule in enumerate(getattr(rules, section)):
            texts: Sequence[str] = rule.queries or ()
            if isinstance(rule, Synonym):
                texts = (*texts, *rule.words, *(rule.finds or ()))
            for text in texts:
                if not stems_of(text, language):
                    fault = f"{text!r} has no word that search compares: write another"
                    yield section, number, fault


def _repeated_names(rules: Rules) -> Iterator[Fault]:
    """Find rules with the name of another one."""
    known: set[str] = set()
    for section in SECTIONS:
        for number, rule in enumerate(getattr(rules, section)):
            if rule.name in known:
                yield section, number, "another rule has this name: choose a name for each"
            known.add(rule.name)


def _conflicts(rules: Rules, language: Language) -> Iterator[Fault]:
    """Find rules that contradict each other on a common day, for a common query or category."""
    claims: dict[tuple[Any, ...], list[Rule]] = defaultdict(list)
    for number, pin in enumerate(rules.pins):
        for scope in _scope(pin, language):
            for kind, value in (("place", pin.place), ("listing", pin.listing)):
                for other in _meeting(pin, claims[scope, kind, value]):
                    cause = f"‘{other.name}’ has {kind} {value} for the same query or category"
                    yield "pins", number, f"{cause}: change one of the two, or its dates"
                claims[scope, kind, value].append(pin)
    for number, redirect in enumerate(rules.redirects):
        for scope in _scope(redirect, language):
            for other in _meeting(redirect, claims["redirect", scope]):
                cause = f"‘{other.name}’ redirects the same query or category"
                yield "redirects", number, f"{cause}: remove one of the two, or change its dates"
            claims["redirect", scope].append(redirect)
    for rule in rules.hidden:
        if rule.listings.is_by_id:
            for product_id in rule.listings.ids or ():
                claims["hidden", product_id].append(rule)
    for number, pin in enumerate(rules.pins):
        for other in _meeting(pin, claims["hidden", pin.listing]):
            if not other.has_scope or _scope(pin, language) & _scope(other, language):
                cause = f"listing {pin.listing!r} is hidden by ‘{other.name}’"
                yield "pins", number, f"{cause}: remove one of the two, or change its dates"


def _meeting(rule: Rule, others: list[Rule]) -> Iterator[Rule]:
    """Iterate over the other rules that apply on a common day with a rule."""
    return (other for other in others if other is not rule and rule.meets(other))


def _scope(rule: Rule, language: Language) -> set[tuple[str, ...]]:
    """Return comparable queries and categories of a rule."""
    queries = {("query", *stems_of(text, language)) for text in rule.queries or ()}
    return queries | {
        ("category", *category_levels(category)) for category in rule.categories or ()
    }
