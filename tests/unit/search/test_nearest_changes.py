"""The remembered nearest changes are those that a comparison of all finds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import normalize

from market.search import nearest_changes
from market.search.nearest_changes import NearestChanges

POINTS = normalize(np.random.default_rng(0).normal(size=(60, 8))).astype(np.float32)


@pytest.mark.parametrize("depth", [5, 64])
@pytest.mark.parametrize("most", [10, 1000])
def test_changes_that_come_and_go_have_the_nearest_others(
    monkeypatch: pytest.MonkeyPatch, depth: int, most: int
) -> None:
    monkeypatch.setattr(nearest_changes, "DEPTH", depth)
    monkeypatch.setattr(nearest_changes, "MAX_STORED", most)
    monkeypatch.setattr(nearest_changes, "BATCH_SIZE", 7)
    nearest = NearestChanges(8)
    rng = np.random.default_rng(1)
    for size in (1, 2, 3, 30, 4, 60, 20):
        chosen = rng.choice(60, size=size, replace=False)
        keys, vectors = [str(row).encode() for row in chosen], POINTS[chosen]
        rows, cosines = nearest.find(keys, vectors, count=4)
        expected = vectors @ vectors.T
        np.fill_diagonal(expected, -np.inf)
        order = np.argsort(-expected, axis=1)[:, :4]
        found = min(4, size - 1)
        np.testing.assert_array_equal(rows[:, :found], order[:, :found])
        np.testing.assert_allclose(
            cosines[:, :found], np.take_along_axis(expected, order, axis=1)[:, :found], atol=1e-6
        )
        assert np.isinf(cosines[:, found:]).all()
