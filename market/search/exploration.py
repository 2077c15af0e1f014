"""Exploration: chance changes the order a little, so that clicks tell places from listings.

Neighbours below the first place form pairs, (2, 3), (4, 5) and so on, and each pair is swapped with
one probability, independently of the others. A swap moves a listing by one place, which users do
not notice, but the same listings then stand at both places, by chance alone.

References
----------
Joachims, Swaminathan and Schnabel, "Unbiased learning-to-rank with biased feedback", 2017.
"""

from __future__ import annotations

import hashlib

import numpy as np

EXPLORED_PLACES = 21  # the first ones; few users look further
MAX_CHANCE = 0.5  # of a swap: with more, the order would be wrong more often than right


def seed_of(*texts: str) -> int:
    """Return a seed of 64 bits that depends on texts alone."""
    digest = hashlib.blake2b("\n".join(texts).encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


def swap_pairs(
    fixed: np.ndarray, offset: int, chance: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the order of a page.

    The pairs are the same whatever the size of the pages. A pair of which only one listing is on
    the page, or is fixed, stays as it is.

    Parameters
    ----------
    fixed
        (k,) bool: listings of the page that must stay, such as those that a rule placed.
    offset
        The number of hits before the page.
    chance
        Of a swap, from 0 to MAX_CHANCE.
    seed
        The same seed gives the same order.

    Returns
    -------
    order, propensities
        (k,) the listing at each place, as a number from 0; and (k,) the probability with which the
        draw puts that listing at that place.
    """
    order, propensities = np.arange(len(fixed)), np.ones(len(fixed))
    draws = np.random.default_rng(seed).random(EXPLORED_PLACES)
    for first in range(len(fixed) - 1):
        place = offset + first
        if place % 2 == 0 or place + 1 >= EXPLORED_PLACES or fixed[first] or fixed[first + 1]:
            continue
        is_swapped = draws[place] < chance
        propensities[first : first + 2] = chance if is_swapped else 1 - chance
        if is_swapped:
            order[first], order[first + 1] = first + 1, first
    return order, propensities
