"""Retrieval: all listings that match a query, and the candidates among them for ranking."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from market.search.catalogue import Catalogue
from market.search.collaborative import CollaborativeModel
from market.search.collaborative_scores import CollaborativeScores
from market.search.comparison import Comparison
from market.search.listing_vectors import ListingVectors
from market.search.overlaid_vectors import Vectors
from market.search.query import MIN_IMAGE_SIMILARITY, Query

MAX_CANDIDATES = 200  # from each of BM25, text vectors and image vectors
MAX_PHOTOS = 2 * MAX_CANDIDATES  # most listings have two
MAX_BROWSED = 2000  # candidates without a query
RECENT_EVENTS = 20  # latest listings of a history whose neighbours are candidates


@dataclass(frozen=True, eq=False)
class Matches:
    """The listings that match a query.

    Attributes
    ----------
    candidates
        (m,) positions of the listings to rank, ascending.
    matched
        (n,) bool: all relevant matches.
    features
        By name, (n,) the feature that retrieved a listing, 0 elsewhere: they order the matches that
        are no candidates.
    related
        (n,) bool: matches below the cut-off, though not far; None if all are relevant.
    """

    candidates: np.ndarray
    matched: np.ndarray
    features: dict[str, np.ndarray]
    related: np.ndarray | None = None

    def divide(self, features: pd.DataFrame) -> tuple[Part, Part]:
        """Return the relevant matches and the related candidates, each with its features.

        Parameters
        ----------
        features
            A row for each candidate. Rows of candidates that are neither are left out.
        """
        if self.related is None:
            nothing = np.zeros(len(self.matched), bool)
            return (self, features), self._part(nothing, features)
        related = self.related & ~self.matched  # a rule may have placed a related listing
        return self._part(self.matched, features), self._part(related, features)

    def _part(self, kept: np.ndarray, features: pd.DataFrame) -> Part:
        """Return the matches (n,) `kept`, with the rows of candidates among them."""
        rows = kept[self.candidates]
        part = replace(self, candidates=self.candidates[rows], matched=kept, related=None)
        return part, features[rows].reset_index(drop=True)


Part = tuple[Matches, pd.DataFrame]


def retrieve(
    query: Query, allowed: np.ndarray, catalogue: Catalogue, vectors: ListingVectors
) -> Matches:
    """Find all matches of a query by its words, its text vector and its image vector.

    Each of them contributes its best MAX_CANDIDATES as candidates (MAX_PHOTOS for images). The
    candidates are chosen among all matches, relevant or not: features compare them.

    Parameters
    ----------
    query
        At least one part is given.
    allowed
        (n,) bool: the listings to search among.
    catalogue, vectors
        The n listings.
    """
    relevance = query.relevance
    matched = np.zeros(len(allowed), bool)
    features: dict[str, np.ndarray] = {}
    candidates = []
    if query.bm25 is not None:
        bm25 = np.where(allowed, query.bm25, 0)
        best = np.argpartition(-bm25, min(MAX_CANDIDATES, len(bm25) - 1))[:MAX_CANDIDATES]
        candidates.append(best[bm25[best] > 0])
        matched |= bm25 > 0
        features["bm25"] = np.square(bm25)
    if query.text_vector is not None:
        near, cosines = _within(
            query.text_vector, vectors.texts, None if relevance is None else relevance.texts,
            query.min_text_similarity, allowed, MAX_CANDIDATES,
        )  # fmt: skip
        candidates.append(near[_largest(cosines, MAX_CANDIDATES)])
        matched[near] = True
        features["text_similarity"] = np.zeros(len(allowed), np.float32)
        features["text_similarity"][near] = cosines
    if query.image_vector is not None:
        owner = catalogue.photos.owner
        rows, cosines = _within(
            query.image_vector, vectors.images, None if relevance is None else relevance.images,
            MIN_IMAGE_SIMILARITY, allowed[owner], MAX_PHOTOS,
        )  # fmt: skip
        candidates.append(owner[rows[_largest(cosines, MAX_PHOTOS)]])
        matched[owner[rows]] = True
        features["image_similarity"] = np.zeros(len(allowed), np.float32)
        np.maximum.at(features["image_similarity"], owner[rows], cosines)
    matches = Matches(np.unique(np.concatenate(candidates)), matched, features)
    return matches if query.relevance is None else _cut_off(matches, query)


def _within(
    vector: np.ndarray,
    index: Vectors,
    comparison: Comparison | None,
    min_similarity: float,
    allowed: np.ndarray,
    effort: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions and cosines as `VectorIndex.within`, from a comparison if there is one.

    The cut-off needs the cosines of all listings; without it, those of the allowed ones suffice.
    """
    if comparison is not None:
        return comparison.within(min_similarity, allowed, min_search_effort=effort)
    return index.within(vector[None], min_similarity, allowed, min_search_effort=effort)


