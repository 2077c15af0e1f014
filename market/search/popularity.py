"""The most popular products of a log: a baseline that does not know the user."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd


class Popularity:
    """Ranks products by their number of events, over all time or within a window.

    Parameters
    ----------
    log
        product_id and timestamp, in order of time.

    Attributes
    ----------
    products : np.ndarray
        (n,) the products of the log, sorted.

    Examples
    --------
    >>> times = pd.to_datetime(["2024-03-01", "2024-03-01", "2024-03-09", "2024-03-09"])
    >>> log = pd.DataFrame({"product_id": ["desk", "desk", "sofa", "desk"], "timestamp": times})
    >>> popularity = Popularity(log)
    >>> popularity.ranking()
    ['desk', 'sofa']
    >>> popularity.counts(days=1).tolist()
    [1, 1]
    """

    def __init__(self, log: pd.DataFrame) -> None:
        self._codes, self.products = pd.factorize(log["product_id"], sort=True)
        self._times = log["timestamp"].to_numpy()
        # Events after the end of the log all have the same window.
        self._count = lru_cache(maxsize=64)(self._count)  # type: ignore[method-assign]

    def counts(
        self, as_of: pd.Timestamp | np.datetime64 | None = None, days: float | None = None
    ) -> np.ndarray:
        """Return the number of events of each product.

        Parameters
        ----------
        as_of
            The end of the window; by default, and at most, the end of the log.
        days
            The length of the window; by default all events count, whatever `as_of` is.

        Returns
        -------
        np.ndarray
            (n,), in the order of `products`.
        """
        if days is None or not len(self._codes):
            return self._count(0, len(self._codes))
        end = self._times[-1] + np.timedelta64(1, "us")
        if as_of is not None:
            end = min(end, pd.Timestamp(as_of).to_datetime64())
        start = end - np.timedelta64(int(days * 86_400), "s")
        return self._count(*np.searchsorted(self._times, [start, end]).tolist())

    def ranking(self, as_of: pd.Timestamp | None = None, days: float | None = None) -> list[str]:
        """Return the ids of the products with an event in the window, most events first.

        Products with the same number of events come in the order of their ids.
        """
        counts = self.counts(as_of, days)
        order = np.argsort(-counts, kind="stable")
        return self.products[order[counts[order] > 0]].tolist()

    def _count(self, start: int, end: int) -> np.ndarray:
        """Return the number of events (n,) between two rows of the log."""
        return np.bincount(self._codes[start:end], minlength=len(self.products))
