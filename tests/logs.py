"""Logs of interactions for tests."""

from __future__ import annotations

import pandas as pd

START = pd.Timestamp("2022-03-01")


def make_log(sequences: dict[str, str]) -> pd.DataFrame:
    rows = [
        (user, product, "view", START + pd.Timedelta(minutes=minute, seconds=number))
        for number, (user, sequence) in enumerate(sequences.items())
        for minute, product in enumerate(sequence)
    ]
    log = pd.DataFrame(rows, columns=["user_id", "product_id", "event", "timestamp"])
    return log.sort_values("timestamp", ignore_index=True)
