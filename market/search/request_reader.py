"""How the engine reads a request: its words, its photo, its place and the listing it is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from market.search.encoders import CachedTextEncoder
from market.search.engine_data import EngineData
from market.search.filters import NO_FILTERS, Filters
from market.search.prefixes import unfinished_word
from market.search.query import Query, build_query
from market.search.relevance import QueryRelevance
from market.search.understanding import Understanding, understand


@dataclass(frozen=True, eq=False)
class RequestReader(EngineData):
    """Makes queries of requests, over the listings and models of EngineData."""

    def encode_ahead(self, texts: Iterable[str]) -> None:
        """Encode the texts of several searches together, which is faster than one by one."""
        if isinstance(self.encode_text, CachedTextEncoder):
            words = [self.correct(self.understand(text).words) for text in texts]
            known = [text for text in words if self.lexical.knows(text)]
            if known:
                self.encode_text.encode_ahead(known)

    def understand(self, text: str, filters: Filters = NO_FILTERS) -> Understanding:
        """Return the words of a query, and the filters that its phrases add to `filters`."""
        return understand(text, filters, self.formats, self.lexical, self.catalogue)

    def correct(self, text: str) -> str:
        """Return a query with its spelling corrected; "" for one without words.

        An encoder maps "🔥" to the same vector as any other unknown sign.
        """
        if text.strip() and not self.lexical.language.words(text):
            return ""
        unfinished = unfinished_word(text, self.lexical)
        if unfinished is None:
            return self.lexical.correct_spelling(text)
        start = unfinished.start
        return self.lexical.correct_spelling(text[:start]) + text[start:]

    def build_query(
        self,
        text: str = "",
        *,
        photo: Image.Image | None = None,
        like: str | None = None,
        category: str | None = None,
        is_typing: bool = False,
    ) -> Query:
        """Encode a query: as for `search`, without correction; `is_typing` as in `build_query`.

        `category` is the filter, for which rules may have synonyms.
        """
        query = build_query(
            text,
            photo,
            None if like is None else self.position(like),
            lexical=self.lexical,
            vectors=self.vectors,
            encode_text=self.encode_text,
            encode_photo=self.encode_photo,
            synonyms=self.daily_rules.synonyms(text, category),
            is_typing=is_typing,
        )
        return query if like is not None or query.empty else self.with_end(query)

    def with_end(self, query: Query) -> Query:
        """Return a query whose results end at the cut-offs of this engine."""
        relevance = QueryRelevance.of(
            self.relevance,
            query.bm25,
            query.text_vector,
            query.image_vector,
            self.vectors.texts,
            self.vectors.images,
        )
        return replace(query, relevance=relevance)

    def place_of(self, filters: Filters) -> tuple[float, float] | None:
        """Return latitude and longitude of the place of the filters; None if none is known."""
        if filters.latitude is not None and filters.longitude is not None:
            return filters.latitude, filters.longitude
        return self.place(filters.near) if filters.near else None

    def same_product(self, product_id: str) -> np.ndarray:
        """Return (n,) bool: a listing, copies of it, and listings with one of its photos."""
        position = self.position(product_id)
        copies = self.catalogue.in_groups_of(np.array([position]))
        return copies | self.vectors.sharing_a_photo(position)
