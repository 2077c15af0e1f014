"""What a shopper likes, read from what they have looked at, saved, asked about and bought."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

HALF_LIFE_DAYS = 14.0  # after which an event counts half, against the shopper's last
HALF_LIFE_EVENTS = 20.0  # and after how many later ones: a long evening of browsing has a turn too
PRICE_SPREAD = 0.7  # of log prices that somebody who wants a thing of £50 still looks at
TASTES = [
    "user_category",
    "user_price",
    "user_text_similarity",
    "user_image_similarity",
    "proximity",
]
NEARBY_KM = 40.0  # the distance that halves a listing's nearness


def recency(times: pd.Series) -> np.ndarray:
    """Return how much (n,) each event of a history still counts: 1 for the last, then ever less.

    `times` are datetimes in order; one that is not known (NaT) fades by the later events only.
    """
    days = ((times.max() - times) / pd.Timedelta(days=1)).fillna(0.0).to_numpy(float)
    later = np.arange(len(times))[::-1]
    return 0.5 ** (days / HALF_LIFE_DAYS + later / HALF_LIFE_EVENTS)


@dataclass(frozen=True)
class Attributes:
    """What tastes are about, of n listings: a row of each array per listing.

    category: (n,) tuples of the path's names. price: (n,) pounds, NaN where it is not meant.
    text: (n, width) unit vectors. photo: (n, width) unit vectors, zeros without a photo.
    place: (n, 2) degrees, NaN if unknown.
    """

    category: np.ndarray
    price: np.ndarray
    text: np.ndarray
    photo: np.ndarray
    place: np.ndarray


def person_signals(liked: Attributes, weights: np.ndarray, candidates: Attributes) -> pd.DataFrame:
    """Return how well each candidate suits a taste: the columns TASTES.

    `liked` are the listings of the history, at least one, `weights` (m,) what each event counts.
    All are in 0 … 1, higher is better, NaN where one side is unknown.
    """
    shares = weights / weights.sum()
    return pd.DataFrame(
        {
            "user_category": _category(liked.category, shares, candidates.category),
            "user_price": _price_level(liked.price, shares, candidates.price),
            "user_text_similarity": _alike(liked.text, shares, candidates.text),
            "user_image_similarity": _alike(liked.photo, shares, candidates.photo),
            "proximity": _near(liked.place, shares, candidates.place),
        }
    )


def _category(liked: np.ndarray, shares: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The share of the history in the candidate's category, averaged over the path's levels."""
    share_of: dict[tuple[str, ...], float] = {}
    for path, share in zip(liked, shares, strict=True):
        for depth in range(1, len(path) + 1):
            share_of[path[:depth]] = share_of.get(path[:depth], 0.0) + share
    score_of = {
        path: sum(share_of.get(path[:depth], 0.0) for depth in range(1, len(path) + 1)) / len(path)
        for path in set(candidates)
        if path
    }
    return np.array([score_of.get(path, np.nan) for path in candidates], float)


def _price_level(liked: np.ndarray, shares: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """A kernel density of the history's log prices: 1 where all of them are the candidate's."""
    known = ~np.isnan(liked)
    if not known.any():
        return np.full(len(candidates), np.nan)
    gaps = np.log1p(candidates)[:, None] - np.log1p(liked[known])[None, :]
    near = np.exp(-0.5 * np.square(gaps / PRICE_SPREAD))
    return near @ (shares[known] / shares[known].sum())


def _alike(liked: np.ndarray, shares: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The quadratic mean of each candidate's cosines to the history's, those below 0 as 0.

    Between the mean, in which a taste for bicycles and for sofas is one for neither, and the
    largest, in which what was looked at once counts like what was looked at every time.
    """
    shown = np.abs(liked).any(1)
    if not shown.any():
        return np.full(len(candidates), np.nan)
    cosines = np.clip(candidates @ liked[shown].T, 0, None)
    mean = np.sqrt(np.square(cosines) @ (shares[shown] / shares[shown].sum()))
    return np.where(np.abs(candidates).any(1), mean, np.nan)


def _near(liked: np.ndarray, shares: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Halves with every NEARBY_KM from the middle of the places looked at; NaN if unknown."""
    known = ~np.isnan(liked).any(1)
    if not known.any():
        return np.full(len(candidates), np.nan)
    # The weighted median: one far-away bargain does not move a home.
    home = [_weighted_median(liked[known, axis], shares[known]) for axis in (0, 1)]
    # A degree is 111 km; of longitude less, by the latitude. Good to a per cent within a country.
    scale = 111.2 * np.array([1.0, np.cos(np.radians(home[0]))])
    return nearness(np.linalg.norm((candidates - home) * scale, axis=1))


def nearness(away: np.ndarray) -> np.ndarray:
    """1 at 0 km, half of it with every NEARBY_KM; NaN stays."""
    return 0.5 ** (away / NEARBY_KM)


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) >= weights.sum() / 2
    return float(values[order][reached.argmax()])
