"""Folds of searches by query."""

from __future__ import annotations

import numpy as np


def folds_of(query: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the fold of each search; searches for the same query share one.

    Parameters
    ----------
    query
        (searches,) the code of each query.
    count
        The number of folds.
    seed
        Of the draw.

    Returns
    -------
    np.ndarray
        (searches,) from 0 to `count` - 1.
    """
    number = np.unique(query, return_inverse=True)[1]
    fold = np.random.default_rng(seed).permutation(number.max(initial=-1) + 1) % count
    return fold[number]
