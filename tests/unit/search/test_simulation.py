"""Simulated users: the seed decides them, and they have preferences."""

from __future__ import annotations

import numpy as np
import pandas as pd

from market.search.engine import Engine
from market.search.simulation import simulate_log


def test_the_seed_decides_the_simulated_users(shop: Engine) -> None:
    one, same, other = (
        simulate_log(shop.listings, users=7, events=6, seed=seed) for seed in (3, 3, 4)
    )
    pd.testing.assert_frame_equal(one, same)
    assert not one["product_id"].equals(other["product_id"])
    assert one.columns.tolist() == ["user_id", "product_id", "event", "timestamp"]
    assert (one.groupby("user_id").size() == 6).all() and one["user_id"].nunique() == 7
    assert not one.duplicated(["user_id", "product_id"]).any()
    assert one["user_id"].str.startswith("simulated").all()
    times = one.groupby("user_id")["timestamp"]
    assert times.apply(lambda each: each.is_monotonic_increasing).all()


def test_simulated_users_have_preferences(shop: Engine) -> None:
    log = simulate_log(shop.listings, users=40, events=6, seed=0)
    group = shop.listings.set_index("product_id")["category_levels"].map(lambda path: path[0])
    groups = group.loc[log["product_id"]].to_numpy()
    drawn = pd.Series(groups).groupby(log["user_id"].to_numpy()).nunique().mean()
    by_chance = pd.Series(np.random.default_rng(0).permutation(groups))
    assert drawn < 0.8 * by_chance.groupby(log["user_id"].to_numpy()).nunique().mean()


def test_users_are_simulated_without_any_known_place(shop: Engine) -> None:
    listings = shop.listings.assign(latitude=np.nan, longitude=np.nan)
    assert len(simulate_log(listings, users=3, events=4, seed=0)) == 12
