"""Where the results of a search end: which matches are relevant, related, or neither.

Almost every listing matches a query a little. A logistic regression, fitted on queries with known
answers (`market.search.relevance_fitting`), says how probable it is that a match is relevant. It
compares a match with the query's own best match and with how similar the query is to listings in
general, never with the other results: so neither filters nor pages nor the user move the end.

An encoder that means nothing in the language of the listings gets no weight, because its
similarities do not tell relevant listings from others.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from market.core.atomic import write_json
from market.search.comparison import Comparison
from market.search.overlaid_vectors import Vectors

WORD_FEATURES = ("bm25", "bm25_of_best", "text_excess", "text_excess_of_best", "no_good_words")
PHOTO_FEATURES = ("image_excess", "image_excess_of_best", "image_similarity")
_FILE = "relevance.json"


@dataclass(frozen=True)
class Cutoff:
    """The probability that a match is relevant, and where relevant and related matches end.

    Attributes
    ----------
    weights
        By feature: log odds, none below 0.
    intercept
        Log odds of a match whose features are all 0.
    min_relevant, min_related
        The smallest probabilities of a relevant and of a related match.
    """

    weights: dict[str, float]
    intercept: float
    min_relevant: float
    min_related: float

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return the probability (m,) of each match that it is relevant.

        Parameters
        ----------
        features
            (m, features), in the order of `weights`.
        """
        return expit(features @ np.array([*self.weights.values()]) + self.intercept)


@dataclass(frozen=True)
class Relevance:
    """The cut-offs of searches by words and by photo; without one, every match is relevant."""

    words: Cutoff | None = None
    photo: Cutoff | None = None

    def save(self, folder: Path) -> None:
        """Write the cut-offs into `folder`, which exists."""
        write_json(folder / _FILE, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Relevance:
        """Return the cut-offs that `save` wrote."""
        content: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return cls(**{name: part and Cutoff(**part) for name, part in content.items()})


KEEP_ALL = Relevance()


@dataclass(frozen=True, eq=False)
class QueryRelevance:
    """The relevance of the matches of one query.

    Attributes
    ----------
    relevance
        The cut-offs.
    best_bm25
        The largest BM25 score of any listing; None for a query without words.
    texts, images
        The query compared with listings; None without a text or image vector, or without listings
        that have one.
    """

    relevance: Relevance
    best_bm25: float | None
    texts: Comparison | None
    images: Comparison | None

    @classmethod
    def of(
        cls,
        relevance: Relevance,
        bm25: np.ndarray | None,
        text_vector: np.ndarray | None,
        image_vector: np.ndarray | None,
        text_index: Vectors,
        image_index: Vectors,
    ) -> QueryRelevance:
        """Prepare the parts of a query, which are those of `Query`."""
        return cls(
            relevance,
            None if bm25 is None else float(bm25.max(initial=0)),
            Comparison.of(text_vector, text_index),
            Comparison.of(image_vector, image_index),
        )

    def word_features(self, bm25: np.ndarray, cosines: np.ndarray) -> np.ndarray:
        """Return the WORD_FEATURES (m, 5) of matches from BM25 scores and text cosines (m,)."""
        best = self.best_bm25 or 0.0
        excess, of_best = (
            (np.zeros(len(bm25)),) * 2
            if self.texts is None
            else self.texts.similarities.excess(cosines)
        )
        no_good_words = np.full(len(bm25), 1 - best)
        return np.column_stack([bm25, bm25 / max(best, 1e-9), excess, of_best, no_good_words])

    def photo_features(self, cosines: np.ndarray) -> np.ndarray:
        """Return the PHOTO_FEATURES (m, 3) of matches from image cosines (m,)."""
        assert self.images is not None
        excess, of_best = self.images.similarities.excess(cosines)
        return np.column_stack([excess, of_best, np.clip(cosines, 0, None)])

    def classify(
        self, bm25: np.ndarray | None, text: np.ndarray | None, image: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return which matches (m,) are relevant, and which are related.

        A query in words with a photo is answered by what either of them finds.

        Parameters
        ----------
        bm25
            (m,) scores; None for a query without words.
        text, image
            (m,) cosines, 0 below the thresholds of retrieval; None without such a vector.
        """
        words, photo = self.relevance.words, self.relevance.photo
        parts: list[tuple[Cutoff, np.ndarray]] = []
        if bm25 is not None:
            if words is None:
                return np.ones(len(bm25), bool), np.zeros(len(bm25), bool)
            cosines = np.zeros(len(bm25)) if text is None else text
            parts.append((words, self.word_features(bm25, cosines)))
        if image is not None and self.images is not None:
            if photo is None:
                return np.ones(len(image), bool), np.zeros(len(image), bool)
            parts.append((photo, self.photo_features(image)))
        if not parts:  # a photo, and no listing has one: nothing matches
            return np.zeros(0, bool), np.zeros(0, bool)
        relevant = related = np.zeros(len(parts[0][1]), bool)
        for cutoff, features in parts:
            probabilities = cutoff.probabilities(features)
            relevant = relevant | (probabilities >= cutoff.min_relevant)
            related = related | (probabilities >= cutoff.min_related)
        return relevant, related & ~relevant
