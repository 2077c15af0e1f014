"""Features of products for a user, from the scores that a collaborative model gives to them.

Four personal features compare a product with the user's history:
- co_occurrence: how well the whole history predicts it, by weights between products (EASE).
- co_occurrence.recent: the same for the latest few events, by weights from products that users
  visited close together.
- co_occurrence.factors: how well it fits the user's factors (implicit ALS), for products with too
  few pairs to compare.
- next_item: how often it followed the latest few products.
Two are the same for all users: popularity; and trending, which counts events before a given time,
never after it, with four half-lives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

PERSONAL_FEATURES = ["co_occurrence", "co_occurrence.recent", "co_occurrence.factors", "next_item"]
# The same for all users.
SHARED_FEATURES = ["popularity", "trending", "trending.hours", "trending.day", "trending.month"]
COLLABORATIVE_FEATURES = PERSONAL_FEATURES + SHARED_FEATURES


@dataclass(frozen=True, eq=False)
class CollaborativeScores:
    """The scores of the n products of a log for one user at one time.

    Features are computed for the products that are asked for: a log may have a hundred thousand
    products, and a search shows twenty.

    Attributes
    ----------
    index
        (n,) product_id.
    personal
        An array (n,) for each of PERSONAL_FEATURES; empty if the model knows no product of the
        user's history.
    unseen
        (n,) bool: the products that are not in the history.
    popularity
        (n,), 0 … 1.
    trending
        (n, half-lives), 0 … 1.
    """

    index: pd.Index
    personal: list[np.ndarray]
    unseen: np.ndarray
    popularity: np.ndarray
    trending: np.ndarray

    @property
    def known(self) -> bool:
        """Whether the model knows a product of the user's history."""
        return bool(self.personal)

    def features(self, products: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the features of products.

        A personal feature is a product's place among those that the user has not seen, on a
        logarithmic scale: 1 for the first, 0 for the last and for products unrelated to the
        history. Products of the history have the value that they would have if they were unseen.
        All personal features are 0 without a known history.

        Parameters
        ----------
        products
            m ids; by default all products of the log.

        Returns
        -------
        pd.DataFrame
            (m, COLLABORATIVE_FEATURES), 0 … 1, indexed by product_id; NaN for a product that is not
            in the log.
        """
        if products is None:
            index, rows = self.index, np.arange(len(self.index))
        else:
            index = pd.Index(products, dtype="str", name="product_id")
            rows = self.index.get_indexer(index)
        values = np.zeros((len(rows), len(COLLABORATIVE_FEATURES)))
        for column, scores in enumerate(self.personal):
            values[:, column] = _log_places(scores, self.unseen, rows)
        first_shared = len(PERSONAL_FEATURES)
        values[:, first_shared] = self.popularity[rows]
        values[:, first_shared + 1 :] = self.trending[rows]
        values[rows < 0] = np.nan
        return pd.DataFrame(values, index, COLLABORATIVE_FEATURES)

    def feature(self, name: str) -> pd.Series:
        """Return `popularity` or a personal feature of all products (n,), by product_id."""
        if name == "popularity":
            return pd.Series(self.popularity, self.index)
        values = np.zeros(len(self.index))
        if self.known:
            scores = self.personal[PERSONAL_FEATURES.index(name)]
            values = _log_places(scores, self.unseen, np.arange(len(values)))
        return pd.Series(values, self.index)


def new_user_features(features: pd.DataFrame) -> pd.DataFrame:
    """Return the features of a user without a history: SHARED_FEATURES, under other names.

    For a new user only popularity is known, so it has weights of its own, which the ranker learns
    from the choices of new users. For other users it adds little to their own features.
    """
    return features[SHARED_FEATURES].add_suffix(".new_user")


def _log_places(scores: np.ndarray, unseen: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return 1 for the best score, 0 for the last and for scores of 0, by the log of the place.

    Places are among the unseen; a seen product has the place of the next lower unseen one.

    Parameters
    ----------
    scores, unseen
        (n,) of all products.
    rows
        (m,) the products whose values are returned.
    """
    best_first = np.sort(-scores[(scores > 0) & unseen])
    own = scores[rows]
    values = np.zeros(len(rows))
    above = np.flatnonzero(own > 0)
    places = np.searchsorted(best_first, -own[above], side="left")
    values[above] = 1 - np.log1p(places) / np.log1p(len(scores))
    return values
