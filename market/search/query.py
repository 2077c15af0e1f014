"""A query as retrieval and ranking see it: BM25 scores, a text vector, an image vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Smallest cosines of a match (docs/decisions.md):
MIN_QUERY_SIMILARITY = 0.2  # between a query in words and a listing's text
MIN_TEXT_SIMILARITY = 0.32  # between two listings' texts, which are more similar by nature
MIN_IMAGE_SIMILARITY = 0.12  # between two photos


@dataclass(frozen=True, eq=False)
class Query:
    """What to look for; None where the query has no such part, all None to browse.

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
    """

    bm25: np.ndarray | None = None
    text_vector: np.ndarray | None = None
    image_vector: np.ndarray | None = None
    min_text_similarity: float = MIN_QUERY_SIMILARITY

    @property
    def empty(self) -> bool:
        """Whether there is nothing to look for: the user browses."""
        return self.bm25 is None and self.text_vector is None and self.image_vector is None

    def weigh(self, weights: dict[str, float]) -> dict[str, float]:
        """Adapt the weights of the query features to the parts that the query has.

        The weights are chosen on queries in words, whose image similarity is only a guess. A photo
        or a listing as query means its image: text and photo then count equally, and if only one of
        them is given, it has all the weight.

        Parameters
        ----------
        weights
            The weight of each feature in `ranker.QUERY`.

        Returns
        -------
        dict
            Weights with the same sum.
        """
        if self.bm25 is not None and self.image_vector is None:
            return weights
        total = sum(weights.values())
        if self.bm25 is None:
            vectors = {"text_similarity": self.text_vector, "image_similarity": self.image_vector}
            given = [name for name, vector in vectors.items() if vector is not None]
            return weights | {name: total / len(given) for name in given}
        text_total = total - weights["image_similarity"]
        scale = total / 2 / text_total if text_total else 0.0
        return {name: weight * scale for name, weight in weights.items()} | {
            "image_similarity": total / 2
        }
