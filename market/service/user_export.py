"""Everything about one user as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from market.core.paths import INTERACTIONS
from market.data.interactions import COLUMNS
from market.service.user_data import UserData


def export_user(user_id: str, stored: UserData, log: Path = INTERACTIONS) -> Iterator[str]:
    """Return a line of JSON for each event of a user, then for each search, then for an opt-out.

    The events of the log come before those of the store.

    Parameters
    ----------
    user_id
        Id of the user.
    stored
        The data of the service.
    log
        The log of interactions, as stage clean wrote it. Events before an erasure are left out, as
        the next run of the pipeline leaves them out.
    """
    for source, events in (
        ("log", _logged(user_id, stored, log)),
        ("store", stored.events(user_id)),
    ):
        for row in events.to_dict("records"):
            yield _line(row, source)
    for row in stored.searches(user_id).to_dict("records"):
        yield _line({**row, "filters": json.loads(row["filters"])}, "searches")
    opted_out_at = stored.opted_out_at(user_id)
    if opted_out_at is not None:
        yield _line({"user_id": user_id, "timestamp": opted_out_at}, "opt-out")


def _line(row: dict[str, Any], source: str) -> str:
    """Return a row as a line of JSON, without the fields that it lacks."""
    present = {name: value for name, value in row.items()
               if isinstance(value, list | dict) or pd.notna(value)}  # fmt: skip
    time = row["timestamp"].isoformat() + "Z"
    return json.dumps({**present, "timestamp": time, "source": source}, ensure_ascii=False) + "\n"


def _logged(user_id: str, stored: UserData, log: Path) -> pd.DataFrame:
    if not log.exists():
        return pd.DataFrame(columns=COLUMNS)
    events = pd.read_parquet(log, columns=COLUMNS, filters=[("user_id", "==", user_id)])
    erased_at = stored.erased_at(user_id)
    return events if erased_at is None else events[events["timestamp"] > erased_at]
