"""What the engine searches and ranks with: the listings, the models and the encoders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from PIL import Image

from market.core import paths
from market.core.formats import BRITISH, Formats
from market.search import gate
from market.search.catalogue import Catalogue
from market.search.changed_listings import ChangedListings
from market.search.collaborative import CollaborativeModel
from market.search.daily_rules import DailyRules, RuleBook
from market.search.encoders import CachedTextEncoder, PhotoEncoder
from market.search.filters import NO_FILTERS, Filters
from market.search.index import SearchIndex
from market.search.lexical import LexicalIndex
from market.search.listing_vectors import ListingVectors
from market.search.overlay import Collection
from market.search.ranker import Ranker
from market.search.ranking_models import RankingModels
from market.search.relevance import KEEP_ALL, Relevance
from market.search.rules import NO_RULES, Rules, words_of
from market.search.suggestions import SuggestionSource, read_searched

ANY_PRICE = Filters(flagged=True)


@dataclass(frozen=True, eq=False)
class EngineData:
    """n listings in memory, with models and encoders. Nothing changes it, so threads may share it.

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
    relevance
        Where the results of a search end.
    rules
        The rules of rules.yaml.
    rules_day
        The day whose rules apply; None is the day of the request (UTC).
    index
        The listings without the changes laid over them; None if there are no changes.
    suggestion_source
        Where suggested queries come from; None gathers them from the catalogue.
    """

    catalogue: Catalogue
    lexical: LexicalIndex
    vectors: ListingVectors
    ranker: Ranker
    collaborative: CollaborativeModel | None
    encode_text: Callable[[str], np.ndarray]
    encode_photo: Callable[[Image.Image], np.ndarray]
    formats: Formats = BRITISH
    relevance: Relevance = KEEP_ALL
    rules: Rules = NO_RULES
    rules_day: date | None = None
    index: Collection | None = None
    suggestion_source: SuggestionSource | None = None

    @classmethod
    def load(
        cls,
        index: Path = paths.SEARCH_INDEX,
        rank: Path | None = paths.RANKER,
        embed: Path = paths.PHOTO_EMBEDDER,
        prices: Path = paths.EXPECTED_PRICES,
        *,
        rules: Path | None = None,
        device: str = "cpu",
        encode_text: Callable[[str], np.ndarray] | None = None,
    ) -> Self:
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
        rules
            The file of rules; None for no rules.
        device
            Where networks run.
        encode_text
            The encoder of queries in words, by default a new CachedTextEncoder.

        Raises
        ------
        MarketError
            If the index and the prices are of different listings, or a rule is wrong.
        """
        search_index = SearchIndex.load(index)
        catalogue, vectors = _open_listings(search_index, prices)
        encode_photo = PhotoEncoder(
            embed, search_index.image_space, search_index.array_size, device
        )
        models = RankingModels.load(rank) if rank else RankingModels(Ranker.prior())
        engine = cls(
            catalogue=catalogue,
            lexical=search_index.lexical,
            vectors=vectors,
            ranker=models.ranker,
            collaborative=models.collaborative,
            encode_text=encode_text or CachedTextEncoder.of_index(search_index, device),
            encode_photo=encode_photo,
            formats=search_index.formats,
            relevance=models.relevance,
            suggestion_source=SuggestionSource(
                catalogue, search_index.lexical.language, read_searched(paths.FREQUENT_SEARCHES)
            ),
        )
        if rules is None:
            return engine
        return engine.with_rules(Rules.load(rules, engine.formats.language))

    def with_ranker(self, ranker: Ranker) -> Self:
        """Return this engine with another ranker."""
        return replace(self, ranker=ranker)

    def with_collaborative(self, collaborative: CollaborativeModel | None) -> Self:
        """Return this engine with another collaborative model, or with none."""
        return replace(self, collaborative=collaborative)

    def with_relevance(self, relevance: Relevance) -> Self:
        """Return this engine with other cut-offs of its results."""
        return replace(self, relevance=relevance)

    def with_models(self, models: RankingModels) -> Self:
        """Return this engine with other models of the ranking, over the same listings."""
        return replace(
            self,
            ranker=models.ranker,
            collaborative=models.collaborative,
            relevance=models.relevance,
        )

    @cached_property
    def suggestions(self) -> SuggestionSource:
        """Where suggested queries come from: the index, also when changes are laid over it."""
        return self.suggestion_source or SuggestionSource(self.catalogue, self.lexical.language)

    def with_rules(self, rules: Rules, day: date | None = None) -> Self:
        """Return this engine with other rules; parameters are as the attributes."""
        words = words_of(rules, self.lexical.language)
        index = self.index
        if index is not None:
            index = replace(index, lexical=index.lexical.with_rule_words(words))
        return replace(
            self,
            lexical=self.lexical.with_rule_words(words),
            index=index,
            rules=rules,
            rules_day=day,
        )

    @property
    def daily_rules(self) -> DailyRules:
        """The rules that apply now."""
        return self._rule_book.on(self.rules_day or datetime.now(UTC).date())

    @cached_property
    def _rule_book(self) -> RuleBook:
        return RuleBook(self.rules, self.catalogue, self.lexical.language)

    def with_changes(self, changed: ChangedListings) -> Self:
        """Return this engine over the listings of its index and changes to them.

        It starts from the index, whatever changes this engine has already: later changes replace
        earlier ones. See `market.search.overlay`; the first call prepares the index, which takes
        about a second for 100,000 listings.

        Parameters
        ----------
        changed
            All changes since the index was made.

        Raises
        ------
        ValueError
            If two changed listings have the same id.
        """
        collection = self._index.with_changes(changed)
        return replace(
            self,
            catalogue=collection.catalogue,
            lexical=collection.lexical.with_rule_words(words_of(self.rules, self.lexical.language)),
            vectors=collection.vectors,
            index=self._index,
        )

    @cached_property
    def _index(self) -> Collection:
        return self.index or Collection(self.catalogue, self.lexical, self.vectors)

    @property
    def listings(self) -> pd.DataFrame:
        """The table of the catalogue."""
        return self.catalogue.listings

    def listing(self, product_id: str) -> dict[str, Any]:
        """Return the fields of a listing that the page shows, sold ones included.

        Raises
        ------
        KeyError
            If there is no such listing, or the gate does not show it.
        """
        return self.catalogue.listing(self.position(product_id))

    def position(self, product_id: str) -> int:
        """Return the position of a listing; raises KeyError as `listing` does."""
        return gate.find(self.catalogue, product_id, hidden=self.daily_rules.hidden)

    def shows_photo(self, photo_index: int) -> bool:
        """Return whether a listing of a photo exists for users.

        Parameters
        ----------
        photo_index
            The position of the photo among the packed photos.
        """
        owners = self.catalogue.ids(self.catalogue.photos.owners_of(photo_index))
        hidden = self.daily_rules.hidden
        return any(gate.exists(self.catalogue, owner, hidden=hidden) for owner in owners)

    def allowed(
        self,
        filters: Filters,
        distances: np.ndarray | None = None,
        hidden: frozenset[str] = frozenset(),
    ) -> np.ndarray:
        """Return (n,) bool: the listings that an answer may show now (see `gate.showable`).

        `hidden` are ids that it must not show, beside those that a rule hides from all answers.
        """
        hidden = self.daily_rules.hidden | hidden
        return gate.showable(self.catalogue, filters, distances=distances, hidden=hidden)

    def place(self, name: str) -> tuple[float, float] | None:
        """Return latitude and longitude of a place, such as "Leeds"; None if it is unknown."""
        return self.catalogue.place(name)

    def places(self) -> list[str]:
        """Return the locations of listings whose place is known, the most frequent first."""
        return self.catalogue.locations(self.allowed(ANY_PRICE))

    def categories(self) -> list[tuple[str, int]]:
        """Return every category path, at each depth, with the number of its results, sorted.

        These are the listings that a search without words and other filters finds in it.
        """
        return self.catalogue.categories(self.allowed(NO_FILTERS))

    def photo_vectors(self, photo_indices: np.ndarray) -> np.ndarray:
        """Return the vectors (k, width) of photos by their positions among the packed photos."""
        return self.vectors.images.vectors(self.catalogue.photos.rows_of_photos(photo_indices))


def _open_listings(index: SearchIndex, prices: Path) -> tuple[Catalogue, ListingVectors]:
    """Return the catalogue of an index, with the prices of a table, and its vectors."""
    catalogue = Catalogue.build(
        index.listings,
        index.photos,
        index.places,
        pd.read_parquet(prices),
        index.gazetteer,
        index.attributes,
    )
    return catalogue, ListingVectors(
        index.texts, index.images, index.neighbours, catalogue.photos, index.unsmoothed
    )
