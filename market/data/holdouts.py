"""Splits of a log of interactions: the events that models learn from, and those they predict.

`hold_out_after` splits by time: a model learns nothing that happens after the events it predicts.
`leave_last_out` splits by user and leaks the future: its scores compare only with scores of the
same split.

A log has user_id, product_id and timestamp, in order of time. A product is new to a user at their
first event with it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

TRAIN, VALIDATION, TEST = 0, 1, 2  # the parts of a log in `assign_parts`


class Holdout(NamedTuple):
    """A split of the n events of a log.

    Attributes
    ----------
    train
        (n,) bool: the events that models learn from.
    targets
        (k,) positions of the events to predict, in order of time: at most one for each user, the
        first one with a product that is new to them.
    """

    train: np.ndarray
    targets: np.ndarray


# --- By time --------------------------------------------------------------------------------------
def cutoff_time(times: pd.Series, share: float) -> pd.Timestamp | None:
    """Return the time that about `share` of the events do not precede.

    At least one event precedes it. None if there are no events, or all have the same time.

    Parameters
    ----------
    times
        (n,) the times of the events, in any order.
    share
        Between 0 and 1.

    Examples
    --------
    >>> times = pd.Series(pd.date_range("2024-03-01", periods=10))
    >>> cutoff_time(times, 0.2)
    Timestamp('2024-03-09 00:00:00')
    """
    moments, counts = np.unique(times.to_numpy(), return_counts=True)
    if len(moments) < 2:
        return None
    later = counts[::-1].cumsum()[::-1][1:] / len(times)
    return pd.Timestamp(moments[1 + np.argmin(np.abs(later - share))])


def hold_out_after(
    log: pd.DataFrame, cutoff: pd.Timestamp, end: pd.Timestamp | None = None
) -> Holdout:
    """Split a log by time.

    Parameters
    ----------
    log
        See the module.
    cutoff
        Models learn from the events before this time.
    end
        The targets lie before this time; by default they may lie anywhere after the cut-off.

    Returns
    -------
    Holdout
        The target of a user is their first event from the cut-off on with a product that is new to
        them.

    Examples
    --------
    >>> log = pd.DataFrame(
    ...     {
    ...         "user_id": ["ann", "bob", "ann", "ann", "ann", "bob"],
    ...         "product_id": ["sofa", "lamp", "desk", "sofa", "lamp", "lamp"],
    ...         "timestamp": pd.date_range("2024-03-01", periods=6),
    ...     }
    ... )
    >>> holdout = hold_out_after(log, pd.Timestamp("2024-03-04"))
    >>> log[["user_id", "product_id"]][holdout.train]
      user_id product_id
    0     ann       sofa
    1     bob       lamp
    2     ann       desk
    >>> log[["user_id", "product_id"]].iloc[holdout.targets]
      user_id product_id
    4     ann       lamp
    """
    times = log["timestamp"]
    inside = times.ge(cutoff) if end is None else times.ge(cutoff) & times.lt(end)
    new = np.flatnonzero(inside & ~log.duplicated(["user_id", "product_id"]))
    first = ~log["user_id"].iloc[new].duplicated().to_numpy()
    return Holdout(times.lt(cutoff).to_numpy(), new[first])


def validation_holdouts(
    log: pd.DataFrame,
    cutoff: pd.Timestamp,
    share: float,
    *,
    min_targets: int,
    max_holdouts: int,
) -> list[Holdout]:
    """Split the events before a cut-off again by time, to choose settings.

    Parameters
    ----------
    log
        See the module.
    cutoff
        Later events are not used.
    share
        The first holdout holds out this share of the events, the latest ones. The next holds out
        the same share of the events that remain, and so on.
    min_targets
        The number of targets with a history after which no further holdout is made.
    max_holdouts
        The largest number of holdouts.

    Returns
    -------
    list of Holdout
        The latest first; fewer if too few events are left to split.
    """
    holdouts: list[Holdout] = []
    n_targets = 0
    while len(holdouts) < max_holdouts and n_targets < min_targets:
        times = log["timestamp"]
        start = cutoff_time(times[times < cutoff], share)
        if start is None:
            break
        holdout = hold_out_after(log, start, cutoff)
        users_with_history = log["user_id"][holdout.train].unique()
        n_targets += int(log["user_id"].iloc[holdout.targets].isin(users_with_history).sum())
        holdouts.append(holdout)
        cutoff = start
    return holdouts


# --- By user --------------------------------------------------------------------------------------
def assign_parts(log: pd.DataFrame) -> pd.Series:
    """Assign each event of a log to TRAIN, VALIDATION or TEST, by user.

    TEST begins with a user's first event with the last product that was new to them. VALIDATION
    begins with their first event with the product that was new before that one. A user of two
    products has no VALIDATION; a user of one product has only TRAIN.

    Returns
    -------
    pd.Series
        (n,) the part of each event, by the index of the log.
    """
    new = ~log.duplicated(["user_id", "product_id"])
    n_so_far = new.groupby(log["user_id"]).cumsum()  # different products
    n_products = new.groupby(log["user_id"]).transform("sum")
    in_test = (n_so_far == n_products) & (n_products >= 2)
    in_validation = (n_so_far == n_products - 1) & (n_products >= 3)
    return in_validation * VALIDATION + in_test * TEST


def leave_last_out(log: pd.DataFrame, part: int = TEST) -> Holdout:
    """Hold out the last product that was new to each user, or the one before it.

    Leakage: models learn from events of other users that are later than a target. Do not compare
    the scores with scores of a split by time.

    Parameters
    ----------
    log
        See the module.
    part
        TEST for the last new product; VALIDATION, to choose settings, for the one before it.

    Returns
    -------
    Holdout
        Models learn from the events of earlier parts.

    Examples
    --------
    >>> log = pd.DataFrame(
    ...     {
    ...         "user_id": ["ann", "bob", "ann", "ann", "ann"],
    ...         "product_id": ["sofa", "lamp", "desk", "sofa", "lamp"],
    ...         "timestamp": pd.date_range("2024-03-01", periods=5),
    ...     }
    ... )
    >>> log["product_id"].iloc[leave_last_out(log).targets].tolist()
    ['lamp']
    >>> log["product_id"].iloc[leave_last_out(log, VALIDATION).targets].tolist()
    ['desk']
    """
    parts = assign_parts(log)
    new = parts.eq(part) & ~log.duplicated(["user_id", "product_id"])
    return Holdout((parts < part).to_numpy(), np.flatnonzero(new))


# --- Histories ------------------------------------------------------------------------------------
def histories_before(log: pd.DataFrame, targets: np.ndarray) -> list[pd.DataFrame]:
    """Return the history of each target: the user's earlier events.

    Parameters
    ----------
    log
        See the module.
    targets
        (k,) positions of events.

    Returns
    -------
    list of pd.DataFrame
        k tables of rows of the log, in order of time; empty for a new user.

    Examples
    --------
    >>> log = pd.DataFrame({"user_id": list("abab"), "product_id": list("wxyz")})
    >>> [history["product_id"].tolist() for history in histories_before(log, np.array([1, 3]))]
    [[], ['x']]
    """
    users = pd.factorize(log["user_id"])[0]
    order = np.argsort(users, kind="stable")
    starts = np.searchsorted(users[order], users[targets])
    place = np.empty(len(log), np.int64)
    place[order] = np.arange(len(log))
    by_user = log.iloc[order]
    return [by_user.iloc[start:end] for start, end in zip(starts, place[targets], strict=True)]


def histories_at(log: pd.DataFrame, users: pd.Series, times: pd.Series) -> list[pd.DataFrame]:
    """Return the events of some users before some moments.

    Parameters
    ----------
    log
        See the module.
    users
        (k,) user ids; a missing one is a user without a history.
    times
        (k,) moments. Events of the moment itself are left out.

    Returns
    -------
    list of pd.DataFrame
        k tables of rows of the log, in order of time.

    Examples
    --------
    >>> log = pd.DataFrame(
    ...     {
    ...         "user_id": list("abab"),
    ...         "product_id": list("wxyz"),
    ...         "timestamp": pd.date_range("2024-03-01", periods=4),
    ...     }
    ... )
    >>> users, times = pd.Series(["a", None]), pd.Series(pd.Timestamp("2024-03-03")).repeat(2)
    >>> [history["product_id"].tolist() for history in histories_at(log, users, times)]
    [['w'], []]
    """
    codes, known_users = pd.factorize(log["user_id"])
    order = np.argsort(codes, kind="stable")
    by_user = log.iloc[order]
    moments = by_user["timestamp"].to_numpy()
    wanted = known_users.get_indexer(users)
    starts, ends = (np.searchsorted(codes[order], wanted, side=side) for side in ("left", "right"))
    histories = []
    for start, end, time in zip(starts, ends, times.to_numpy(), strict=True):
        length = int(np.searchsorted(moments[start:end], time))
        histories.append(by_user.iloc[start : start + length])
    return histories
