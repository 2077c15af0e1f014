"""A synthetic log of interactions: the rows of interactions.csv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from market.data.synthetic.draws import Rng, pick
from market.data.synthetic.vocabulary import COLOURS, TOWNS

MAX_USERS = 200
PRODUCTS_PER_USER = 3
START = np.datetime64("2022-02-26T07:00:00")
# The probability of each event after a view.
FOLLOW_UPS = (("save", 0.25), ("message", 0.12), ("buy", 0.06))
SAME_VISIT = 0.85  # probability that the next view is in the same visit

Row = tuple[str, str, str, np.datetime64]


@dataclass(frozen=True)
class _Catalogue:
    """The columns of the listings that users choose by, each (n,), and this season's fashion."""

    ids: pd.Series
    leaves: np.ndarray
    classes: np.ndarray
    class_of_leaf: dict[str, str]
    colours: np.ndarray
    towns: np.ndarray
    log_prices: np.ndarray
    fashion: np.ndarray


def draw_interactions(
    rng: Rng, products: pd.DataFrame, towns: Sequence[str] = TOWNS
) -> pd.DataFrame:
    """Simulate the events of users in a marketplace.

    Each user has favourite leaf categories, a price level, a colour and a home town, and chooses
    listings by a softmax over this taste and a fashion that all users share.

    Parameters
    ----------
    rng
        The source of randomness.
    products
        The listings, as `listings.draw_products` returns them.
    towns
        Locations of listings, one of which is each user's home.

    Returns
    -------
    pd.DataFrame
        user_id, product_id, event and timestamp (ISO 8601 to the second), by timestamp; one user
        for each three listings, up to 200, with 5 to 40 events each.
    """
    leaves = products["category"].to_numpy()
    classes = products["category"].str.split(" / ").str[0].to_numpy()
    catalogue = _Catalogue(
        ids=products["id"],
        leaves=leaves,
        classes=classes,
        class_of_leaf=dict(zip(leaves, classes, strict=True)),
        colours=products["colour"].to_numpy(),
        towns=products["location"].to_numpy(),
        log_prices=np.log1p(products["pounds"].to_numpy()),
        fashion=rng.normal(0, 0.6, size=len(products)),
    )
    rows: list[Row] = []
    for user in range(min(MAX_USERS, len(products) // PRODUCTS_PER_USER)):
        rows += _draw_user(rng, f"simulated-{user:03d}", catalogue, towns)
    log = pd.DataFrame(rows, columns=["user_id", "product_id", "event", "timestamp"])
    log = log.sort_values("timestamp", kind="stable", ignore_index=True)
    return log.assign(timestamp=log["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S"))


def _draw_user(rng: Rng, user_id: str, catalogue: _Catalogue, towns: Sequence[str]) -> list[Row]:
    """Return the events of one user, in order of time."""
    weights = _draw_weights(rng, catalogue, towns)
    clock = START + np.timedelta64(int(rng.integers(10 * 86_400)), "s")
    remaining = int(rng.integers(5, 41))
    rows: list[Row] = []
    while remaining:
        chosen = int(rng.choice(len(weights), p=weights / weights.sum()))
        events = ["view"] + [event for event, odds in FOLLOW_UPS if rng.random() < odds]
        events = events[:remaining]
        for event in events:
            soon = event != "view" or rng.random() < SAME_VISIT
            clock += int(rng.integers(10, 400) if soon else rng.integers(3_600, 100_000))
            rows.append((user_id, catalogue.ids.iloc[chosen], event, clock))
            if event == "buy":
                weights[chosen] = 0  # bought, and never viewed again
        remaining -= len(events)
    return rows


def _draw_weights(rng: Rng, catalogue: _Catalogue, towns: Sequence[str]) -> np.ndarray:
    """Draw a user's taste; return the weight (n,) of each listing in the user's choices."""
    known = sorted(catalogue.class_of_leaf)
    favourites = rng.choice(known, size=rng.integers(1, 4), replace=False).tolist()
    favourite_classes = [catalogue.class_of_leaf[leaf] for leaf in favourites]
    taste = (
        3.0 * np.isin(catalogue.leaves, favourites)
        + 1.0 * np.isin(catalogue.classes, favourite_classes)
        + 1.2 * (catalogue.colours == pick(rng, list(COLOURS)))
        + 0.8 * (catalogue.towns == pick(rng, towns))
        - 0.6 * np.abs(catalogue.log_prices - rng.normal(np.median(catalogue.log_prices), 0.9))
        + catalogue.fashion
    )
    return np.exp(taste - taste.max())
