"""The rules of one search: pins and boosts change its ranking, and a redirect leads elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from market.search.retrieval import MAX_CANDIDATES, Matches
from market.search.rule_kinds import Redirect

# Prefixes of the names under which the reasons of a hit have a boost and a pin.
BOOST, PIN = "boost:", "pin:"


def rule_text(name: str, contribution: float) -> str | None:
    """Return the text of a reason that is a rule, None if it is none.

    Examples
    --------
    >>> rule_text("boost:own brand", 0.5), rule_text("pin:summer", 0.0), rule_text("bm25", 1.0)
    ('raised by rule ‘own brand’', 'placed by rule ‘summer’', None)
    """
    if name.startswith(PIN):
        return f"placed by rule ‘{name.removeprefix(PIN)}’"
    if name.startswith(BOOST):
        verb = "raised" if contribution > 0 else "lowered"
        return f"{verb} by rule ‘{name.removeprefix(BOOST)}’"
    return None


@dataclass(frozen=True)
class PinnedListing:
    """A listing at a place of the results.

    Attributes
    ----------
    rule
        The name of the rule.
    product_id, position
        The listing, and its position in the catalogue.
    place
        From 0.
    """

    rule: str
    product_id: str
    position: int
    place: int


@dataclass(frozen=True, eq=False)
class RaisedListings:
    """Listings whose score is multiplied.

    Attributes
    ----------
    rule
        The name of the rule.
    listings
        (n,) bool.
    factor
        Below 1 lowers the score.
    """

    rule: str
    listings: np.ndarray
    factor: float


@dataclass(frozen=True, eq=False)
class SearchRules:
    """The rules of one search.

    Attributes
    ----------
    pins
        In order of their places.
    boosts
        The raised and lowered listings.
    hidden
        Product ids that the search must not show, beside those that no answer shows.
    redirect
        Where the search leads instead.
    """

    pins: tuple[PinnedListing, ...] = ()
    boosts: tuple[RaisedListings, ...] = ()
    hidden: frozenset[str] = frozenset()
    redirect: Redirect | None = None

    def extend(self, matches: Matches, allowed: np.ndarray) -> Matches:
        """Make candidates of pinned listings, and of the best matches that a rule raises.

        Parameters
        ----------
        matches
            From `retrieve` or `browse`.
        allowed
            (n,) bool: a pinned listing that is not allowed stays out.
        """
        pinned = np.array([pin.position for pin in self.pins if allowed[pin.position]], np.int64)
        added = [matches.candidates, pinned]
        for boost in self.boosts:
            raised = np.flatnonzero(boost.listings & matches.matched)
            if boost.factor > 1 and len(raised):
                similarity = sum(
                    (values[raised] for values in matches.features.values()),
                    np.zeros(len(raised)),
                )
                added.append(raised[np.argsort(-similarity, kind="stable")[:MAX_CANDIDATES]])
        if not self.pins and len(added) == 2:
            return matches
        matched = matches.matched.copy()
        matched[pinned] = True
        return replace(matches, candidates=np.unique(np.concatenate(added)), matched=matched)

    def boost(
        self, candidates: np.ndarray, scores: np.ndarray, contributions: pd.DataFrame
    ) -> tuple[np.ndarray, pd.DataFrame]:
        """Multiply the scores of raised and lowered listings.

        Parameters
        ----------
        candidates
            (m,) positions.
        scores, contributions
            From `Ranker.score`.

        Returns
        -------
        scores, contributions
            With a column for each rule; contributions still add up to the scores. A negative score
            moves by as much as a positive one would, in the same direction.
        """
        factor = np.ones(len(candidates))
        columns = {}
        for boost in self.boosts:
            step = np.where(boost.listings[candidates], boost.factor, 1.0)
            columns[BOOST + boost.rule] = np.abs(scores) * factor * (step - 1)
            factor = factor * step
        if not columns:
            return scores, contributions
        added = pd.DataFrame(columns, index=contributions.index)
        return scores + added.to_numpy().sum(1), pd.concat([contributions, added], axis=1)

    def place(self, order: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """Move pinned listings to their places; all others keep their order.

        Parameters
        ----------
        order
            (m,) indices into `candidates`, best first.
        candidates
            (m,) positions.

        Returns
        -------
        ndarray
            (m,). A place behind the last listing becomes the last place.
        """
        index_of = {int(candidates[index]): index for index in order}
        pins = [pin for pin in self.pins if pin.position in index_of]
        if not pins:
            return order
        pinned = [index_of[pin.position] for pin in pins]
        placed = order[~np.isin(order, pinned)].tolist()
        for pin, index in zip(pins, pinned, strict=True):  # ascending, so no later one moves it
            placed.insert(pin.place, index)
        return np.array(placed, order.dtype)

    def reasons(self, product_id: str) -> dict[str, float]:
        """Return the reason of a listing that a rule has placed, which adds nothing to a score."""
        return {PIN + pin.rule: 0.0 for pin in self.pins if pin.product_id == product_id}


NO_SEARCH_RULES = SearchRules()
