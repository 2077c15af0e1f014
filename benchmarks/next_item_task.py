"""The task of the recommendation benchmark: predict the next product that is new to a user."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import sparse

from market.core.errors import MarketError
from market.data.holdouts import (
    Holdout,
    cutoff_time,
    histories_before,
    hold_out_after,
    validation_holdouts,
)
from market.search.cases import sample_rows
from market.search.collaborative import event_weights

ENOUGH_TARGETS = 1000  # target events to choose settings on; with fewer, earlier windows are added
MAX_WINDOWS = 4  # such windows, at most


@dataclass
class NextItemTask:
    """The events to fit on, and the k target events whose products are to be predicted.

    Attributes
    ----------
    log
        The events that models may be fitted on: user_id, product_id, event and timestamp.
    user_ids
        The ids of all users, sorted.
    products
        The ids of all products of `log`, sorted.
    users
        (k,) the user of each target event, as a position in `user_ids`.
    targets
        (k,) its product, as a position in `products`; -1 for a product without an event in `log`.
    times
        (k,) its time.
    past
        The earlier events of its user, for each target event.
    seen : sparse.csr_array
        (users, products), the largest weight of a user's events in `log` with a product.
    """

    log: pd.DataFrame
    user_ids: pd.Index
    products: pd.Index
    users: np.ndarray
    targets: np.ndarray
    times: np.ndarray
    past: Sequence[pd.DataFrame]
    seen: sparse.csr_array = field(init=False)

    def __post_init__(self) -> None:
        pairs = pd.DataFrame(
            {
                "user": self.user_ids.get_indexer(self.log["user_id"]),
                "product": self.products.get_indexer(self.log["product_id"]),
                "weight": event_weights(self.log["event"]).astype(np.float32),
            }
        )
        pairs = pairs.groupby(["user", "product"], sort=True, as_index=False)["weight"].max()
        self.seen = sparse.csr_array(
            (pairs["weight"], (pairs["user"], pairs["product"])),
            shape=(len(self.user_ids), len(self.products)),
        )

    @property
    def is_new_user(self) -> np.ndarray:
        """(k,) bool: whether the user of each target event has no earlier event."""
        return np.array([past.empty for past in self.past], bool)

    def select(self, rows: np.ndarray) -> NextItemTask:
        """Return the task with some of its target events, given by their positions."""
        part = copy(self)
        part.users, part.targets = self.users[rows], self.targets[rows]
        part.times, part.past = self.times[rows], [self.past[row] for row in rows.tolist()]
        return part

    def returning_users(self) -> NextItemTask:
        """Return the task with the target events of users who have earlier events."""
        return self.select(np.flatnonzero(~self.is_new_user))

    def new_users(self) -> NextItemTask:
        """Return the task with the target events of users who have no earlier event."""
        return self.select(np.flatnonzero(self.is_new_user))

    def sample(self, max_targets: int, seed: int) -> NextItemTask:
        """Return the task with at most `max_targets` target events, drawn at random."""
        return self.select(sample_rows(np.arange(len(self.users)), max_targets, seed))


def make_task(log: pd.DataFrame, holdout: Holdout) -> NextItemTask:
    """Return the task of predicting the held-out product of each user.

    Parameters
    ----------
    log
        user_id, product_id, event and timestamp, in order of time.
    holdout
        Of this log.
    """
    fit_log = log[holdout.train]
    target_events = log.iloc[holdout.targets]
    user_ids = pd.Index(np.sort(log["user_id"].unique()))
    products = pd.Index(np.sort(fit_log["product_id"].unique()))
    return NextItemTask(
        fit_log,
        user_ids,
        products,
        user_ids.get_indexer(target_events["user_id"]),
        products.get_indexer(target_events["product_id"]),
        target_events["timestamp"].to_numpy(),
        histories_before(log, holdout.targets),
    )


def split_by_time(log: pd.DataFrame, test_share: float) -> tuple[Holdout, list[Holdout]]:
    """Return the holdout to evaluate on, and earlier ones to choose settings on.

    Parameters
    ----------
    log
        As for `make_task`.
    test_share
        The share of the events after the cut-off, above 0 and below 1.

    Raises
    ------
    MarketError
        If all events have one time, or no user with an earlier event can be evaluated.
    """
    cutoff = cutoff_time(log["timestamp"], test_share)
    if cutoff is None:
        raise MarketError("the log cannot be split by time: all events have one time")
    holdout = hold_out_after(log, cutoff)
    returning = log["user_id"].iloc[holdout.targets].isin(log["user_id"][holdout.train])
    if not returning.any():
        raise MarketError(
            f"the log cannot be split by time: no user with an event before {cutoff:%Y-%m-%d %H:%M}"
            " has a new product after it"
        )
    earlier = validation_holdouts(
        log, cutoff, test_share, min_targets=ENOUGH_TARGETS, max_holdouts=MAX_WINDOWS
    )
    return holdout, earlier
