"""A query as retrieval and ranking see it: BM25 scores, a text vector, an image vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from sklearn.preprocessing import normalize

from market.search.lexical import LexicalIndex, Phrases
from market.search.listing_vectors import ListingVectors
from market.search.prefixes import unfinished_word
from market.search.relevance import QueryRelevance
from market.search.synonyms import NO_SYNONYMS, Synonyms

# Smallest cosines of a match (docs/decisions.md):
MIN_QUERY_SIMILARITY = 0.2  # between a query in words and a listing's text
MIN_TEXT_SIMILARITY = 0.32  # between two listings' texts, which are more similar by nature
MIN_IMAGE_SIMILARITY = 0.12  # between two photos


@dataclass(frozen=True, eq=False)
class Query:
    """The parts of a query; a part that it does not have is None, and browsing has none.

    Attributes
    ----------
    bm25
        (n,) the BM25 score of every listing.
    text_vector
        (text width,) unit vector.
    image_vector
        (image width,) unit vector.
    min_text_similarity
        The smallest cosine to `text_vector` of a match.
    relevance
        Which matches are relevant; None if all are.
    phrases
        Looks up pairs of adjacent words in the names of listings; None without such a pair.
    n_words
        The number of words, without stop words.
    known_share
        The share of the words that listings contain.
    """

    bm25: np.ndarray | None = None
    text_vector: np.ndarray | None = None
    image_vector: np.ndarray | None = None
    min_text_similarity: float = MIN_QUERY_SIMILARITY
    relevance: QueryRelevance | None = None
    phrases: Phrases | None = None
    n_words: int = 0
    known_share: float = 1.0

    @property
    def empty(self) -> bool:
        """Whether the query has no part: the user browses."""
        return self.bm25 is None and self.text_vector is None and self.image_vector is None

    def weigh(self, weights: dict[str, float]) -> dict[str, float]:
        """Adapt the weights of the query features to the parts that the query has.

        The weights are chosen on queries in words, whose image similarity is only a guess. If the
        query is a photo or a listing, text and image count equally; if it has only one of the two,
        that one has all the weight. With words and a photo, the photo has half of the weight, all
        of it on `image_similarity` itself.

        Parameters
        ----------
        weights
            The weight of each feature in `ranker.QUERY_FEATURES`.

        Returns
        -------
        dict
            Weights; over the features that the query has, they add up to the sum of `weights`.

        Examples
        --------
        >>> weights = {"bm25": 6.0, "text_similarity": 4.0, "image_similarity": 6.0}
        >>> Query(image_vector=np.ones(2)).weigh(weights)
        {'bm25': 6.0, 'text_similarity': 4.0, 'image_similarity': 16.0}
        """
        if self.bm25 is not None and self.image_vector is None:
            return weights
        total = sum(weights.values())
        if self.bm25 is None:
            vectors = {"text_similarity": self.text_vector, "image_similarity": self.image_vector}
            given = [name for name, vector in vectors.items() if vector is not None]
            return weights | {name: total / len(given) for name in given}
        of_words = {
            name: 0.0 if name.startswith("image_similarity") else weight
            for name, weight in weights.items()
        }
        scale = total / 2 / (sum(of_words.values()) or 1.0)
        return {name: weight * scale for name, weight in of_words.items()} | {
            "image_similarity": total / 2
        }


def build_query(
    text: str,
    photo: Image.Image | None,
    like: int | None,
    *,
    lexical: LexicalIndex,
    vectors: ListingVectors,
    encode_text: Callable[[str], np.ndarray],
    encode_photo: Callable[[Image.Image], np.ndarray],
    synonyms: Synonyms = NO_SYNONYMS,
    is_typing: bool = False,
) -> Query:
    """Encode the parts of a query.

    Parameters
    ----------
    text
        The query in words; "" for none.
    photo
        A photo to find similar ones of; None for none.
    like
        The position of a listing to find similar ones of; None for none.
    lexical, vectors
        The listings.
    encode_text, encode_photo
        Return the unit vector of a text and of a photo.
    synonyms
        Words that may stand for others of the text.
    is_typing
        Whether the last word may be unfinished (`unfinished_word`).
    """
    bm25 = text_vector = image_vector = phrases = None
    words = lexical.language.words(text)
    known_share = 1.0
    if text.strip():
        unfinished = unfinished_word(text, lexical) if is_typing else None
        completions = () if unfinished is None else unfinished.completions
        bm25 = lexical.scores(text, synonyms, completions)
        phrases = lexical.phrases(text, completions)
        known_share = lexical.known_share(words, completions)
        # An encoder maps even "qwxz" to some vector, but it means nothing.
        if unfinished is not None:
            text_vector = encode_text(unfinished.finish(text))
        elif lexical.knows(text):
            text_vector = encode_text(text)
    if photo is not None:
        image_vector = encode_photo(photo)
    if like is not None:
        position = np.array([like])
        text_vector = _mean_direction(text_vector, vectors.texts.vectors(position)[0])
        image = vectors.mean_images(position)[0]
        image_vector = _mean_direction(image_vector, image if image.any() else None)
    min_similarity = MIN_TEXT_SIMILARITY if bm25 is None else MIN_QUERY_SIMILARITY
    return Query(
        bm25,
        text_vector,
        image_vector,
        min_similarity,
        phrases=phrases,
        n_words=len(words),
        known_share=known_share,
    )


def _mean_direction(one: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    """Return the direction halfway between two unit vectors, either of which may be missing."""
    given = [vector for vector in (one, other) if vector is not None]
    return normalize(np.sum(given, axis=0)[None])[0] if given else None
