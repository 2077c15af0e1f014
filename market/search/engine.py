"""The search engine: search, similar listings and recommendations.

A request has four steps. The filters decide which listings may be shown. Retrieval finds all
matches among them and chooses candidates. The ranker scores the candidates by features of the
query, the user and the listing. Recommendations and similar listings are then diversified.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from market.core import paths
from market.core.formats import BRITISH, Formats
from market.search.candidate_features import User, candidate_features, request_time
from market.search.catalogue import Catalogue
from market.search.collaborative import CollaborativeModel
from market.search.distances import distance_km
from market.search.encoders import CachedTextEncoder, PhotoEncoder
from market.search.filters import NO_FILTERS, Filters, allowed_listings
from market.search.index import SearchIndex
from market.search.lexical import LexicalIndex
from market.search.listing_vectors import ListingVectors
from market.search.query import Query, build_query
from market.search.ranker import Ranker
from market.search.ranking import SearchResult, rank_page
from market.search.ranking_models import RankingModels
from market.search.retrieval import Matches, browse, on_offer, retrieve


@dataclass(frozen=True, eq=False)
class Engine:
    """Searches n listings in memory. Nothing changes it, so threads may share it.

    Attributes
    ----------
    catalogue
        The listings.
    lexical
        The words of the listings.
    vectors
        The vectors of the listings.
    ranker
        Scores candidates.
    collaborative
        Features from the interactions of all users; None without a log.
    encode_text, encode_photo
        Return the unit vector of a query in words, and of a photo.
    formats
        Currency, language and country of the listings.
    """

    catalogue: Catalogue
    lexical: LexicalIndex
    vectors: ListingVectors
    ranker: Ranker
    collaborative: CollaborativeModel | None
    encode_text: Callable[[str], np.ndarray]
    encode_photo: Callable[[Image.Image], np.ndarray]
    formats: Formats = BRITISH

    @classmethod
    def load(
        cls,
        index: Path = paths.SEARCH_INDEX,
        rank: Path | None = paths.RANKER,
        embed: Path = paths.PHOTO_EMBEDDER,
        prices: Path = paths.EXPECTED_PRICES,
        *,
        device: str = "cpu",
        encode_text: Callable[[str], np.ndarray] | None = None,
    ) -> Engine:
        """Open the outputs of the pipeline. Networks are loaded when they are first needed.

        Parameters
        ----------
        index
            The folder of the SearchIndex.
        rank
            The folder of the ranker and the collaborative model; None uses prior weights.
        embed
            The folder of the photo network.
        prices
            The table of expected prices.
        device
            Where networks run.
        encode_text
            The encoder of queries in words, by default a new CachedTextEncoder.

        Raises
        ------
        MarketError
            If the index and the prices are of different listings.
        """
        search_index = SearchIndex.load(index)
        catalogue = Catalogue.build(
            search_index.listings,
            search_index.photos,
            search_index.places,
            pd.read_parquet(prices),
            search_index.gazetteer,
            search_index.attributes,
        )
        vectors = ListingVectors(
            search_index.texts, search_index.images, search_index.neighbours, catalogue.photos
        )
        encode_photo = PhotoEncoder(
            embed, search_index.image_space, search_index.array_size, device
        )
        models = RankingModels.load(rank) if rank else RankingModels(Ranker.prior())
        return cls(
            catalogue=catalogue,
            lexical=search_index.lexical,
            vectors=vectors,
            ranker=models.ranker,
            collaborative=models.collaborative,
            encode_text=encode_text or CachedTextEncoder.of_index(search_index, device),
            encode_photo=encode_photo,
            formats=search_index.formats,
        )

    def with_ranker(self, ranker: Ranker) -> Engine:
        """Return this engine with another ranker."""
        return replace(self, ranker=ranker)

    def with_collaborative(self, collaborative: CollaborativeModel | None) -> Engine:
        """Return this engine with another collaborative model, or with none."""
        return replace(self, collaborative=collaborative)

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
    ) -> SearchResult:
        """Search by words, by a photo, by a listing, or by several of them.

        A listing that passes the filters matches if it contains a word of the query (after spelling
        correction and stemming), if its text is similar enough in meaning, or if one of its photos
        is similar enough to the photo (thresholds in `market.search.query`). Without a query every
        listing that passes the filters matches, and the user's history decides their order.
        Approximate vector indices miss some matches: see `VectorIndex.within`.

        Parameters
        ----------
        text
            The query in words.
        photo
            A photo of the product to find.
        like
            The product id of a listing; similar ones match.
        history
            The user's events: `product_id`, `event`, `timestamp`, in order of time.
        filters
            Conditions that all hits satisfy.
        limit, offset
            The page: hits `offset` … `offset + limit - 1`.

        Raises
        ------
        KeyError
            If `like` is unknown.
        """
        # An encoder maps "🔥" to the same vector as any other unknown sign, so a text without words
        # counts as empty.
        has_words = self.lexical.language.words(text) or not text.strip()
        corrected = self.lexical.correct_spelling(text) if has_words else ""
        result = self._answer(
            self.build_query(corrected, photo=photo, like=like),
            history,
            filters,
            limit,
            offset,
            excluded=None if like is None else self._same_product(like),
        )
        return replace(result, corrected_query=corrected if corrected != text else None)

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
            If `product_id` is unknown.
        """
        return self._answer(
            self.build_query(like=product_id),
            history,
            filters,
            limit,
            offset,
            excluded=self._same_product(product_id),
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
            limit,
            offset,
            excluded=self.already_seen(history),
            diversified=True,
            as_of=as_of,
        )

    def _answer(
        self,
        query: Query,
        history: pd.DataFrame | None,
        filters: Filters,
        limit: int,
        offset: int,
        *,
        excluded: np.ndarray | None,
        diversified: bool = False,
        as_of: pd.Timestamp | None = None,
    ) -> SearchResult:
        """Retrieve, rank and diversify one page, without the listings `excluded` (n,)."""
        distances = None
        if filters.near:
            place = self.place(filters.near)
            if place is None:
                return SearchResult([], 0, unknown_place=filters.near)
            distances = distance_km(*place, self.catalogue.sphere)
        allowed = self.allowed(filters, distances)
        if excluded is not None:
            allowed &= ~excluded
        user = User.build(history, self.collaborative, as_of)
        matches, features = self._match(query, allowed, user, distances)
        result = rank_page(
            query,
            matches,
            features,
            self.ranker,
            self.catalogue,
            self.vectors.texts,
            limit=limit,
            offset=offset,
            diversified=diversified,
            distances=distances,
            now=request_time(as_of, self.catalogue, self.collaborative),
        )
        if distances is not None and not np.any(distances <= (filters.radius_km or np.inf)):
            result = replace(result, empty_place=filters.near)
        return result

    # --- The steps ------------------------------------------------------------------------------
    def build_query(
        self, text: str = "", *, photo: Image.Image | None = None, like: str | None = None
    ) -> Query:
        """Encode a query. Parameters are as for `search`; the spelling is not corrected."""
        return build_query(
            text,
            photo,
            None if like is None else self.catalogue.position(like),
            lexical=self.lexical,
            vectors=self.vectors,
            encode_text=self.encode_text,
            encode_photo=self.encode_photo,
        )

    def allowed(self, filters: Filters, distances: np.ndarray | None = None) -> np.ndarray:
        """Return (n,) bool: the listings that pass the filters (see `allowed_listings`)."""
        return allowed_listings(self.catalogue, filters, distances)

    def already_seen(self, history: pd.DataFrame | None) -> np.ndarray:
        """Return (n,) bool: the listings of a history, and copies of them."""
        if history is None:
            return np.zeros(len(self.catalogue), bool)
        positions = self.catalogue.positions(history["product_id"])
        return self.catalogue.in_groups_of(positions[positions >= 0])

    def _same_product(self, product_id: str) -> np.ndarray:
        """Return (n,) bool: a listing, copies of it, and listings with one of its photos."""
        position = self.catalogue.position(product_id)
        copies = self.catalogue.in_groups_of(np.array([position]))
        return copies | self.vectors.sharing_a_photo(position)

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
        self, query: Query, allowed: np.ndarray, user: User, distances: np.ndarray | None
    ) -> tuple[Matches, pd.DataFrame]:
        """Return the matches, and the features of the candidates among them."""
        if user.as_of is not None:
            allowed = allowed & on_offer(self.catalogue, self.collaborative, user.as_of)
        if query.empty:
            matches = browse(
                allowed, user.history, user.collaborative_features, self.catalogue, self.vectors
            )
        else:
            matches = retrieve(query, allowed, self.catalogue, self.vectors)
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

    # --- Look-ups -------------------------------------------------------------------------------
    @property
    def listings(self) -> pd.DataFrame:
        """The table of the catalogue."""
        return self.catalogue.listings

    def listing(self, product_id: str) -> dict[str, Any]:
        """Return the fields of a listing that the page shows. KeyError for an unknown id."""
        return self.catalogue.listing(product_id)

    def place(self, name: str) -> tuple[float, float] | None:
        """Return latitude and longitude of a place, such as "Leeds"; None if it is unknown."""
        return self.catalogue.place(name)

    def places(self) -> list[str]:
        """Return the locations of listings whose place is known, the most frequent first."""
        return self.catalogue.locations()

    def categories(self) -> list[tuple[str, int]]:
        """Return every category path, at each depth, with the number of its listings, sorted."""
        return self.catalogue.categories()

    def photo_vectors(self, photo_indices: np.ndarray) -> np.ndarray:
        """Return the vectors (k, width) of photos by their positions among the packed photos."""
        return self.vectors.images.vectors(self.catalogue.photos.rows_of_photos(photo_indices))
