"""Interleaving: one ranking from two, in which each listing belongs to the team of one of them.

References
----------
Radlinski, Kurup and Joachims, "How does clickthrough data reflect retrieval quality?", 2008.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from market.search.experiments import A, B


def team_draft(
    ranking_a: Sequence[str], ranking_b: Sequence[str], count: int, seed: int
) -> tuple[list[str], list[str]]:
    """Draw the first listings of an interleaved ranking.

    In each round both teams take their best listing that is not taken yet. A coin decides who goes
    first.

    Parameters
    ----------
    ranking_a, ranking_b
        Product ids, the best first.
    count
        The largest number of listings to draw.
    seed
        Of the coin; the same seed gives the same ranking, whatever the count.

    Returns
    -------
    product_ids, teams
        The ranking, and A or B for each of its listings.
    """
    coin = np.random.default_rng(seed)
    rest = {A: iter(ranking_a), B: iter(ranking_b)}
    taken: dict[str, str] = {}
    while len(taken) < count:
        size = len(taken)
        first_is_a = coin.random() < 0.5
        for team in (A, B) if first_is_a else (B, A):
            choice = next((each for each in rest[team] if each not in taken), None)
            if choice is not None:
                taken[choice] = team
        if len(taken) == size:
            break
    product_ids = list(taken)[:count]
    return product_ids, [taken[product_id] for product_id in product_ids]
