"""Relations between products, and their popularity, from the interactions of all users.

`collaborative_scores` makes features of them, for a user with a given history.

A history is read as visits: consecutive events with the same product are one visit, with the weight
of the strongest event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from market.search.collaborative_scores import CollaborativeScores
from market.search.item_models import (
    count_pairs,
    ease,
    factor_gram,
    factorise,
    keep_strongest,
    sum_at,
    user_factors,
)

# How much an event says about interest; any other name counts as a view.
EVENT_WEIGHTS = {"view": 1.0, "save": 2.0, "message": 3.0, "buy": 4.0}

MAX_VISITS = 500  # latest visits of a user that count in `co_occurrence`: its cost is their square
HOUR = np.timedelta64(1, "h")

# Visits after which a product of the history counts half.
CO_OCCURRENCE_HALF_LIFE = 300.0
RECENT_HALF_LIFE = 3.0
NEXT_ITEM_HALF_LIFE = 2.0
RECENT_HALF_DISTANCE = 10.0  # visits between two products that halve their co-occurrence
# Days after which an event counts half, for `trending`, `.hours`, `.day` and `.month`. Logs differ
# in how fast fashions change, so the ranker learns which of these to follow.
TRENDING_HALF_LIVES = (7.0, 0.25, 1.0, 30.0)

_FILE = "collaborative.npz"


@dataclass
class CollaborativeModel:
    """Relations between the n products of a log; made by `fit`.

    Attributes
    ----------
    products
        (n,) str, sorted.
    co_occurrence
        (n, n) float32, weights from a product of the history (row) to another (column).
    recent
        (n, n) float32, the same from products that were visited close together.
    factors
        (n, FACTORS) float32.
    next_item
        (n, n) float32, how often a product (column) followed another (row).
    popularity
        (n,), 0 … 1, from the number of users who visited a product.
    hourly_events
        (hours, n) float32, events of each hour, for `trending`.
    first_hour
        The time of the first row of `hourly_events`.

    Examples
    --------
    Two users view a desk after a sofa, so a desk is the next item after a sofa.

    >>> log = pd.DataFrame(
    ...     {
    ...         "user_id": ["ann", "bob", "ann", "bob", "cy"],
    ...         "product_id": ["sofa", "sofa", "desk", "desk", "lamp"],
    ...         "event": "view",
    ...         "timestamp": pd.date_range("2024-03-01", periods=5),
    ...     }
    ... )
    >>> model = CollaborativeModel.fit(log)
    >>> history = pd.DataFrame({"product_id": ["sofa"], "event": ["view"]})
    >>> model.features(history)["next_item"].to_dict()
    {'desk': 1.0, 'lamp': 0.0, 'sofa': 0.0}
    """

    products: np.ndarray
    co_occurrence: sparse.csr_array
    recent: sparse.csr_array
    factors: np.ndarray
    next_item: sparse.csr_array
    popularity: np.ndarray
    hourly_events: sparse.csr_array
    first_hour: np.datetime64

    @classmethod
    def fit(
        cls,
        log: pd.DataFrame,
        *,
        penalty: float = 5.0,
        damping: float = 0.25,
        shrinkage: float = 3.0,
    ) -> CollaborativeModel:
        """Fit on a log.

        Parameters
        ----------
        log
            user_id, product_id, event and timestamp (datetime64), in any order.
        penalty, damping
            Of EASE: see `item_models.ease`.
        shrinkage
            Visits, in multiples of the mean product's, that `next_item` adds to a product's own
            before it divides by them: a rare product's followers are uncertain.

        Raises
        ------
        ValueError
            If the log is empty.
        """
        if log.empty:
            raise ValueError("no interaction to learn from")
        log = log.sort_values("timestamp", kind="stable", ignore_index=True)
        users, _ = pd.factorize(log["user_id"])
        codes, products = pd.factorize(log["product_id"].astype(str), sort=True)
        size = len(products)
        hours = log["timestamp"].to_numpy().astype("datetime64[h]")
        hour = (hours - hours[0]) // HOUR
        hourly_events = sum_at(np.ones(len(log)), hour, codes, (hour[-1] + 1, size))

        order = np.argsort(users, kind="stable")
        users, codes, weights = _to_visits(
            users[order], codes[order], event_weights(log["event"])[order]
        )
        n_visits = np.bincount(codes, minlength=size)
        late = _visits_after(users) < MAX_VISITS
        visits = sum_at(weights[late], users[late], codes[late], (users.max() + 1, size))
        n_users = np.bincount(visits.indices, minlength=size)
        visits.data = np.sqrt(visits.data)  # a second visit says less than the first
        before = count_pairs(users, codes, size, RECENT_HALF_DISTANCE)
        nearby = before + before.T + sparse.diags_array(n_visits.astype(np.float32))
        share = sparse.diags_array(1 / (n_visits + shrinkage * n_visits.mean()))
        followers = share @ count_pairs(users, codes, size, NEXT_ITEM_HALF_LIFE)
        return cls(
            products=np.asarray(products, dtype=str),
            co_occurrence=ease(visits.T @ visits, penalty, damping),
            recent=ease(nearby, penalty, damping),
            factors=factorise(visits),
            next_item=keep_strongest(followers),
            popularity=_share_of_largest(np.log1p(n_users)),
            hourly_events=hourly_events,
            first_hour=hours[0],
        )

    @property
    def end(self) -> pd.Timestamp:
        """The end of the last hour with an event: the model knows nothing later."""
        return pd.Timestamp(self.first_hour + self.hourly_events.shape[0] * HOUR)

    def scores(
        self, history: pd.DataFrame, as_of: pd.Timestamp | None = None
    ) -> CollaborativeScores:
        """Return the scores of all products of the log for a user.

        Parameters
        ----------
        history
            product_id and event, in order of time. Products that are not in the log are ignored.
            Without any other there are no personal scores.
        as_of
            `trending` counts events of the hours before this time; by default, and at most, `end`.
        """
        codes = self.index.get_indexer(history["product_id"])
        known = codes >= 0
        unseen = np.ones(len(self.products), bool)
        personal: list[np.ndarray] = []
        if known.any():
            weights = event_weights(history["event"])[known]
            _, codes, weights = _to_visits(np.zeros(known.sum(), int), codes[known], weights)
            unseen[codes] = False
            personal = self._personal_scores(codes, weights)
        return CollaborativeScores(
            self.index, personal, unseen, self.popularity, self._trending(as_of)
        )

    def features(self, history: pd.DataFrame, as_of: pd.Timestamp | None = None) -> pd.DataFrame:
        """Return the features of all products of the log: see `CollaborativeScores.features`."""
        return self.scores(history, as_of).features()

    def _personal_scores(self, codes: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
        """Return the scores (n,) of all products, one array for each of PERSONAL_FEATURES.

        `codes` and `weights` (m,) are the visits of a history, in order of time.
        """
        age = np.arange(len(codes))[::-1]

        def recent(half_life: float) -> tuple[np.ndarray, np.ndarray]:
            """Return the visits that still count, and how much."""
            late = age < 10 * half_life  # an older visit counts less than a thousandth
            return codes[late], np.sqrt(weights[late]) * 0.5 ** (age[late] / half_life)

        def follow(matrix: sparse.csr_array, half_life: float) -> np.ndarray:
            late_codes, late_weights = recent(half_life)
            return late_weights @ matrix[late_codes]

        visits = recent(CO_OCCURRENCE_HALF_LIFE)
        return [
            follow(self.co_occurrence, CO_OCCURRENCE_HALF_LIFE),
            follow(self.recent, RECENT_HALF_LIFE),
            self._double_factors @ user_factors(self.factors, self._factor_gram, *visits),
            follow(self.next_item, NEXT_ITEM_HALF_LIFE),
        ]

    @cached_property
    def index(self) -> pd.Index:
        """`products` as the index of `features`."""
        return pd.Index(self.products, dtype="str", name="product_id")

    @cached_property
    def _double_factors(self) -> np.ndarray:
        """`factors` as float64: to convert them for each user takes longer than the product."""
        return self.factors.astype(float)

    @cached_property
    def _factor_gram(self) -> np.ndarray:
        return factor_gram(self.factors)

    def seen_before(self, as_of: pd.Timestamp, products: Sequence[str]) -> np.ndarray:
        """Return which products had an event in the hours before a time.

        Parameters
        ----------
        as_of
            The time.
        products
            k ids, which need not be in the log.

        Returns
        -------
        np.ndarray
            (k,) bool.
        """
        hour = (as_of.to_datetime64().astype("datetime64[h]") - self.first_hour) // HOUR
        codes = self.index.get_indexer(products)
        return (codes >= 0) & (self._first_hours[codes] < hour)

    @cached_property
    def _first_hours(self) -> np.ndarray:
        """The row (n,) of `hourly_events` with a product's first event."""
        by_product = sparse.csc_array(self.hourly_events)
        return np.minimum.reduceat(by_product.indices, by_product.indptr[:-1])

    def _trending(self, as_of: pd.Timestamp | None) -> np.ndarray:
        """Return fading counts (n, half-lives), 0 … 1, of the events before a time."""
        hours = self.hourly_events.shape[0]
        if as_of is not None:
            now = as_of.to_datetime64().astype("datetime64[h]")
            hours = int(np.clip((now - self.first_hour) // HOUR, 0, hours))
        remembered = self._latest_trending.get(hours)
        if remembered is not None:
            return remembered
        columns = []
        for days in TRENDING_HALF_LIVES:
            first = max(0, hours - int(24 * 7 * days))  # an older event counts under a hundredth
            fade = 0.5 ** ((hours - np.arange(first, hours)) / (24 * days))
            columns.append(_share_of_largest(np.log1p(fade @ self.hourly_events[first:hours])))
        counts = np.column_stack(columns)
        self._latest_trending.clear()
        self._latest_trending[hours] = counts
        return counts

    @cached_property
    def _latest_trending(self) -> dict[int, np.ndarray]:
        """The latest result of `_trending`, by its hour: a service always needs the same one."""
        return {}

    def save(self, folder: Path) -> None:
        """Write the model into `folder`, which exists; equal models are equal bytes."""
        arrays = {}
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if sparse.issparse(value):
                for part in ("data", "indices", "indptr", "shape"):
                    arrays[f"{name}.{part}"] = np.asarray(getattr(value, part))
            else:
                arrays[name] = np.asarray(value)
        with (folder / _FILE).open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, folder: Path) -> CollaborativeModel:
        """Return the model that `save` wrote."""
        with np.load(folder / _FILE, allow_pickle=False) as file:
            fields = {}
            for name in cls.__dataclass_fields__:
                if name in file:
                    fields[name] = file[name]
                else:
                    data, indices, indptr, shape = (
                        file[f"{name}.{part}"] for part in ("data", "indices", "indptr", "shape")
                    )
                    fields[name] = sparse.csr_array((data, indices, indptr), shape=tuple(shape))
        return cls(**fields | {"first_hour": fields["first_hour"][()]})


def event_weights(events: pd.Series) -> np.ndarray:
    """Return the weight (n,) of each event: EVENT_WEIGHTS, and 1 for any other name."""
    return np.fromiter((EVENT_WEIGHTS.get(event, 1.0) for event in events), float, len(events))


def _to_visits(
    users: np.ndarray, codes: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merge a user's consecutive events with one product, with the largest weight."""
    if not len(codes):
        return users, codes, weights
    starts = np.flatnonzero(np.r_[True, (users[1:] != users[:-1]) | (codes[1:] != codes[:-1])])
    return users[starts], codes[starts], np.maximum.reduceat(weights, starts)


def _visits_after(users: np.ndarray) -> np.ndarray:
    """Return how many visits of the same user come after each; `users` are grouped."""
    ends = np.flatnonzero(np.r_[users[1:] != users[:-1], True])
    return np.repeat(ends, np.diff(np.r_[-1, ends])) - np.arange(len(users))


def _share_of_largest(values: np.ndarray) -> np.ndarray:
    """Divide values, none below 0, by their largest."""
    return values / (values.max() or 1.0)
