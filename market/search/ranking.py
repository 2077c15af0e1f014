"""Ranking: hits from scored candidates, then from the matches that are no candidates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from market.search.candidate_features import freshness
from market.search.catalogue import Catalogue
from market.search.cursor import Cursor
from market.search.diversity import diversify, first_of_each_group
from market.search.explanation import Explanation, Obstacle
from market.search.facets import Facets
from market.search.feature_names import QUERY_FEATURES
from market.search.match_order import MatchOrder, best_first
from market.search.overlaid_vectors import Vectors
from market.search.paging import PageRequest, keep_within_limits, take_page
from market.search.query import MIN_IMAGE_SIMILARITY, Query
from market.search.ranker import Ranker
from market.search.retrieval import Matches
from market.search.rule_application import NO_SEARCH_RULES, SearchRules
from market.search.rule_kinds import Redirect


@dataclass(frozen=True)
class Hit:
    """A listing of a result.

    Attributes
    ----------
    product_id
        The listing.
    score
        Higher ranks first, except where diversity intervenes.
    why
        The contribution of each feature to the score, the largest first.
    distance_km
        From the place of the filters; None without one, or if the listing's place is unknown.
    copies
        With `collapse`: the number of other matches that are copies of the listing.
    """

    product_id: str
    score: float
    why: dict[str, float]
    distance_km: float | None
    copies: int | None = None


@dataclass(frozen=True)
class SearchResult:
    """A page of hits.

    Offsets up to `total` page through all matches, each once. By relevance the candidates come
    first, in the ranker's order. The other matches follow: for a query by the ranker's weights of
    its own features alone, otherwise by date, the newest first. Any other `sort` orders all of them
    by it, those with an unknown value last, and equal ones by relevance.

    Attributes
    ----------
    hits
        The page.
    total
        The number of hits on all pages: the relevant matches, less those that `collapse` and
        `max_per_seller` leave out.
    corrected_query
        The query after spelling correction, if that changed it; "" for a query without a word to
        search for ("the", "🔥"), which is answered like an empty one.
    unknown_place
        The filter `near`, if no such place is known; then there are no hits.
    empty_place
        The place of the filters, if it is known, but no listing has a known place within reach.
    related
        On the page where the results end: the best matches below the cut-off of relevance, which
        `total` does not count.
    understood
        Filters that come from the words of the query: `price_min`, `price_max`.
    searched
        The words that were searched for.
    next_cursor
        Of the next page; None if this is the last, or if the request has no cursors.
    facets
        If the request asks for them.
    explanation
        Why a listing is shown or not, if the request asks for one.
    redirect
        Where a rule says that the search leads instead.
    offset
        The number of hits on earlier pages.
    """

    hits: list[Hit]
    total: int
    corrected_query: str | None = None
    unknown_place: str | None = None
    empty_place: str | None = None
    related: list[Hit] = field(default_factory=list)
    understood: dict[str, float] = field(default_factory=dict)
    searched: str = ""
    next_cursor: Cursor | None = None
    facets: Facets | None = None
    explanation: Explanation | None = None
    redirect: Redirect | None = None
    offset: int = 0


@dataclass(frozen=True, eq=False)
class RankedMatches:
    """The matches of a query with the scores of the candidates.

    Attributes
    ----------
    query
        The query.
    matches
        The matches from `retrieve` or `browse`.
    ranker
        The ranker for this query.
    catalogue
        The n listings.
    distances
        (n,) kilometres from the place of the filters, if there is one.
    now
        The moment of the request.
    scores
        (m,) of the candidates.
    contributions
        m rows: the contribution of each feature to the score, which is their sum.
    rules
        The rules of the search: boosts have changed the scores, and pins have places.
    """

    query: Query
    matches: Matches
    ranker: Ranker
    catalogue: Catalogue
    distances: np.ndarray | None
    now: pd.Timestamp
    scores: np.ndarray
    contributions: pd.DataFrame
    rules: SearchRules

    @classmethod
    def score(
        cls,
        query: Query,
        matches: Matches,
        features: pd.DataFrame,
        ranker: Ranker,
        catalogue: Catalogue,
        *,
        distances: np.ndarray | None,
        now: pd.Timestamp,
        rules: SearchRules = NO_SEARCH_RULES,
    ) -> RankedMatches:
        """Score the candidates.

        Parameters
        ----------
        query, matches, catalogue, distances, now, rules
            See the class.
        features
            A row for each candidate.
        ranker
            Its weights are adapted to the parts of the query.
        """
        ranker = ranker.with_weights(
            query.weigh({name: ranker.weights.get(name, 0.0) for name in QUERY_FEATURES})
        )
        scores, contributions = rules.boost(matches.candidates, *ranker.score(features))
        return cls(query, matches, ranker, catalogue, distances, now, scores, contributions, rules)

    def page(self, request: PageRequest) -> SearchResult:
        """Return a page of the hits."""
        complete = not request.reads_only(len(self.matches.candidates))
        page = take_page(
            self.order(request.sort, complete=complete),
            request,
            self.catalogue,
            total=int(self.matches.matched.sum()),
        )
        hits = self.hits(page.positions)
        if page.copies is not None:
            hits = [
                replace(hit, copies=int(count))
                for hit, count in zip(hits, page.copies, strict=True)
            ]
        return SearchResult(hits, page.total, next_cursor=page.next_cursor, offset=page.offset)

    def diversified_page(self, texts: Vectors, request: PageRequest) -> SearchResult:
        """Return a page of diversified hits, one of each group, by relevance and without cursors.

        Parameters
        ----------
        texts
            n text vectors.
        request
            Its limit and offset.
        """
        candidates, end = self.matches.candidates, request.offset + request.limit
        order = diversify(
            self._candidate_order(), candidates, self.scores, self.catalogue.group, texts, end
        )
        total = int(self.catalogue.groups_of(self.matches.matched).sum())
        positions = candidates[order[request.offset : end]]
        if end > len(order) and total > len(order):
            remaining = self.remaining(one_of_each=True).positions
            remaining = remaining[max(request.offset - len(order), 0) : end - len(order)]
            positions = np.concatenate([positions, remaining])
        return SearchResult(self.hits(positions), total, offset=request.offset)

    def order(self, sort: str, *, complete: bool = True) -> MatchOrder:
        """Return the order of the matches.

        Parameters
        ----------
        sort
            One of SORTS.
        complete
            Whether to order all matches, or the candidates alone by relevance.
        """
        order = self._candidate_order()
        ranked = MatchOrder.of_tier(self.matches.candidates[order], self.scores[order], tier=0)
        if complete:
            ranked = ranked.followed_by(self.remaining())
        return ranked.sorted_by(sort, self.catalogue, self.distances)

    def explain(self, position: int, request: PageRequest) -> Explanation:
        """Return the rank of a listing that passes the filters, or why it is not shown."""
        product_id = self.catalogue.ids([position])[0]
        if not self.matches.matched[position]:
            return Explanation(product_id, None, (self.no_match(self.matches, position),))
        positions = self.order(request.sort).positions
        kept = positions[keep_within_limits(positions, request, self.catalogue)]
        ranks = np.flatnonzero(kept == position)
        if len(ranks):
            return Explanation(product_id, int(ranks[0]) + 1)
        group = self.catalogue.group
        copies = np.flatnonzero(group[kept] == group[position])
        if request.collapse and len(copies):
            copy = self.catalogue.ids([kept[copies[0]]])[0]
            obstacle = Obstacle(
                "copy", f"it is a copy of {copy}, which collapse shows at rank {copies[0] + 1}"
            )
        else:
            obstacle = Obstacle(
                "seller_limit",
                f"max_per_seller is {request.max_per_seller}, and that many listings of its "
                "seller rank higher",
            )
        return Explanation(product_id, None, (obstacle,))

    def no_match(self, matches: Matches, position: int) -> Obstacle:
        """Return the reason why a listing that is not among some matches is not shown."""
        if any(values[position] > 0 for values in matches.features.values()):
            return Obstacle(
                "below_cut_off", "it matches a little, but is below the cut-off of relevance"
            )
        needs = []
        if self.query.bm25 is not None:
            needs.append("it has no word of the query")
        if self.query.text_vector is not None:
            needs.append(f"the similarity of its text is below {self.query.min_text_similarity:g}")
        if self.query.image_vector is not None:
            needs.append(f"the similarity of its photos is below {MIN_IMAGE_SIMILARITY:g}")
        return Obstacle("no_match", "it does not match: " + ", and ".join(needs))

    def _candidate_order(self) -> np.ndarray:
        """Return the indices of the candidates, best first but for those that a rule places."""
        order = best_first(self.scores, self.matches.candidates, self.catalogue)
        return self.rules.place(order, self.matches.candidates)

    def remaining(self, *, one_of_each: bool = False) -> MatchOrder:
        """Order the matches that are no candidates, as SearchResult describes.

        Parameters
        ----------
        one_of_each
            Keep the first listing of each group only, and none that shares a group with a
            candidate.
        """
        remaining = self.matches.matched.copy()
        remaining[self.matches.candidates] = False
        if self.query.empty:
            positions = self.catalogue.newest_first[remaining[self.catalogue.newest_first]]
            created = self.catalogue.created[positions]
            scores = np.where(np.isnat(created), -np.inf, created.astype("int64").astype(float))
        else:
            positions = np.flatnonzero(remaining)
            scores = np.zeros(len(positions))
            for name, values in self.matches.features.items():
                scores += self.ranker.weights[name] * values[positions]
        order = best_first(scores, positions, self.catalogue)
        positions, scores = positions[order], scores[order]
        if one_of_each:
            group = self.catalogue.group
            kept = ~self.catalogue.groups_of(self.matches.candidates)[group[positions]]
            kept[kept] = first_of_each_group(group[positions[kept]])
            positions, scores = positions[kept], scores[kept]
        return MatchOrder.of_tier(positions, scores, tier=1)

    def hits(self, positions: np.ndarray) -> list[Hit]:
        """Make hits of matches (k,): candidates and others, in any order."""
        candidates = self.matches.candidates
        index = np.searchsorted(candidates, positions)
        index[index == len(candidates)] = 0
        ranked = candidates[index] == positions if len(candidates) else np.zeros(len(index), bool)
        parts_of = [(positions[ranked], self.contributions.iloc[index[ranked]])]
        if not ranked.all():
            others = positions[~ranked]
            parts_of.append((others, self._own_contributions(others)))
        made = {
            int(position): hit
            for chosen, parts in parts_of
            for position, hit in zip(
                chosen, make_hits(chosen, parts, self.catalogue, self.distances), strict=True
            )
        }
        hits = [made[int(position)] for position in positions]
        if not self.rules.pins:
            return hits
        return [replace(hit, why=self.rules.reasons(hit.product_id) | hit.why) for hit in hits]

    def _own_contributions(self, positions: np.ndarray) -> pd.DataFrame:
        """Return the contributions (k rows) to the scores of matches that are no candidates."""
        own_features = {name: values[positions] for name, values in self.matches.features.items()}
        if self.query.empty:
            own_features["recency"] = np.nan_to_num(freshness(positions, self.catalogue, self.now))
        return self.ranker.without_trees().score(pd.DataFrame(own_features))[1]


def make_hits(
    positions: np.ndarray,
    contributions: pd.DataFrame,
    catalogue: Catalogue,
    distances: np.ndarray | None,
) -> list[Hit]:
    """Make hits of listings.

    Parameters
    ----------
    positions
        (k,) positions.
    contributions
        k rows: the contribution of each feature to the score, which is their sum.
    catalogue
        The n listings.
    distances
        (n,) kilometres from the filter `near`, if there is one.
    """
    names = list(contributions.columns)
    hits = []
    ids = catalogue.ids(positions)
    for product_id, position, parts in zip(ids, positions, contributions.to_numpy(), strict=True):
        largest_first = np.argsort(-np.abs(parts), kind="stable")
        distance = np.nan if distances is None else distances[position]
        hits.append(
            Hit(
                product_id=product_id,
                score=float(parts.sum()),
                why={names[column]: float(parts[column]) for column in largest_first
                     if parts[column]},
                distance_km=None if np.isnan(distance) else float(distance),
            )
        )  # fmt: skip
    return hits
