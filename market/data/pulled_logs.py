"""The artefact data/logs: searches and events of the service, which stage clean adds to the logs.

Stage pull_logs writes it. The raw folder stays as it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from market.core.atomic import replace_when_done, write_json
from market.core.errors import MarketError
from market.data.erasures import NO_ERASURES, Erasures
from market.data.interactions import COLUMNS
from market.data.search_cleaning import LISTS, RAW_COLUMNS


@dataclass(frozen=True, eq=False)
class PulledLogs:
    """Searches and events of the service.

    Attributes
    ----------
    searches
        `search_cleaning.RAW_COLUMNS`, as `raw_searches` returns them.
    events
        `interactions.COLUMNS` and any of OPTIONAL_COLUMNS, as strings, in the order of storage.
    erasures
        The users whose data was erased.
    """

    searches: pd.DataFrame
    events: pd.DataFrame
    erasures: Erasures = NO_ERASURES

    @classmethod
    def none(cls) -> PulledLogs:
        """Return no searches and no events."""
        empty = {name: pd.Series(dtype="str") for name in (*RAW_COLUMNS, *COLUMNS)}
        frame = pd.DataFrame(empty)
        return cls(frame[RAW_COLUMNS], frame[COLUMNS])

    @property
    def is_empty(self) -> bool:
        """Whether there are neither searches nor events."""
        return self.searches.empty and self.events.empty

    def save(self, folder: Path) -> None:
        """Write the logs, replacing `folder` once all is written. Equal logs, equal bytes."""
        with replace_when_done(folder) as partial:
            partial.mkdir(parents=True)
            if not self.is_empty:
                self.searches.to_parquet(partial / "searches.parquet", index=False)
                self.events.to_parquet(partial / "events.parquet", index=False)
            content = {"searches": len(self.searches), "events": len(self.events)}
            write_json(partial / "logs.json", content)
            if self.erasures.times:
                self.erasures.save(partial / "erased.json")

    @classmethod
    def load(cls, folder: Path) -> PulledLogs:
        """Open the logs that `save` wrote; a folder that does not exist holds none.

        Raises
        ------
        MarketError
            The folder is damaged.
        """
        if not folder.exists():
            return cls.none()
        try:
            content = json.loads((folder / "logs.json").read_text(encoding="utf-8"))
            none, erasures = cls.none(), Erasures.load(folder / "erased.json")
            if not any(content.values()):
                return cls(none.searches, none.events, erasures)
            return cls(
                pd.read_parquet(folder / "searches.parquet"),
                pd.read_parquet(folder / "events.parquet"),
                erasures,
            )
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:100]
            raise MarketError(
                f"{folder} is damaged ({reason}): run `dvc repro -f -s pull_logs`"
            ) from None


def raw_searches(searches: pd.DataFrame) -> pd.DataFrame:
    """Return searches (n rows) as the strings of a raw log: lists are JSON, times ISO 8601 in UTC.

    Parameters
    ----------
    searches
        RAW_COLUMNS as `searches.read_searches` types them.
    """

    def text(name: str) -> list[str | None]:
        column = searches[name]
        if name in LISTS:
            return [
                json.dumps([*cell], ensure_ascii=False) if cell is not None else None
                for cell in column
            ]
        if name == "timestamp":
            return [time.isoformat() for time in column]
        return [None if pd.isna(cell) else str(cell) for cell in column]

    return pd.DataFrame({name: pd.Series(text(name), dtype="str") for name in RAW_COLUMNS})
