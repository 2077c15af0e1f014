"""How well listings fit a user's preferences, as the user's history shows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

HALF_LIFE_DAYS = 14.0  # between an event and the user's latest one
HALF_LIFE_EVENTS = 20.0  # later events: within one long evening interests can change too
PRICE_SPREAD = 0.7  # standard deviation of the log prices that a user with one item in mind views
HALF_DISTANCE_KM = 40.0  # the distance that halves the proximity
KM_PER_DEGREE = 111.2  # of latitude
USER_FEATURES = [
    "user_category",
    "user_price",
    "user_text_similarity",
    "user_image_similarity",
    "proximity",
]


def event_decay(times: pd.Series) -> np.ndarray:
    """Return how much each event of a history still counts.

    Parameters
    ----------
    times
        (n,) datetimes, in order; NaT, for an unknown time, decays by the later events only.

    Returns
    -------
    np.ndarray
        (n,), 1 for the last event and less for earlier ones.

    Examples
    --------
    >>> event_decay(pd.Series(pd.to_datetime(["2024-03-01", "2024-03-15"]))).round(2).tolist()
    [0.48, 1.0]
    """
    days = ((times.max() - times) / pd.Timedelta(days=1)).fillna(0.0).to_numpy(float)
    later = np.arange(len(times))[::-1]
    return 0.5 ** (days / HALF_LIFE_DAYS + later / HALF_LIFE_EVENTS)


@dataclass(frozen=True)
class Attributes:
    """The attributes of n listings that users have preferences for; a row for each listing.

    Attributes
    ----------
    category
        (n,) tuples, the names on the path; empty if unknown.
    price
        (n,) pounds, NaN for a placeholder.
    text
        (n, width) unit vectors.
    photo
        (n, width) unit vectors, zeros without a photo.
    place
        (n, 2) latitude and longitude in degrees, NaN if unknown.
    """

    category: np.ndarray
    price: np.ndarray
    text: np.ndarray
    photo: np.ndarray
    place: np.ndarray


def compute_user_features(
    history: Attributes, weights: np.ndarray, candidates: Attributes
) -> pd.DataFrame:
    """Return how well each candidate fits the preferences of a user.

    Parameters
    ----------
    history
        The listings of the user's events, at least one.
    weights
        (m,), how much each event counts.
    candidates
        k listings.

    Returns
    -------
    pd.DataFrame
        (k, USER_FEATURES), 0 … 1, higher is better; NaN where one side is unknown.
    """
    shares = weights / weights.sum()
    return pd.DataFrame(
        {
            "user_category": _category(history.category, shares, candidates.category),
            "user_price": _price(history.price, shares, candidates.price),
            "user_text_similarity": _similarity(history.text, shares, candidates.text),
            "user_image_similarity": _similarity(history.photo, shares, candidates.photo),
            "proximity": _proximity(history.place, shares, candidates.place),
        }
    )


def _category(history: np.ndarray, shares: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the history's share in the candidate's category, averaged over the path's levels."""
    share_of: dict[tuple[str, ...], float] = {}
    for path, share in zip(history, shares, strict=True):
        for depth in range(1, len(path) + 1):
            share_of[path[:depth]] = share_of.get(path[:depth], 0.0) + share
    score_of = {
        path: sum(share_of.get(path[:depth], 0.0) for depth in range(1, len(path) + 1)) / len(path)
        for path in set(candidates)
        if path
    }
    return np.array([score_of.get(path, np.nan) for path in candidates], float)


def _price(history: np.ndarray, shares: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return a kernel density of the history's log prices; 1 if all equal the candidate's."""
    known = ~np.isnan(history)
    if not known.any():
        return np.full(len(candidates), np.nan)
    gaps = np.log1p(candidates)[:, None] - np.log1p(history[known])[None, :]
    kernel = np.exp(-0.5 * np.square(gaps / PRICE_SPREAD))
    return kernel @ (shares[known] / shares[known].sum())


def _similarity(history: np.ndarray, shares: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the quadratic mean of a candidate's cosines to the history, negative ones as 0.

    With a plain mean, neither bicycles nor sofas would fit a user who views both. With the largest
    cosine, a single view would count as much as a hundred. The quadratic mean lies between the two.
    """
    known = np.abs(history).any(1)
    if not known.any():
        return np.full(len(candidates), np.nan)
    cosines = np.clip(candidates @ history[known].T, 0, None)
    mean = np.sqrt(np.square(cosines) @ (shares[known] / shares[known].sum()))
    return np.where(np.abs(candidates).any(1), mean, np.nan)


def _proximity(history: np.ndarray, shares: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the proximity to the middle of the history's places."""
    known = ~np.isnan(history).any(1)
    if not known.any():
        return np.full(len(candidates), np.nan)
    # The weighted median: one bargain far away does not move a home.
    home = [_weighted_median(history[known, axis], shares[known]) for axis in (0, 1)]
    # A degree of longitude is shorter by the latitude: within one country exact to one per cent.
    scale = KM_PER_DEGREE * np.array([1.0, np.cos(np.radians(home[0]))])
    return proximity(np.linalg.norm((candidates - home) * scale, axis=1))


def proximity(distance_km: np.ndarray) -> np.ndarray:
    """Return 1 at 0 km, halved with every HALF_DISTANCE_KM; NaN stays NaN.

    Examples
    --------
    >>> proximity(np.array([0.0, 40.0, np.nan])).tolist()
    [1.0, 0.5, nan]
    """
    return 0.5 ** (distance_km / HALF_DISTANCE_KM)


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) >= weights.sum() / 2
    return float(values[order][reached.argmax()])
