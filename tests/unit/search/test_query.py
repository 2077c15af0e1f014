"""Queries: weights fit the parts that a query has."""

from __future__ import annotations

import numpy as np
import pytest

from market.search.query import Query

WEIGHTS = {
    "bm25": 6.0, "text_similarity": 3.0, "text_similarity.neighbours": 3.0, "image_similarity": 6.0,
}  # fmt: skip
VECTOR = np.ones(3)


@pytest.mark.parametrize(
    ("query", "changed"),
    [
        (Query(bm25=VECTOR, text_vector=VECTOR), {}),
        (Query(image_vector=VECTOR), {"image_similarity": 18.0}),
        (Query(text_vector=VECTOR), {"text_similarity": 18.0}),
        (
            Query(text_vector=VECTOR, image_vector=VECTOR),
            {"text_similarity": 9.0, "image_similarity": 9.0},
        ),
        (
            Query(bm25=VECTOR, text_vector=VECTOR, image_vector=VECTOR),
            {
                "bm25": 4.5,
                "text_similarity": 2.25,
                "text_similarity.neighbours": 2.25,
                "image_similarity": 9.0,
            },
        ),
    ],
    ids=["words", "photo", "listing without photos", "listing", "words and photo"],
)
def test_weights_are_shared_out_among_the_parts_of_a_query(
    query: Query, changed: dict[str, float]
) -> None:
    assert query.weigh(WEIGHTS) == WEIGHTS | changed
    assert not query.empty and Query().empty


def test_a_photo_beside_words_counts_by_its_similarity_alone() -> None:
    weights = WEIGHTS | {"bm25.phrase": 2.0, "image_similarity.reciprocal_rank": 4.0}
    query = Query(bm25=VECTOR, text_vector=VECTOR, image_vector=VECTOR)
    weighed = query.weigh(weights)
    assert weighed["image_similarity"] == 12.0
    assert weighed["image_similarity.reciprocal_rank"] == 0.0
    assert sum(weighed.values()) == pytest.approx(sum(weights.values()))
    assert weighed["bm25.phrase"] / weighed["bm25"] == pytest.approx(2 / 6)
