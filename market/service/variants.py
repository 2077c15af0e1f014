"""The two rankers of an experiment, and answers that use one of them, or both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from market.core.errors import MarketError
from market.search.cursor import START, Cursor, Floor, hash_ids
from market.search.engine import Engine
from market.search.experiments import INTERLEAVED, A, B, assign_variant
from market.search.exploration import seed_of, swap_pairs
from market.search.interleaving import team_draft
from market.search.ranking import Hit, SearchResult
from market.search.rule_application import PIN
from market.service.settings import Settings

# Hits of a search, over all pages, that are interleaved. Both rankings are computed up to the page,
# and the cursor has to remember them.
MAX_INTERLEAVED = 100
# Before the first hit by relevance. With START, the first page of A would forget listings of B.
RELEVANCE_START = Floor(0.0, *START[1:])


@dataclass(frozen=True)
class Experiment:
    """An experiment that the service runs.

    Attributes
    ----------
    name
        The name.
    share
        Of the users that get variant B, or interleaved answers.
    is_interleaved
        Whether these users get both rankings mixed, rather than B.
    """

    name: str
    share: float
    is_interleaved: bool

    @classmethod
    def from_settings(cls, settings: Settings) -> Experiment | None:
        """Return the experiment of the settings; None without a variant B.

        Raises
        ------
        MarketError
            If the settings name an experiment, but no variant B.
        """
        if settings.variant_b:
            return cls(
                settings.experiment or settings.variant_b,
                settings.variant_share,
                settings.variant_mode == "interleave",
            )
        if settings.experiment:
            raise MarketError(
                f"EXPERIMENT={settings.experiment!r} needs VARIANT_B, the models to compare with: "
                "set it, or unset EXPERIMENT"
            )
        return None

    def variant_of(self, user_id: str | None) -> str:
        """Return A, B or "A+B": what a user gets. A user without an id gets A."""
        if user_id is None or assign_variant(user_id, self.name, self.share) == A:
            return A
        return INTERLEAVED if self.is_interleaved else B


@dataclass(frozen=True, eq=False)
class Variant:
    """The ranking that a user gets.

    Attributes
    ----------
    name
        A, B, or "A+B" for both, interleaved.
    engine
        The engine of A or B; with "A+B" that of A.
    experiment
        The name of the experiment; None outside of one.
    other
        With "A+B", the engine of B.
    """

    name: str
    engine: Engine
    experiment: str | None = None
    other: Engine | None = None


@dataclass(frozen=True, eq=False)
class VariantResult:
    """A result, and how its order came about.

    Attributes
    ----------
    result
        The result.
    variant
        The ranking that made it.
    teams
        By product id of an interleaved result: A or B, the team of the listing.
    propensities
        By product id of an explored result: the probability with which the listing stands there.
    """

    result: SearchResult
    variant: Variant
    teams: dict[str, str] = field(default_factory=dict)
    propensities: dict[str, float] = field(default_factory=dict)


def find_with_variant(
    find: Callable[..., SearchResult],
    variant: Variant,
    *,
    limit: int,
    offset: int,
    cursor: Cursor | None,
    can_mix: bool,
    seed: int,
) -> VariantResult:
    """Run a search with the ranking of a variant.

    Parameters
    ----------
    find
        Takes an engine, `limit`, `offset` and, if `can_mix`, `cursor`.
    variant
        The ranking.
    limit, offset, cursor
        The page.
    can_mix
        Whether the search can be interleaved: one by relevance, without limits on copies and
        sellers. Other searches get A, outside of the experiment.
    seed
        Of the draft: the same on all pages of a search.
    """
    if variant.other is None:
        return VariantResult(find(variant.engine, limit=limit, offset=offset), variant)
    alone = Variant(A, variant.engine)
    if can_mix:
        draft = _Draft(find, variant.engine, variant.other, seed)
        mixed = draft.page_after(cursor, limit) if cursor else draft.page_at(offset, limit)
        if mixed is not None:
            return VariantResult(mixed, variant, draft.teams)
    return VariantResult(find(alone.engine, limit=limit, offset=offset), alone)


class _Draft:
    """Pages of a search whose first MAX_INTERLEAVED hits are interleaved.

    The others follow in the order of A. None stands for a page that A makes alone.
    """

    def __init__(
        self, find: Callable[..., SearchResult], engine_a: Engine, engine_b: Engine, seed: int
    ) -> None:
        self._find, self._a, self._b, self._seed = find, engine_a, engine_b, seed
        self.teams: dict[str, str] = {}

    def page_after(self, cursor: Cursor, limit: int) -> SearchResult | None:
        """Return the page after a cursor."""
        if cursor.floor != RELEVANCE_START or len(cursor.shown) + limit > MAX_INTERLEAVED:
            return None
        return self._mix(cursor, limit, self._seed + len(cursor.shown))

    def page_at(self, offset: int, limit: int) -> SearchResult | None:
        """Return the page at an offset, which is the same whatever pages came before."""
        end = offset + limit
        first = self._mix(Cursor(), min(end, MAX_INTERLEAVED), self._seed)
        if first is None:
            return None
        hits, cursor = first.hits[offset:], first.next_cursor
        result = replace(first, hits=hits, offset=offset)
        if end > MAX_INTERLEAVED and cursor is not None:
            rest = self._find(self._a, limit=end - MAX_INTERLEAVED, offset=0, cursor=cursor)
            hits = [*hits, *rest.hits[max(offset - MAX_INTERLEAVED, 0) :]]
            result = replace(rest, hits=hits, offset=offset)
        return result

    def _mix(self, cursor: Cursor, limit: int, seed: int) -> SearchResult | None:
        """Return a page of the draft after a cursor; None if a rule pins a listing."""
        a, b = (
            self._find(engine, limit=limit, offset=0, cursor=cursor)
            for engine in (self._a, self._b)
        )
        hits = {hit.product_id: hit for hit in (*b.hits, *a.hits)}
        if any(_is_pinned(hit) for hit in hits.values()):
            return None
        product_ids, teams = team_draft(
            [hit.product_id for hit in a.hits],
            [hit.product_id for hit in b.hits],
            len(a.hits),
            seed,
        )
        self.teams |= dict(zip(product_ids, teams, strict=True))
        after = None
        if a.next_cursor is not None:
            after = Cursor(RELEVANCE_START, np.union1d(cursor.shown, hash_ids(product_ids)))
        return replace(a, hits=[hits[each] for each in product_ids], next_cursor=after)


def explore(answer: VariantResult, chance: float, seed: str, search_id: str) -> VariantResult:
    """Return an answer with pairs of neighbours swapped by chance, and the probabilities.

    Parameters
    ----------
    answer
        A page by relevance that is not interleaved.
    chance
        As in `swap_pairs`.
    seed, search_id
        The same two give the same order.
    """
    hits: Sequence[Hit] = answer.result.hits
    fixed = np.array([_is_pinned(hit) for hit in hits], bool)
    order, propensities = swap_pairs(fixed, answer.result.offset, chance, seed_of(seed, search_id))
    hits = [hits[number] for number in order]
    return replace(
        answer,
        result=replace(answer.result, hits=hits),
        propensities={
            hit.product_id: float(each) for hit, each in zip(hits, propensities, strict=True)
        },
    )


def _is_pinned(hit: Hit) -> bool:
    return any(name.startswith(PIN) for name in hit.why)
