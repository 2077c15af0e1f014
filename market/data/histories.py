"""User histories from the interaction log, and their combination with the event store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

# Exports and logs may store whole seconds; the event store has microseconds.
COMPARED_UNIT = "s"
COLUMNS = ["user_id", "product_id", "event", "timestamp"]
HISTORY_EVENTS = 200  # latest events of a user that personalise results, by default


class LoggedHistories:
    """The last events of every user in an interaction log, compactly in memory.

    An event takes 16 bytes; a user or a product takes about 150 bytes beside its id.

    Parameters
    ----------
    log
        Events in any order: user_id, product_id, event (strings or categories) and timestamp
        (datetime64, UTC). Among equal times the later row is the later event.
    last
        Largest number of events kept for each user.
    """

    def __init__(self, log: pd.DataFrame, last: int) -> None:
        codes, users = _encode(log["user_id"])
        times = log["timestamp"].to_numpy("datetime64[us]")
        order = np.lexsort((times, codes))
        codes = codes[order]
        ends = np.searchsorted(codes, np.arange(len(users)), side="right")
        is_kept = ends[codes] - np.arange(len(codes)) <= last
        order, codes = order[is_kept], codes[is_kept]
        self._times = times[order]
        product_codes, self._product_ids = _encode(log["product_id"])
        event_codes, self._event_names = _encode(log["event"])
        self._products = product_codes[order].astype(np.int32)
        self._events = event_codes[order].astype(np.int32)
        self._starts = np.searchsorted(codes, np.arange(len(users) + 1))
        self._user_codes = {user: code for code, user in enumerate(users)}

    @classmethod
    def load(cls, path: Path, last: int) -> LoggedHistories:
        """Read the log that stage clean writes.

        Parameters
        ----------
        path
            Parquet file with COLUMNS.
        last
            Largest number of events kept for each user.
        """
        text = COLUMNS[:3]
        table = pq.read_table(path, columns=COLUMNS, read_dictionary=text)  # stores each text once
        return cls(table.to_pandas(), last)

    @classmethod
    def empty(cls) -> LoggedHistories:
        """Return the histories of an empty log."""
        return cls(pd.DataFrame({name: [] for name in COLUMNS}, dtype="str"), 0)

    def __len__(self) -> int:
        """Return the number of users."""
        return len(self._user_codes)

    @property
    def users(self) -> list[str]:
        """The ids of all users, sorted."""
        return sorted(self._user_codes)

    def history(self, user_id: str) -> pd.DataFrame:
        """Return the events of a user in order of time.

        Parameters
        ----------
        user_id
            Id of the user.

        Returns
        -------
        pandas.DataFrame
            product_id, event and timestamp (UTC). Empty for an unknown user.
        """
        code = self._user_codes.get(user_id)
        rows = slice(0, 0) if code is None else slice(*self._starts[code : code + 2])
        return pd.DataFrame(
            {
                "product_id": pd.Series(self._product_ids[self._products[rows]], dtype="str"),
                "event": pd.Series(self._event_names[self._events[rows]], dtype="str"),
                "timestamp": pd.Series(self._times[rows]),
            }
        )


def _encode(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the integer code of every row (n,), and the distinct values by code."""
    codes, values = pd.factorize(column)
    return codes, np.asarray(values, dtype=object)


def merge_histories(logged: pd.DataFrame, stored: pd.DataFrame, last: int) -> pd.DataFrame:
    """Return the last events of a user from the log and the event store, in order of time.

    Parameters
    ----------
    logged, stored
        Histories with product_id, event and timestamp. An event in both (same product, event and
        second), as after an export of the store into the log, counts once.
    last
        Largest number of events.
    """
    if logged.empty or stored.empty:
        return (stored if logged.empty else logged).tail(last)
    logged_keys = set(_keys(logged))
    is_new = [key not in logged_keys for key in _keys(stored)]
    merged = pd.concat([logged, stored[is_new]])
    return merged.sort_values("timestamp", kind="stable").tail(last).reset_index(drop=True)


def _keys(history: pd.DataFrame) -> Iterator[tuple[str, str, int]]:
    """Return the key of each event; equal keys mean the same event."""
    times = history["timestamp"].to_numpy(f"datetime64[{COMPARED_UNIT}]").astype(np.int64)
    return zip(history["product_id"], history["event"], times.tolist(), strict=True)
