"""Simulated users who click on search results, to check what a ranker learns from clicks.

Real clicks do not say what they missed. Here the relevant listings are known: those of a leaf
category, for its name and the words of its name. Some clickers behave as a position-based model
assumes, others do not: they stop after a click, or trust the first places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from market.data.words import find_words
from market.search.evaluation_queries import Queries, category_queries

MIN_LETTERS = 4  # of a word of a category's name that is a query of its own
MIN_SHOWN, MAX_SHOWN = 10, 20  # listings that one search shows
QUERY_EXPONENT = 0.7  # the r-th most frequent query is drawn in proportion to r ** -0.7


class Clicker(Protocol):
    """A user who sees a page of results."""

    def click(self, relevant: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return (k,) bool, the clicked listings, given the `relevant` ones (k,) from the top."""


@dataclass(frozen=True)
class PositionBased:
    """Examines each place by chance, and judges the listing there on its own.

    Attributes
    ----------
    exponent
        Place k = 1, 2, … is examined with probability k ** -exponent.
    relevant, irrelevant
        The probability of a click on an examined listing. If both are equal, clicks do not depend
        on relevance.
    trust
        What the first place adds to `irrelevant`; place k adds trust / k. Above 0, the user takes a
        high place as a sign of relevance, which no position-based model expects.
    """

    exponent: float = 1.0
    relevant: float = 0.8
    irrelevant: float = 0.1
    trust: float = 0.0

    def click(self, relevant: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the clicked listings, as Clicker says."""
        places = np.arange(1, len(relevant) + 1)
        irrelevant = np.minimum(self.irrelevant + self.trust / places, self.relevant)
        attraction = np.where(relevant, self.relevant, irrelevant)
        return rng.random(len(relevant)) < places**-self.exponent * attraction


@dataclass(frozen=True)
class TopDown:
    """Reads from the top, and leaves when satisfied or tired (a dynamic Bayesian network).

    Attributes
    ----------
    relevant, irrelevant
        The probability of a click on a listing that is read.
    satisfied, disappointed
        The probability of leaving after a click on a relevant and on an irrelevant listing. If both
        are 1, the first click is the last: the cascade model.
    patience
        The probability of reading on after a listing that did not satisfy.

    References
    ----------
    Chapelle and Zhang, "A dynamic Bayesian network click model for web search ranking", 2009.
    """

    relevant: float = 0.7
    irrelevant: float = 0.1
    satisfied: float = 0.8
    disappointed: float = 0.2
    patience: float = 0.9

    def click(self, relevant: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the clicked listings, as Clicker says."""
        attracted = rng.random(len(relevant)) < np.where(relevant, self.relevant, self.irrelevant)
        leaving = np.where(relevant, self.satisfied, self.disappointed)
        leaves = attracted & (rng.random(len(relevant)) < leaving)
        leaves |= rng.random(len(relevant)) >= self.patience
        is_read = np.r_[True, ~np.logical_or.accumulate(leaves)[:-1]]
        return attracted & is_read


@dataclass(frozen=True)
class Mixed:
    """A population: each search is by one of several clickers, drawn at random."""

    clickers: tuple[Clicker, ...]

    def click(self, relevant: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the clicked listings, as Clicker says."""
        return self.clickers[rng.integers(len(self.clickers))].click(relevant, rng)


_POSITION, _STEEP = PositionBased(), PositionBased(exponent=1.5)
_CASCADE = TopDown(satisfied=1.0, disappointed=1.0, patience=0.95)
_BAYESIAN = TopDown()
_TRUST = PositionBased(irrelevant=0.05, trust=0.4)
CLICKERS: dict[str, Clicker] = {
    "position": _POSITION,
    "steep position": _STEEP,
    "cascade": _CASCADE,
    "dynamic Bayesian": _BAYESIAN,
    "trust": _TRUST,
    "mixed": Mixed((_POSITION, _STEEP, _CASCADE, _BAYESIAN, _TRUST)),
}
PLACEBO = PositionBased(relevant=0.3, irrelevant=0.3)  # clicks by the place alone


def leaf_queries(listings: pd.DataFrame) -> dict[str, Queries]:
    """Return the queries for each leaf category: its name, and each longer word of the name.

    Parameters
    ----------
    listings
        product_id and category_levels (a path of names).

    Returns
    -------
    dict
        By the name of the leaf, for each of its queries the ids of the leaf's listings. A word that
        is in the names of two leaves is a query of neither.

    Examples
    --------
    >>> paths = [["Home", "Lamps & Lighting"]] * 5
    >>> listings = pd.DataFrame({"product_id": list("abcde"), "category_levels": paths})
    >>> {leaf: list(queries) for leaf, queries in leaf_queries(listings).items()}
    {'Lamps & Lighting': ['Lamps & Lighting', 'lamps', 'lighting']}
    """
    queries = {name: {name: ids} for name, ids in category_queries(listings).items()}
    words = {name: dict.fromkeys(find_words(name.casefold())) for name in queries}
    leaves_of = Counter(word for leaf_words in words.values() for word in leaf_words)
    whole_names = {name.casefold() for name in queries}
    for name, leaf_words in words.items():
        for word in leaf_words:
            if leaves_of[word] == 1 and len(word) >= MIN_LETTERS and word not in whole_names:
                queries[name][word] = queries[name][name]
    return queries


@dataclass(frozen=True, eq=False)
class SimulatedSearch:
    """One search, and what its user clicked.

    Attributes
    ----------
    query
        The position of the query.
    shown
        (k,) the candidates shown, from the top, as positions among those of the query.
    clicked
        (k,) bool.
    """

    query: int
    shown: np.ndarray
    clicked: np.ndarray


def simulate_searches(
    served: Sequence[np.ndarray],
    relevant: Sequence[np.ndarray],
    clicker: Clicker,
    *,
    searches: int,
    disorder: float = 1.0,
    seed: int,
) -> list[SimulatedSearch]:
    """Simulate users who search, see a page of the served ranking, and click.

    Parameters
    ----------
    served
        For each of q queries the positions of its candidates, in the order that the engine serves.
    relevant
        For each query (candidates,) bool.
    clicker
        The users.
    searches
        The number of searches. Few queries are frequent, and most are rare.
    disorder
        The standard deviation, in places, of the noise in each ranking: listings come and go.
    seed
        Of all draws.
    """
    rng = np.random.default_rng(seed)
    shares = np.arange(1, len(served) + 1) ** -QUERY_EXPONENT
    shares = rng.permutation(shares / shares.sum())
    simulated = []
    for query in rng.choice(len(served), searches, p=shares).tolist():
        places = np.arange(len(served[query]))
        order = np.argsort(places + disorder * rng.standard_normal(len(places)), kind="stable")
        shown = served[query][order[: rng.integers(MIN_SHOWN, MAX_SHOWN + 1)]]
        clicked = clicker.click(relevant[query][shown], rng)
        simulated.append(SimulatedSearch(query, shown, clicked))
    return simulated
