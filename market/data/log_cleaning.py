"""The cleaning of the logs of interactions and searches, without the data of erased users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from market.data.catalogue_changes import CatalogueChanges
from market.data.cleaning_messages import unknown_event_messages
from market.data.dates import order_messages
from market.data.ids import ID_RULES
from market.data.interactions import (
    COLUMNS,
    DWELL,
    SEARCH_ID,
    read_seconds,
    sort_interactions,
    unknown_events,
)
from market.data.merged_changes import merge_log, merge_searches
from market.data.pulled_logs import PulledLogs
from market.data.raw_folder import RawFolder
from market.data.rejects import check_nothing_lost, reject_files
from market.data.search_cleaning import RAW_COLUMNS, sort_searches
from market.data.tables import RawTable


@dataclass(frozen=True)
class ProductIds:
    """The products that the rows of a log may name.

    Attributes
    ----------
    file
        The name of the table of products.
    known
        The ids that are kept.
    rejected
        The ids that are not.
    """

    file: str
    known: pd.Series
    rejected: pd.Series


@dataclass(frozen=True)
class CleanLog:
    """A raw log, and its rows that are kept, rejected, or left out because their user was erased.

    `counts` are further figures of the log of searches; `notes` are lines about its values.
    """

    raw: RawTable
    kept: pd.DataFrame
    rejects: pd.DataFrame
    erased: int = 0
    counts: dict[str, int] | None = None
    notes: tuple[str, ...] = ()

    def metrics(self) -> dict[str, Any]:
        """Return the number of rows by what became of them."""
        return {
            "read": len(self.kept) + len(self.rejects) + self.erased,
            "kept": len(self.kept),
            "rejected": len(self.rejects),
            **({"erased": self.erased} if self.erased else {}),
            **(self.counts or {}),
        }

    def messages(self, unit: str, country: str) -> list[str]:
        """Return a line for each thing that a user of the log should know."""
        lines = [*self.notes, *order_messages(self.raw, "timestamp", country)]
        if self.erased:
            lines.append(
                f"{self.raw.path}: {self.erased} {unit} of erased users are left out; the file "
                "still has them"
            )
        return lines


class LogCleaner:
    """Cleans the logs of a raw folder.

    Parameters
    ----------
    folder
        The raw folder.
    products
        Its products.
    changes
        Changes of the live catalogue, with the service's events and the erased users.
    pulled
        Further searches and events of the service.
    """

    def __init__(
        self,
        folder: RawFolder,
        products: ProductIds,
        changes: CatalogueChanges,
        pulled: PulledLogs,
    ) -> None:
        self._folder = folder
        self._products = products
        self._changes = changes
        self._pulled = pulled
        self._erasures = (changes.erasures, pulled.erasures, folder.erasures())

    @property
    def has_events(self) -> bool:
        """Whether there is a log of interactions, or the service has events."""
        no_events = self._changes.events.empty and self._pulled.events.empty
        return self._folder.has_log or not no_events

    def clean_interactions(self) -> CleanLog:
        """Return the log of interactions, without rows where there is no file.

        Raises
        ------
        MarketError
            If the file cannot be read.
        """
        if not self.has_events:
            table = self._read_interactions()
            log = table.read.astype({"timestamp": "datetime64[us]"})
            return CleanLog(table, log, reject_files([], []))
        table = merge_log(self._read_interactions(), self._changes.events)
        table = merge_log(table, self._pulled.events)
        log, rejects = sort_interactions(
            table,
            self._products.known,
            self._products.rejected,
            products_file=self._products.file,
            id_rules=ID_RULES,
            country=self._folder.settings.country,
        )
        check_nothing_lost(table.path, len(table.read), len(log), len(rejects))
        kept = self._not_erased(log)
        named = np.any([one.concern(rejects["id"]) for one in self._erasures], axis=0)  # of users
        erased = int((~kept).sum() + named.sum())
        log, rejects = log[kept].reset_index(drop=True), rejects[~named].reset_index(drop=True)
        return CleanLog(table, log, rejects, erased, notes=_unread_seconds(table))

    def clean_searches(self) -> CleanLog | None:
        """Return the log of searches; None if there is neither a file nor a search of the service.

        Raises
        ------
        MarketError
            If the file cannot be read.
        """
        if not self._folder.has_searches and self._pulled.searches.empty:
            return None
        table = merge_searches(self._read_searches(), self._pulled.searches)
        searches = sort_searches(
            table,
            self._products.known,
            self._products.rejected,
            products_file=self._products.file,
            country=self._folder.settings.country,
        )
        log, rejects = searches.kept, searches.rejects
        check_nothing_lost(table.path, len(table.read), len(log), len(rejects))
        kept = log["user_id"].isna().to_numpy() | self._not_erased(log)
        return CleanLog(
            table,
            log[kept].reset_index(drop=True),
            rejects,
            int((~kept).sum()),
            searches.counts,
            tuple(searches.messages),
        )

    def _not_erased(self, log: pd.DataFrame) -> np.ndarray:
        """Return (n,) bool: the rows that no erasure concerns."""
        return np.all([one.kept(log) for one in self._erasures], axis=0)

    def _read_searches(self) -> RawTable:
        if self._folder.has_searches:
            return self._folder.searches()
        empty = pd.DataFrame({name: pd.Series(dtype="str") for name in RAW_COLUMNS})
        return RawTable.select(
            self._folder.searches_path, empty, {name: name for name in RAW_COLUMNS}
        )

    def _read_interactions(self) -> RawTable:
        if self._folder.has_log:
            return self._folder.interactions()
        empty = pd.DataFrame({name: pd.Series(dtype="str") for name in COLUMNS})
        return RawTable.select(self._folder.log_path, empty, {name: name for name in COLUMNS})


def _unread_seconds(table: RawTable) -> tuple[str, ...]:
    """Return a line on durations of a log that could not be read, if there are any."""
    if DWELL not in table.columns:
        return ()
    texts = table.rows[DWELL]
    unread = int((texts.notna() & read_seconds(texts).isna()).sum())
    own = table.own_name(DWELL)
    line = f"{table.path}: {own} of {unread} events is no number from 0: left empty"
    return (line,) if unread else ()


def interaction_metrics(log: CleanLog, searches: CleanLog | None) -> dict[str, Any]:
    """Return the metrics of the log of interactions, with its links to a log of searches."""
    metrics = log.metrics()
    metrics["unknown_events"] = unknown_events(log.kept)
    if searches is not None and SEARCH_ID in log.kept:
        linked = log.kept[SEARCH_ID].dropna()
        metrics["with_search"] = len(linked)
        # Not a fault: a share of the searches may be recorded, but all events are.
        metrics["with_unknown_search"] = int((~linked.isin(searches.kept[SEARCH_ID])).sum())
    return metrics


def interaction_messages(log: CleanLog, country: str) -> list[str]:
    """Return a line for each thing that a user of the log of interactions should know."""
    lines = log.messages("events", country)
    if "event" not in log.raw.columns:
        lines.append(f"{log.raw.path}: no column 'event': every row counts as a view")
    return lines + unknown_event_messages(log.raw.path, unknown_events(log.kept))
