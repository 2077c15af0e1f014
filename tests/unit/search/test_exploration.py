"""Swaps of neighbours: which pairs, how often, and the probabilities that are logged."""

from __future__ import annotations

import numpy as np
import pytest

from market.search.exploration import EXPLORED_PLACES, swap_pairs

NONE_FIXED = np.zeros(40, bool)


def test_propensities_are_the_share_of_draws_with_that_listing_at_that_place() -> None:
    fixed = np.zeros(8, bool)
    fixed[3] = True
    stands = np.zeros((8, 8))
    stated = np.zeros((8, 8))
    for seed in range(4000):
        order, propensities = swap_pairs(fixed, 0, 0.3, seed)
        stands[order, np.arange(8)] += 1
        stated[order, np.arange(8)] = propensities
    assert stands / 4000 == pytest.approx(stated, abs=0.03)
    moved = {(int(a), int(b)) for a, b in zip(*np.nonzero(stands), strict=True) if a != b}
    assert moved == {(1, 2), (2, 1), (5, 6), (6, 5)}  # 3 is fixed, so 4 stays too


def test_the_first_place_and_those_far_down_stay() -> None:
    order, propensities = swap_pairs(NONE_FIXED, 0, 0.5, 1)
    still = propensities == 1
    assert still[0] and still[EXPLORED_PLACES:].all() and not still[1:EXPLORED_PLACES].any()
    assert (order[still] == np.flatnonzero(still)).all()
    assert sorted(order) == [*range(40)]


def test_pages_of_any_size_show_every_listing_once() -> None:
    for size in (1, 2, 3, 5, 7):
        shown = []
        for offset in range(0, 40, size):
            page = np.arange(offset, min(offset + size, 40))
            order, propensities = swap_pairs(np.zeros(len(page), bool), offset, 0.5, 7)
            shown += page[order].tolist()
            assert set(propensities) <= {0.5, 1.0}
        assert sorted(shown) == [*range(40)]
    halves = [swap_pairs(np.zeros(10, bool), offset, 0.5, 7)[0] + offset for offset in (1, 11)]
    whole = swap_pairs(NONE_FIXED, 0, 0.5, 7)[0]
    assert np.concatenate(halves).tolist() == whole[1:21].tolist()
    assert halves[0].tolist() != [*range(1, 11)]
