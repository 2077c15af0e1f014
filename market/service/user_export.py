"""Everything about one user as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from market.core.paths import INTERACTIONS
from market.data.interactions import COLUMNS
from market.service.user_data import UserData


def export_user(user_id: str, stored: UserData, log: Path = INTERACTIONS) -> Iterator[str]:
    """Return a line of JSON for each event of a user: those of the log, then those of the store.

    Parameters
    ----------
    user_id
        Id of the user.
    stored
        The events of the service.
    log
        The log of interactions, as stage clean wrote it. Events before an erasure are left out, as
        the next run of the pipeline leaves them out.
    """
    for source, events in (
        ("log", _logged(user_id, stored, log)),
        ("store", stored.events(user_id)),
    ):
        for row in events.to_dict("records"):
            time = row["timestamp"].isoformat() + "Z"
            line = {**row, "timestamp": time, "source": source}
            yield json.dumps(line, ensure_ascii=False) + "\n"


def _logged(user_id: str, stored: UserData, log: Path) -> pd.DataFrame:
    if not log.exists():
        return pd.DataFrame(columns=COLUMNS)
    events = pd.read_parquet(log, columns=COLUMNS, filters=[("user_id", "==", user_id)])
    erased_at = stored.erased_at(user_id)
    return events if erased_at is None else events[events["timestamp"] > erased_at]
