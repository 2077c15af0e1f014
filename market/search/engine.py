"""The search engine: search, similar listings and recommendations.

A request has four steps. The filters decide which listings may be shown. Retrieval finds all
matches among them and chooses candidates. The ranker scores the candidates by features of the
query, the user and the listing. Recommendations and similar listings are then diversified.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from PIL import Image

from market.search.candidate_features import User, candidate_features, request_time
from market.search.cursor import Cursor
from market.search.distances import distance_km
from market.search.facets import no_facets, without_facet_filters
from market.search.filters import NO_FILTERS, Filters
from market.search.paging import PageRequest
from market.search.query import Query
from market.search.ranking import RankedMatches, SearchResult
from market.search.request_reader import RequestReader
from market.search.result_details import explanation_of, facets_of
from market.search.retrieval import Matches, browse, on_offer, retrieve
from market.search.rule_application import NO_SEARCH_RULES, SearchRules

MAX_RELATED = 12  # listings that are shown apart where the results end


@dataclass(frozen=True, eq=False)
class Engine(RequestReader):
    """Answers requests about listings in memory. Nothing changes it, so threads may share it.

    Its attributes, `load`, `with_changes` and look-ups are those of EngineData.

    A listing that passes the filters matches a query if it contains a word of it (after spelling
    correction and stemming), if its text is similar enough in meaning, or if one of its photos is
    similar enough to the photo (thresholds in `market.search.query`). Approximate vector indices
    miss some matches: see `VectorIndex.within`. Matches below the engine's cut-off are no results,
    but related. Without a query every listing that passes the filters matches, and the user's
    history decides their order. A price in words ("sofa under £100") becomes a filter.
    """

    # --- Requests -------------------------------------------------------------------------------
    def search(
        self,
        text: str = "",
        *,
        photo: Image.Image | None = None,
        like: str | None = None,
        history: pd.DataFrame | None = None,
        filters: Filters = NO_FILTERS,
        limit: int = 20,
        offset: int = 0,
        sort: str = "relevance",
        cursor: Cursor | None = None,
        collapse: bool = False,
        max_per_seller: int | None = None,
        facets: bool = False,
        explain: str | None = None,
    ) -> SearchResult:
        """Search by words, by a photo, by a listing, or by several of them.

        Parameters
        ----------
        text, photo, like
            The query in words; a photo of the product to find; the id of a listing that similar
            ones match.
        history
            The user's events: `product_id`, `event`, `timestamp`, in order of time.
        filters
            Conditions that all hits satisfy.
        limit, offset, sort, cursor, collapse, max_per_seller
            As in PageRequest.
        facets, explain
            Whether to count facets; the product id of a listing to explain.

        Raises
        ------
        KeyError
            If `like` is unknown or may not be shown, or `explain` is unknown.
        MarketError
            If the page, its order or a condition on an attribute is invalid.
        """
        understanding = self.understand(text, filters)
        corrected = self.correct(understanding.words)
        result = self._answer(
            self.build_query(
                corrected, photo=photo, like=like, category=filters.category, is_typing=True
            ),
            history,
            understanding.filters,
            PageRequest(limit, offset, sort, cursor, collapse, max_per_seller),
            rules=self.daily_rules.of_search(corrected, filters.category),
            excluded=None if like is None else self.same_product(like),
            facets=facets,
            explain=explain,
        )
        return replace(
            result,
            corrected_query=corrected if corrected != understanding.words else None,
            understood=understanding.understood,
            searched=corrected,
        )

    def similar(
        self,
        product_id: str,
        *,
        history: pd.DataFrame | None = None,
        filters: Filters = NO_FILTERS,
        limit: int = 12,
        offset: int = 0,
    ) -> SearchResult:
        """Find listings similar to one, diversified.

        `search(like=product_id)` has the same matches: never the listing, copies of it, or listings
        with the same photo. Copies of one product count once. Parameters are as for `search`.

        Raises
        ------
        KeyError
            If `product_id` is unknown, or may not be shown.
        """
        return self._answer(
            self.build_query(like=product_id),
            history,
            filters,
            PageRequest(limit, offset),
            excluded=self.same_product(product_id),
            diversified=True,
        )

    def recommend(
        self,
        history: pd.DataFrame | None,
        *,
        filters: Filters = NO_FILTERS,
        limit: int = 20,
        offset: int = 0,
        as_of: pd.Timestamp | None = None,
    ) -> SearchResult:
        """Recommend listings to a user, diversified; to a new user, a mix of all kinds.

        All listings that pass the filters match, except the user's history and copies of it.
        Copies of one product count once. Parameters are as for `search` and `candidates`.
        """
        return self._answer(
            Query(),
            history,
            filters,
            PageRequest(limit, offset),
            excluded=self.already_seen(history),
            diversified=True,
            as_of=as_of,
        )

    def _answer(
        self,
        query: Query,
        history: pd.DataFrame | None,
        filters: Filters,
        request: PageRequest,
        *,
        excluded: np.ndarray | None,
        rules: SearchRules | None = None,
        diversified: bool = False,
        as_of: pd.Timestamp | None = None,
        facets: bool = False,
        explain: str | None = None,
    ) -> SearchResult:
        """Retrieve, rank and diversify one page, without the listings `excluded` (n,)."""
        rules = self.daily_rules.everywhere if rules is None else rules
        place = self.place_of(filters)
        if filters.near and place is None:
            return SearchResult(
                [],
                0,
                unknown_place=filters.near,
                redirect=rules.redirect,
                facets=no_facets(self.catalogue) if facets else None,
            )
        distances = None if place is None else distance_km(*place, self.catalogue.sphere)
        allowed = self.allowed(filters, distances, rules.hidden)
        if excluded is not None:
            allowed &= ~excluded
        user = User.build(history, self.collaborative, as_of)
        matches, features = self._match(query, allowed, user, distances, rules)
        rank = partial(
            RankedMatches.score,
            query,
            ranker=self.ranker,
            catalogue=self.catalogue,
            distances=distances,
            now=request_time(as_of, self.catalogue, self.collaborative),
            rules=rules,
        )
        relevant, related = matches.divide(features)
        ranked = rank(*relevant)
        if diversified:
            result = ranked.diversified_page(self.vectors.texts, request)
        else:
            result = ranked.page(request)
        if result.next_cursor is None and len(result.hits) < request.limit:  # the results end
            best = PageRequest(min(request.limit, MAX_RELATED), collapse=request.collapse)
            result = replace(result, related=rank(*related).page(best).hits)
        if distances is not None and not np.any(distances <= (filters.radius_km or np.inf)):
            result = replace(result, empty_place=filters.place_name)
        result = replace(result, redirect=rules.redirect)
        return self._with_details(
            result, ranked, filters, request, allowed, excluded, facets, explain
        )

    def _with_details(
        self,
        result: SearchResult,
        ranked: RankedMatches,
        filters: Filters,
        request: PageRequest,
        allowed: np.ndarray,
        excluded: np.ndarray | None,
        facets: bool,
        explain: str | None,
    ) -> SearchResult:
        """Return a result with its facets and an explanation, if they are asked for."""
        distances, rules = ranked.distances, ranked.rules
        if facets:
            wide = self.allowed(without_facet_filters(filters), distances, rules.hidden)
            others = wide & ~allowed if excluded is None else wide & ~allowed & ~excluded
            counted = facets_of(ranked, filters, others, self.vectors, self.formats)
            result = replace(result, facets=counted)
        if explain is not None:
            hidden = self.daily_rules.hidden | rules.hidden
            explanation = explanation_of(
                explain, ranked, filters, request, allowed, self.vectors, self.formats, hidden
            )
            result = replace(result, explanation=explanation)
        return result

    # --- The steps ------------------------------------------------------------------------------
    def already_seen(self, history: pd.DataFrame | None) -> np.ndarray:
        """Return (n,) bool: the listings of a history, and copies of them."""
        if history is None:
            return np.zeros(len(self.catalogue), bool)
        positions = self.catalogue.positions(history["product_id"])
        return self.catalogue.in_groups_of(positions[positions >= 0])

    def candidates(
        self,
        query: Query,
        allowed: np.ndarray,
        history: pd.DataFrame | None = None,
        *,
        distances: np.ndarray | None = None,
        as_of: pd.Timestamp | None = None,
    ) -> tuple[np.ndarray, pd.DataFrame]:
        """Return the candidates of a query and their features.

        Parameters
        ----------
        query
            From `build_query`; an empty one to browse.
        allowed
            (n,) bool: the listings to choose from.
        history
            As for `search`.
        distances
            (n,) kilometres from the place that the user searches near.
        as_of
            The moment of the request, by default the latest one known. Features are computed as of
            then, and listings that were not yet on offer are left out.

        Returns
        -------
        positions, features
            (m,) positions, ascending, and m rows of features.
        """
        user = User.build(history, self.collaborative, as_of)
        matches, features = self._match(query, allowed, user, distances)
        return matches.candidates, features

    def _match(
        self,
        query: Query,
        allowed: np.ndarray,
        user: User,
        distances: np.ndarray | None,
        rules: SearchRules = NO_SEARCH_RULES,
    ) -> tuple[Matches, pd.DataFrame]:
        """Return the matches, and the features of the candidates among them."""
        if user.as_of is not None:
            allowed = allowed & on_offer(self.catalogue, self.collaborative, user.as_of)
        if query.empty:
            matches = browse(allowed, user.history, user.scores, self.catalogue, self.vectors)
        else:
            matches = retrieve(query, allowed, self.catalogue, self.vectors)
        matches = rules.extend(matches, allowed)
        features = candidate_features(
            query,
            matches.candidates,
            user,
            self.catalogue,
            self.vectors,
            feedback_weights=self.ranker.feedback,
            now=request_time(user.as_of, self.catalogue, self.collaborative),
            distances=distances,
        )
        return matches, features
