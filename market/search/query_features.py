"""Features of candidates for a query: how well words, text and photos match it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from market.search.feature_names import MATCH_FEATURES, rank_detail
from market.search.listing_vectors import ListingVectors
from market.search.query import Query
from market.search.user_features import Attributes

FEEDBACK_COUNT = 5  # best candidates that refine the query
FEEDBACK_WEIGHT = 0.6  # of their text vectors beside the query's
RANK_CONSTANT = 60  # of reciprocal rank fusion


def query_features(
    query: Query,
    candidates: np.ndarray,
    attributes: Attributes,
    vectors: ListingVectors,
    feedback_weights: dict[str, float],
) -> pd.DataFrame:
    """Compute the query features of candidates.

    - `bm25`: the square of the BM25 score. Squared, because a listing with all words of the query
      is far more often relevant than a listing with half of them.
    - `text_similarity` and `image_similarity`: the cosine, as a share of the largest.

    For queries in words also:

    - `text_similarity.neighbours`: `bm25` and `text_similarity`, averaged over the listing's
      neighbours.
    - `bm25.phrase`: the share of the query's pairs of adjacent words that are adjacent in the
      listing's name.
    - `….reciprocal_rank` of each MATCH_FEATURE: 61 / (60 + place), so that equal weights of these
      make a reciprocal rank fusion.
    - what lets the weights depend on the query: `bm25.covered` is `bm25` times the largest BM25
      score of any listing; `text_similarity.uncovered` is `text_similarity` times what that score
      lacks to 1, `.unknown` times the share of words that no listing contains, and `.short`
      divided by the number of words.

    A query in words is refined by pseudo-relevance feedback (Rocchio 1971): its text vector moves
    towards the best FEEDBACK_COUNT candidates, and without a photo in the query, similarity to
    their photos becomes `image_similarity`.

    Parameters
    ----------
    query
        The query; none of its parts need be given.
    candidates
        (m,) positions.
    attributes
        The attributes of the candidates.
    vectors
        The vectors of all listings.
    feedback_weights
        Weights of these features that choose the listings to learn from. They must not be the
        ranker's own weights, which are chosen on these very features.

    Returns
    -------
    DataFrame
        m rows; a column for each feature that the query allows, 0 … 1. NaN without photos.
    """
    features: dict[str, np.ndarray] = {}
    if query.bm25 is not None:
        features["bm25"] = np.square(query.bm25[candidates])
    if query.text_vector is not None:
        features["text_similarity"] = _share_of_largest(attributes.text @ query.text_vector)
    if query.image_vector is not None:
        features["image_similarity"] = _share_of_largest(
            vectors.max_image_similarity(query.image_vector, candidates)
        )
    if query.bm25 is not None and query.text_vector is not None and len(candidates):
        text_features = _TextFeatures(query.bm25, candidates, attributes.text, vectors)
        features |= text_features(query.text_vector)
        best, shares = _feedback(features, query.weigh(feedback_weights))
        feedback_vector = shares @ attributes.text[best]
        features |= text_features(query.text_vector + FEEDBACK_WEIGHT * feedback_vector)
        if query.image_vector is None:
            images = attributes.photo
            similarity = _share_of_largest(images @ (shares @ images[best]))
            features["image_similarity"] = np.where(images.any(1), similarity, np.nan)
    if query.bm25 is not None:
        features |= _details(features, query, query.bm25, candidates)
    return pd.DataFrame(features, index=range(len(candidates)))


class _TextFeatures:
    """Computes the text features of candidates for any text vector of one query in words."""

    def __init__(
        self, bm25: np.ndarray, candidates: np.ndarray, texts: np.ndarray, vectors: ListingVectors
    ) -> None:
        self._texts = texts
        neighbours, columns = np.unique(vectors.neighbours[candidates], return_inverse=True)
        self._columns = columns.reshape(len(candidates), -1)
        self._neighbour_bm25 = np.square(bm25[neighbours])
        self._neighbour_texts = vectors.texts.vectors(neighbours)

    def __call__(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Return the text features (m,); only the first if no listing has neighbours."""
        cosines = np.clip(self._texts @ vector, 0, None)
        largest = max(float(cosines.max()), 1e-9)
        features = {"text_similarity": cosines / largest}
        if len(self._neighbour_bm25):
            similarity = np.clip(self._neighbour_texts @ vector / largest, 0, 1)
            scores = (self._neighbour_bm25 + similarity) / 2
            features["text_similarity.neighbours"] = scores[self._columns].mean(axis=1)
        return features


def _details(
    features: dict[str, np.ndarray], query: Query, bm25: np.ndarray, candidates: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the features of a query in words that `query_features` derives from the others."""
    details = {
        rank_detail(name): reciprocal_ranks(features[name])
        for name in MATCH_FEATURES
        if name in features
    }
    if query.phrases is not None:
        details["bm25.phrase"] = query.phrases(candidates)
    best = float(bm25.max(initial=0))
    details["bm25.covered"] = features["bm25"] * best
    if "text_similarity" in features:
        similarity = features["text_similarity"]
        details["text_similarity.uncovered"] = similarity * (1 - best)
        details["text_similarity.unknown"] = similarity * (1 - query.known_share)
        details["text_similarity.short"] = similarity / max(query.n_words, 1)
    return details


def reciprocal_ranks(values: np.ndarray) -> np.ndarray:
    """Return for each value (m,) 61 / (60 + place): 1 for the largest; NaN stays.

    Equal values share the best of their places.

    Examples
    --------
    >>> reciprocal_ranks(np.array([0.2, 0.9, 0.2])).round(3)
    array([0.984, 1.   , 0.984])
    """
    better = np.searchsorted(np.sort(-values), -values)
    ranks = (RANK_CONSTANT + 1) / (RANK_CONSTANT + 1 + better)
    return np.where(np.isnan(values), np.nan, ranks)


def _feedback(
    features: dict[str, np.ndarray], weights: dict[str, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best rows by the weighted sum of features, and the share of each in the sum."""
    table = np.column_stack(list(features.values()))
    scores = np.nan_to_num(table) @ np.array([weights[name] for name in features])
    best = np.argsort(-scores, kind="stable")[:FEEDBACK_COUNT]
    shares = np.clip(scores[best], 0, None)
    shares = shares / shares.sum() if shares.any() else np.full(len(best), 1 / len(best))
    return best, shares


def _share_of_largest(values: np.ndarray) -> np.ndarray:
    """Divide by the largest value; values below 0 become 0, and NaN stays."""
    positive = np.clip(values, 0, None)
    largest = np.nanmax(positive, initial=0.0)
    return positive / largest if largest > 0 else positive