def _cut_off(matches: Matches, query: Query) -> Matches:
    """Return the matches without the irrelevant ones; the candidates stay."""
    assert query.relevance is not None
    positions = np.flatnonzero(matches.matched)
    text, image = (
        matches.features[name][positions] if name in matches.features else None
        for name in ("text_similarity", "image_similarity")
    )
    bm25 = None if query.bm25 is None else query.bm25[positions]
    is_relevant, is_related = query.relevance.classify(bm25, text, image)
    relevant, related = np.zeros((2, len(matches.matched)), bool)
    relevant[positions], related[positions] = is_relevant, is_related
    return replace(matches, matched=relevant, related=related)


def browse(
    allowed: np.ndarray,
    history: pd.DataFrame,
    scores: CollaborativeScores | None,
    catalogue: Catalogue,
    vectors: ListingVectors,
) -> Matches:
    """Choose candidates without a query; every allowed listing matches.

    At most MAX_BROWSED candidates: listings near the latest of the history by text and by photos,
    those with the best collaborative features, and the newest.

    Parameters
    ----------
    allowed
        (n,) bool: the listings to choose from.
    history
        `product_id` of the user's events, in order of time.
    scores
        Of a collaborative model, for the user; None without a log.
    catalogue, vectors
        The n listings.
    """
    positions = np.flatnonzero(allowed)
    if len(positions) <= MAX_BROWSED:
        return Matches(positions, allowed, {})
    share = MAX_BROWSED // 4
    sources = [np.empty(0, np.int64)]
    recent = catalogue.positions(history["product_id"].drop_duplicates(keep="last"))
    recent = recent[recent >= 0][-RECENT_EVENTS:]
    if len(recent):
        owner = catalogue.photos.owner
        count = -(-share // len(recent))
        best = vectors.texts.search(vectors.texts.vectors(recent), count, allowed)[1]
        sources.append(best[best >= 0])
        images = vectors.mean_images(recent)
        best = vectors.images.search(images[images.any(1)], count, allowed[owner])[1]
        sources.append(owner[best[best >= 0]])
    if scores is not None:
        for name in ("co_occurrence", "next_item", "popularity"):
            values = scores.feature(name)
            best = catalogue.positions(values[values > 0].nlargest(share).index)
            sources.append(best[(best >= 0) & allowed[best]])
    chosen = np.unique(np.concatenate(sources))
    others = allowed.copy()
    others[chosen] = False
    newest = catalogue.newest_first[others[catalogue.newest_first]]
    newest = newest[: max(MAX_BROWSED - len(chosen), 0)]
    return Matches(np.unique(np.concatenate([chosen, newest])), allowed, {})


def on_offer(
    catalogue: Catalogue, collaborative: CollaborativeModel | None, as_of: pd.Timestamp
) -> np.ndarray:
    """Return (n,) bool: listings that may have been on offer at a time.

    Undated listings count as on offer. So does a listing with an earlier event, whatever its date:
    sellers replace photos, and the date is that of the first one.
    """
    later = np.flatnonzero(catalogue.created > as_of.to_datetime64())
    offered = np.ones(len(catalogue), bool)
    offered[later] = False
    if collaborative is not None and len(later):
        offered[later] = collaborative.seen_before(as_of, catalogue.ids(later))
    return offered


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Return the indices of the `count` largest values, or all if there are no more."""
    if len(values) <= count:
        return np.arange(len(values))
    return np.argpartition(-values, count)[:count]
