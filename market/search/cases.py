"""Cases to learn from and to evaluate on: a user's history, and the next choice."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from market.data.holdouts import Holdout, histories_before


class Case(NamedTuple):
    """A history, and the choice that followed.

    Attributes
    ----------
    history
        The user's events before the choice, in order of time; empty for a new user.
    chosen
        The ids of the listings that the user chose next.
    as_of
        The time of the choice; None for the latest time that the models know.
    """

    history: pd.DataFrame
    chosen: list[str]
    as_of: pd.Timestamp | None


def log_of_listings(log: pd.DataFrame, listings: pd.DataFrame) -> pd.DataFrame:
    """Return the events of a log whose products are listings, numbered from 0."""
    return log[log["product_id"].isin(listings["product_id"])].reset_index(drop=True)


def sample_rows(rows: np.ndarray, max_rows: int, seed: int) -> np.ndarray:
    """Return the rows, or `max_rows` of them drawn at random and sorted."""
    if len(rows) <= max_rows:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, max_rows, replace=False))


def held_out_cases(
    log: pd.DataFrame, holdout: Holdout, *, max_cases: int | None = None, seed: int = 0
) -> list[Case]:
    """Return a case for each target of a holdout.

    Parameters
    ----------
    log
        user_id, product_id, event and timestamp, in order of time.
    holdout
        A split of this log.
    max_cases
        Of more cases, this many are drawn with `seed`.

    Examples
    --------
    >>> log = pd.DataFrame(
    ...     {
    ...         "user_id": ["ann", "ann", "ann"],
    ...         "product_id": ["sofa", "desk", "lamp"],
    ...         "event": "view",
    ...         "timestamp": pd.date_range("2024-03-01", periods=3),
    ...     }
    ... )
    >>> holdout = Holdout(train=np.array([True, True, False]), targets=np.array([2]))
    >>> [case] = held_out_cases(log, holdout)
    >>> case.history["product_id"].tolist(), case.chosen, case.as_of
    (['sofa', 'desk'], ['lamp'], Timestamp('2024-03-03 00:00:00'))
    """
    rows = holdout.targets
    if max_cases is not None:
        rows = sample_rows(rows, max_cases, seed)
    targets = log.iloc[rows]
    return [
        Case(history, [product_id], as_of)
        for history, product_id, as_of in zip(
            histories_before(log, rows), targets["product_id"], targets["timestamp"], strict=True
        )
    ]


def sample_cases(cases: list[Case], max_cases: int, seed: int) -> list[Case]:
    """Return the cases, or `max_cases` of them drawn at random, in order."""
    return [cases[row] for row in sample_rows(np.arange(len(cases)), max_cases, seed)]
