"""Users whose data was erased: remembered by keyed hashes, so that no log brings them back."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from market.core.atomic import write_json


def hash_user(key: bytes, user_id: str) -> str:
    """Return the HMAC-SHA256 of a user id in hexadecimal digits.

    Without the key, nobody can find a user by trying ids.
    """
    return hmac.new(key, user_id.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Erasures:
    """The erased users, each with the time of the erasure.

    What a user does after the erasure is new data and stays.

    Attributes
    ----------
    key
        Of the hashes.
    times
        The time of the erasure (UTC without a time zone) by the hash of the user id.

    Examples
    --------
    >>> erased = Erasures(b"secret", {hash_user(b"secret", "anna"): datetime(2026, 3, 1)})
    >>> log = pd.DataFrame({"user_id": ["anna", "ben", "anna"], "timestamp": pd.to_datetime(
    ...     ["2026-02-28", "2026-02-28", "2026-03-02"])})
    >>> erased.kept(log).tolist()
    [False, True, True]
    """

    key: bytes = b""
    times: Mapping[str, datetime] = field(default_factory=dict)

    def kept(self, log: pd.DataFrame) -> np.ndarray:
        """Return (n,) bool: the rows of a log (user_id, timestamp) that no erasure concerns."""
        if not self.times:
            return np.ones(len(log), bool)
        codes, users = pd.factorize(log["user_id"])
        hashes = [hash_user(self.key, user) for user in users]
        erased = np.array([self.times.get(each, datetime.min) for each in hashes], "datetime64[us]")
        return log["timestamp"].to_numpy("datetime64[us]") > erased[codes]

    def concern(self, users: pd.Series) -> np.ndarray:
        """Return (n,) bool: the rows whose user was erased at any time."""
        hashes = {user: hash_user(self.key, user) for user in users.dropna().unique()}
        return users.map(hashes).isin(self.times.keys()).to_numpy(bool)

    def save(self, path: Path) -> None:
        """Write the erasures; equal ones give equal bytes."""
        times = {user: time.isoformat() for user, time in sorted(self.times.items())}
        write_json(path, {"key": self.key.hex(), "erased": times})

    @classmethod
    def load(cls, path: Path) -> Erasures:
        """Read what `save` wrote; without a file there are none."""
        if not path.exists():
            return cls()
        content = json.loads(path.read_text(encoding="utf-8"))
        times = {user: datetime.fromisoformat(time) for user, time in content["erased"].items()}
        return cls(bytes.fromhex(content["key"]), times)


NO_ERASURES = Erasures()
