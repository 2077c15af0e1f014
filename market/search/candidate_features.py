"""All features of candidates: of the query, of the user, and of the listing itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from market.search.catalogue import Catalogue
from market.search.collaborative import CollaborativeModel, event_weights
from market.search.collaborative_scores import (
    SHARED_FEATURES,
    CollaborativeScores,
    new_user_features,
)
from market.search.listing_vectors import ListingVectors
from market.search.query import Query
from market.search.query_features import query_features
from market.search.user_features import (
    USER_FEATURES,
    Attributes,
    compute_user_features,
    event_decay,
    proximity,
)

FRESHNESS_HALF_LIFE_DAYS = 14.0  # age at which a listing's `recency` is one half
NO_HISTORY = pd.DataFrame(
    {"product_id": pd.Series(dtype=str), "event": pd.Series(dtype=str),
     "timestamp": pd.Series(dtype="datetime64[ns]")}
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class User:
    """The user of a request: a history, and the moment of the request.

    Attributes
    ----------
    history
        `product_id`, `event` and `timestamp`, in order of time; no rows for a new user.
    scores
        The scores of all listings that the collaborative model knows; None without a model.
    as_of
        The moment; None is the latest that the catalogue or the log knows.
    """

    history: pd.DataFrame
    scores: CollaborativeScores | None
    as_of: pd.Timestamp | None

    @classmethod
    def build(
        cls,
        history: pd.DataFrame | None,
        model: CollaborativeModel | None,
        as_of: pd.Timestamp | None,
    ) -> User:
        """Compute the collaborative scores of a history; None is an empty one."""
        history = NO_HISTORY if history is None else history
        return cls(history, None if model is None else model.scores(history, as_of), as_of)


def candidate_features(
    query: Query,
    candidates: np.ndarray,
    user: User,
    catalogue: Catalogue,
    vectors: ListingVectors,
    *,
    feedback_weights: dict[str, float],
    now: pd.Timestamp,
    distances: np.ndarray | None = None,
) -> pd.DataFrame:
    """Compute the ranker's features.

    Parameters
    ----------
    query
        The query; an empty one to browse.
    candidates
        (m,) positions.
    user
        The user.
    catalogue, vectors
        The n listings.
    feedback_weights
        See `query_features`.
    now
        The moment of the request.
    distances
        (n,) kilometres from the place that the user searches near. They replace the distance from
        the user's usual places as `proximity`.

    Returns
    -------
    DataFrame
        m rows; a column for each feature, NaN where unknown.
    """
    attributes = listing_attributes(candidates, catalogue, vectors)
    return pd.concat(
        [
            query_features(query, candidates, attributes, vectors, feedback_weights),
            user_and_listing_features(
                candidates,
                attributes,
                user,
                catalogue,
                vectors,
                browsing=query.empty,
                now=now,
                distances=distances,
            ),
        ],
        axis=1,
    )


def user_and_listing_features(
    candidates: np.ndarray,
    attributes: Attributes,
    user: User,
    catalogue: Catalogue,
    vectors: ListingVectors,
    *,
    browsing: bool,
    now: pd.Timestamp,
    distances: np.ndarray | None = None,
) -> pd.DataFrame:
    """Compute the features that do not depend on the query: of the user and of the listings.

    Parameters
    ----------
    candidates
        (m,) positions.
    attributes
        The attributes of the candidates.
    browsing
        Whether the query is empty.
    user, catalogue, vectors, now, distances
        As for `candidate_features`.

    Returns
    -------
    DataFrame
        m rows; a column for each feature, NaN where unknown.
    """
    listing_features = pd.DataFrame(
        {
            "recency": freshness(candidates, catalogue, now),
            "price_fairness": catalogue.price_fairness[candidates],
        }
    )
    features = pd.concat(
        [
            _taste_features(user, attributes, catalogue, vectors),
            _collaborative_features(user, candidates, catalogue, browsing=browsing),
            listing_features,
        ],
        axis=1,
    )
    if distances is not None:
        features["proximity"] = proximity(distances[candidates])
    return features


def listing_attributes(
    positions: np.ndarray, catalogue: Catalogue, vectors: ListingVectors
) -> Attributes:
    """Return the attributes of listings that tastes are computed from."""
    return Attributes(
        category=catalogue.paths[catalogue.path_of[positions]],
        price=catalogue.unflagged_prices(positions),
        text=vectors.texts.vectors(positions),
        photo=vectors.mean_images(positions),
        place=catalogue.coordinates[positions],
    )


def freshness(positions: np.ndarray, catalogue: Catalogue, now: pd.Timestamp) -> np.ndarray:
    """Return the `recency` (k,) of listings at a moment.

    1 for a listing of this moment, half of it for each FRESHNESS_HALF_LIFE_DAYS of age; NaN if the
    listing has no date.
    """
    if pd.isna(catalogue.last_created):
        return np.full(len(positions), np.nan)
    age_days = (now.to_datetime64() - catalogue.created[positions]) / np.timedelta64(1, "D")
    return 0.5 ** (np.maximum(age_days, 0) / FRESHNESS_HALF_LIFE_DAYS)


def request_time(
    as_of: pd.Timestamp | None, catalogue: Catalogue, collaborative: CollaborativeModel | None
) -> pd.Timestamp:
    """Return the moment that the age of listings counts from.

    It is `as_of`, or by default the latest date of a listing or of the log; NaT without any date.
    """
    if as_of is not None:
        return as_of
    if collaborative is None or pd.isna(catalogue.last_created):
        return catalogue.last_created
    return max(catalogue.last_created, collaborative.end)


def _taste_features(
    user: User, attributes: Attributes, catalogue: Catalogue, vectors: ListingVectors
) -> pd.DataFrame:
    """Compare candidates with the listings of the user's history; NaN without any."""
    positions = catalogue.positions(user.history["product_id"])
    events, positions = user.history[positions >= 0], positions[positions >= 0]
    if not len(positions):
        return pd.DataFrame(np.nan, index=range(len(attributes.price)), columns=USER_FEATURES)
    weights = event_weights(events["event"]) * event_decay(events["timestamp"])
    liked = listing_attributes(positions, catalogue, vectors)
    return compute_user_features(liked, weights, attributes)


def _collaborative_features(
    user: User, candidates: np.ndarray, catalogue: Catalogue, *, browsing: bool
) -> pd.DataFrame:
    """Compute the collaborative features of candidates; no columns without a model.

    For a user without a known history they are only those that all users share. Browsing, they have
    names and weights of their own then.
    """
    if user.scores is None:
        return pd.DataFrame(index=range(len(candidates)))
    features = user.scores.features(catalogue.ids(candidates))
    if not user.scores.known:
        features = (
            new_user_features(features[SHARED_FEATURES]) if browsing else features[SHARED_FEATURES]
        )
    return features.reset_index(drop=True)
