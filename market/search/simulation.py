"""Simulated users, for a sanity check of recommendations where there is no log of interactions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from market.core.stage import progress

LOG_START = pd.Timestamp("2022-03-01")
MAX_FAVOURITES = 3  # categories that a user likes
KM_PER_DEGREE = (111, 65)  # of latitude, and of longitude in Great Britain
DISTANCE_SCALE_KM, MAX_DISTANCE_COST = 50, 4


def simulate_log(listings: pd.DataFrame, *, users: int, events: int, seed: int) -> pd.DataFrame:
    """Simulate users with simple preferences, and the listings that they view.

    Each user has one to three favourite categories, a price level and a home town, and draws
    listings from a softmax over how well they fit. The ranker's own features measure the same
    preferences, so a good score on such a log is a sanity check and not a result.

    Parameters
    ----------
    listings
        product_id, category_levels (a path of names), price (in pounds), latitude and longitude
        (in degrees, NaN if unknown).
    users
        The number of users.
    events
        The number of different listings that each user views.
    seed
        Of all draws.

    Returns
    -------
    pd.DataFrame
        user_id, product_id, event and timestamp, grouped by user and in order of time within each.
    """
    rng = np.random.default_rng(seed)
    leaf_of, group_of = (
        np.unique(
            [path[level] if len(path) else "" for path in listings["category_levels"]],
            return_inverse=True,
        )[1]
        for level in (-1, 0)
    )
    leaf_sizes = np.bincount(leaf_of)
    leaf_shares = leaf_sizes / leaf_sizes.sum()
    log_price = np.log1p(listings["price"].to_numpy(float))
    places = listings[["latitude", "longitude"]].to_numpy(float)
    ids = listings["product_id"].tolist()
    rows = []
    for user in progress(range(users), desc="simulate users", unit="user"):
        # The more listings a category has, the more often it is a favourite.
        count = rng.integers(1, MAX_FAVOURITES + 1)
        favourites = rng.choice(len(leaf_sizes), size=count, p=leaf_shares)
        liked = np.isin(np.arange(len(leaf_sizes)), favourites)[leaf_of]
        level = rng.choice(log_price[liked])
        home = places[rng.choice(np.flatnonzero(liked))]
        distance = np.hypot(*((places - home) * KM_PER_DEGREE).T)
        liked_groups = np.bincount(group_of[liked], minlength=group_of.max() + 1) > 0
        distance_cost = np.minimum(distance / DISTANCE_SCALE_KM, MAX_DISTANCE_COST)
        utility = (
            4.0 * liked
            + 1.0 * liked_groups[group_of]
            - 1.0 * np.nan_to_num(np.abs(log_price - level))
            - 0.5 * np.nan_to_num(distance_cost, nan=MAX_DISTANCE_COST)
        )
        # The Gumbel trick: the largest sums are draws from the softmax without replacement.
        noisy = utility + rng.gumbel(size=len(utility))
        drawn = np.argsort(-noisy, kind="stable")[:events]
        rows += _views(user, [ids[row] for row in drawn])
    return pd.DataFrame(rows, columns=["user_id", "product_id", "event", "timestamp"])


def _views(user: int, product_ids: list[str]) -> list[tuple[str, str, str, pd.Timestamp]]:
    """Return an event of a user for each of these listings, ten minutes apart."""
    return [
        (
            f"simulated-{user:04d}",
            product_id,
            "view",
            LOG_START + pd.Timedelta(minutes=user + 10 * step),
        )
        for step, product_id in enumerate(product_ids)
    ]
