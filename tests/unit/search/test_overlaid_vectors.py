"""An index with added vectors finds what an index over all of them finds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import normalize

from market.search.overlaid_vectors import OverlaidVectors
from market.search.vectors import VectorIndex

POINTS = normalize(np.random.default_rng(0).normal(size=(60, 8))).astype(np.float32)
QUERIES = normalize(np.random.default_rng(1).normal(size=(4, 8))).astype(np.float32)
EVERY_OTHER = np.arange(60) % 2 == 0


@pytest.mark.parametrize("count", [0, 1, 50, 60])
@pytest.mark.parametrize("factory", ["Flat", "HNSW8"])
@pytest.mark.parametrize("allowed", [None, EVERY_OTHER, np.zeros(60, bool)])
def test_the_nearest_are_those_of_one_index(
    count: int, factory: str, allowed: np.ndarray | None
) -> None:
    overlaid = OverlaidVectors(VectorIndex.build(POINTS[:count], factory, 64), POINTS[count:])
    whole = VectorIndex.build(POINTS, "Flat", 1)
    assert len(overlaid) == 60 and overlaid.width == 8
    for found, expected in zip(
        overlaid.search(QUERIES, 7, allowed), whole.search(QUERIES, 7, allowed), strict=True
    ):
        if allowed is None or allowed.any():
            np.testing.assert_allclose(found, expected, atol=1e-6)
    positions, cosines = overlaid.within(QUERIES, 0.3, allowed)
    expected_positions, expected_cosines = whole.within(QUERIES, 0.3, allowed)
    assert positions.tolist() == expected_positions.tolist()
    np.testing.assert_allclose(cosines, expected_cosines, atol=1e-6)
    chosen = np.array([59, 0, 55])
    np.testing.assert_array_equal(overlaid.vectors(chosen), POINTS[chosen])
