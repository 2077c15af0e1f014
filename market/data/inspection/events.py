"""The events of a log, each as an event that the pipeline knows."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from market.core.settings import EVENTS
from market.data.inspection.names import event_kind

MAX_EVENTS = 40  # different ones that are mapped


@dataclass(frozen=True)
class EventNames:
    """The names of events in a log.

    Attributes
    ----------
    mapping
        What each name counts as, as `input.events` has it; the standard names are left out.
    unknown
        The number of rows of each name that is not recognised; they count as views.
    ratings
        Whether the events are numbers.
    """

    mapping: dict[str, str]
    unknown: dict[str, int]
    ratings: bool = False


def map_events(events: pd.Series) -> EventNames:
    """Return what the events (n,) of a log count as."""
    counts = events.value_counts()
    if pd.to_numeric(pd.Series(counts.index), errors="coerce").notna().mean() > 0.9:
        return EventNames({}, {}, ratings=True)
    mapping, unknown = {}, {}
    for name, count in counts.head(MAX_EVENTS).items():
        kind = event_kind(str(name))
        if kind is None:
            unknown[str(name)] = int(count)
        elif str(name) not in EVENTS:
            mapping[str(name)] = kind
    return EventNames(mapping, unknown)
