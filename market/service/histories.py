"""What users did, from two sources: the log that the models learned from, and the event store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

# Exports and logs may keep whole seconds where the event store keeps microseconds.
PRECISION = "s"
COLUMNS = ["user_id", "product_id", "event", "timestamp"]


class LoggedHistories:
    """The last events of each user of a log, in memory.

    An event takes 16 bytes, a user or a product some 150 bytes beside its id.
    """

    def __init__(self, log: pd.DataFrame, last: int) -> None:
        """Keep the `last` events of each user, by time.

        Parameters
        ----------
        log
            user_id, product_id, event (strings or categories) and timestamp (datetime64, UTC), in
            any order; of equal times the later row counts as later.
        last
            At most so many events of a user are kept.
        """
        codes, self._users = _encode(log["user_id"])
        times = log["timestamp"].to_numpy("datetime64[us]")
        order = np.lexsort((times, codes))
        codes = codes[order]
        ends = np.searchsorted(codes, np.arange(len(self._users)), side="right")
        kept = ends[codes] - np.arange(len(codes)) <= last
        order, codes = order[kept], codes[kept]
        self._times = times[order]
        product_codes, self._products = _encode(log["product_id"])
        event_codes, self._events = _encode(log["event"])
        self._product = product_codes[order].astype(np.int32)
        self._event = event_codes[order].astype(np.int32)
        self._starts = np.searchsorted(codes, np.arange(len(self._users) + 1))
        self._code_of = {user: code for code, user in enumerate(self._users)}

    @classmethod
    def load(cls, path: Path, last: int) -> LoggedHistories:
        """Read data/clean/interactions.parquet, as stage clean writes it."""
        text = COLUMNS[:3]
        table = pq.read_table(path, columns=COLUMNS, read_dictionary=text)  # each string once
        return cls(table.to_pandas(), last)

    @classmethod
    def empty(cls) -> LoggedHistories:
        """Histories of nobody."""
        return cls(pd.DataFrame({name: [] for name in COLUMNS}, dtype="str"), 0)

    def __len__(self) -> int:
        """The number of users."""
        return len(self._users)

    def of(self, user_id: str) -> pd.DataFrame:
        """The user's events in order of time: product_id, event, timestamp (UTC)."""
        code = self._code_of.get(user_id)
        rows = slice(0, 0) if code is None else slice(*self._starts[code : code + 2])
        return pd.DataFrame(
            {
                "product_id": pd.Series(self._products[self._product[rows]], dtype="str"),
                "event": pd.Series(self._events[self._event[rows]], dtype="str"),
                "timestamp": pd.Series(self._times[rows]),
            }
        )


def _encode(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return codes (n,) and the strings that they stand for."""
    codes, values = pd.factorize(column)
    return codes, np.asarray(values, dtype=object)


def merge_histories(logged: pd.DataFrame, stored: pd.DataFrame, last: int) -> pd.DataFrame:
    """Return the `last` events of both histories of one user, in order of time.

    Both have product_id, event and timestamp. An event of `stored` that is in `logged` too (same
    product, kind and second), as after an export of the event store into the log, counts once.
    """
    if logged.empty or stored.empty:
        return (stored if logged.empty else logged).tail(last)
    known = set(_keys(logged))
    merged = pd.concat([logged, stored[[key not in known for key in _keys(stored)]]])
    return merged.sort_values("timestamp", kind="stable").tail(last).reset_index(drop=True)


def _keys(history: pd.DataFrame) -> Iterator[tuple[str, str, int]]:
    """What makes two events of a user the same one."""
    times = history["timestamp"].to_numpy(f"datetime64[{PRECISION}]").astype(np.int64)
    return zip(history["product_id"], history["event"], times.tolist(), strict=True)
