"""Counters of searches, clicks, conversions and reformulations for Prometheus.

They count at the time of a request, so that no scrape reads the database. GET /api/analytics has
the exact rates: here each page and each answer while typing counts for itself, and a user's next
query is recognised only in the process that answered the one before.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

import sqlalchemy as sa
from cachetools import LRUCache, TTLCache

from market.search.search_outcomes import (
    CONVERSIONS,
    REFORMULATION_GAP,
    REPORTED_KINDS,
    TYPING_GAP,
    continues_text,
    normalise_query,
)
from market.service.database import STORE_ERRORS, Database
from market.service.events import EVENTS
from market.service.metrics import Metrics
from market.service.search_log import SEARCHES, RecordedSearch

RECENT_SEARCHES = 10_000  # 20 MB: most clicks come soon; for the others the database is asked
RECENT_USERS = 10_000
MAX_PENDING = 20  # searches of one user that wait for a click or the next query


@dataclass(frozen=True)
class Shown:
    """What a search showed."""

    kind: str
    variant: str
    offset: int
    product_ids: Sequence[str]


@dataclass(eq=False)
class Pending:
    """The searches of one kind that a user has not acted on since."""

    question: tuple[str, str] = ("", "")
    latest: datetime = datetime.min
    variants: list[str] = field(default_factory=list)


class SearchCounters:
    """Counts what becomes of searches.

    Parameters
    ----------
    metrics
        Has the counters.
    database
        Has the searches of other processes, and the events.
    """

    def __init__(self, metrics: Metrics, database: Database) -> None:
        self._metrics, self._database = metrics, database
        self._lock = Lock()
        self._shown: LRUCache[str, Shown] = LRUCache(RECENT_SEARCHES)
        seconds = 2 * REFORMULATION_GAP.total_seconds()
        self._users: TTLCache[str, dict[str, Pending]] = TTLCache(RECENT_USERS, seconds)

    def count_search(self, search: RecordedSearch) -> None:
        """Count a search that was answered."""
        kind = REPORTED_KINDS[search.kind]
        with self._lock:
            self._shown[search.search_id] = Shown(
                kind, search.variant, search.offset, tuple(search.product_ids)
            )
            if search.user_id is not None:
                self._count_question(search, kind)
        if search.offset == 0:
            results = "none" if search.total == 0 else "some"
            self._metrics.answers.labels(kind, search.variant, results).inc()
            if search.suggest_id is not None:
                self._metrics.clicks.labels("suggest", search.variant).inc()

    def count_event(
        self, event_id: int, user_id: str, search_id: str, product: str, event: str
    ) -> None:
        """Count the first click on what a search showed, and its first message or purchase.

        Parameters
        ----------
        event_id
            Id of the event in the database.
        user_id, search_id, product, event
            Its fields.
        """
        with self._lock:
            self._users.pop(user_id, None)
        # The event is stored already: its answer must not fail because it cannot be counted.
        with contextlib.suppress(*STORE_ERRORS):
            shown = self._find(search_id)
            if shown is None or product not in shown.product_ids:
                return
            earlier = self._earlier_events(event_id, search_id, shown)
            if not earlier:
                place = shown.offset + [*shown.product_ids].index(product) + 1
                self._metrics.clicks.labels(shown.kind, shown.variant).inc()
                self._metrics.click_places.labels(shown.kind, shown.variant).inc(place)
            if event in CONVERSIONS and not earlier & {*CONVERSIONS}:
                self._metrics.conversions.labels(shown.kind, shown.variant).inc()

    def _count_question(self, search: RecordedSearch, kind: str) -> None:
        """Count what the user asked, and earlier searches that it reformulates."""
        user = self._users.get(search.user_id or "", {})
        self._users[search.user_id or ""] = user
        question = search.kind, normalise_query(search.query)
        has_question = question[1] != "" or search.kind == "photo"
        if search.offset > 0:
            if kind in user:
                user[kind].latest = search.timestamp
            return
        if has_question and kind in ("search", "suggest"):
            for former in ("suggest",) if kind == "suggest" else {*user} - {"suggest"}:
                self._count_reformulated(user, former, kind, question, search.timestamp)
        if search.suggest_id is not None:
            user.pop("suggest", None)
        if not has_question and kind in ("search", "suggest"):
            return
        pending = user.setdefault(kind, Pending())
        is_typing = (
            kind == "suggest"
            and bool(pending.variants)
            and search.timestamp - pending.latest <= TYPING_GAP
        )
        pending.question, pending.latest = question, search.timestamp
        if not is_typing and len(pending.variants) < MAX_PENDING:
            pending.variants.append(search.variant)
            self._metrics.questions.labels(kind, search.variant).inc()

    def _count_reformulated(
        self,
        user: dict[str, Pending],
        former: str,
        kind: str,
        question: tuple[str, str],
        time: datetime,
    ) -> None:
        """Count the searches of the kind `former` that a new question of the user follows."""
        pending = user.get(former)
        if pending is None or (former == kind and pending.question == question):
            return
        is_typing = kind == "suggest" and time - pending.latest <= TYPING_GAP
        if is_typing and continues_text(pending.question[1], question[1]):
            return
        del user[former]
        if time - pending.latest <= REFORMULATION_GAP:
            for variant in pending.variants:
                self._metrics.reformulations.labels(former, variant).inc()

    def _find(self, search_id: str) -> Shown | None:
        """Return what a search showed; None if it is not recorded."""
        with self._lock:
            shown = self._shown.get(search_id)
        if shown is not None:
            return shown
        names = ("kind", "variant", "offset", "product_ids")
        query = sa.select(*(SEARCHES.c[name] for name in names))
        with self._database.connect() as connection:
            row = connection.execute(query.where(SEARCHES.c.search_id == search_id)).first()
        if row is None:
            return None
        kind, variant, offset, product_ids = row
        return Shown(REPORTED_KINDS[kind], variant, offset, json.loads(product_ids))

    def _earlier_events(self, event_id: int, search_id: str, shown: Shown) -> set[str]:
        """Return the types of the earlier events on what a search showed."""
        query = sa.select(EVENTS.c.product_id, EVENTS.c.event).where(
            EVENTS.c.search_id == search_id, EVENTS.c.id < event_id
        )
        with self._database.connect() as connection:
            rows = connection.execute(query).all()
        return {event for product_id, event in rows if product_id in shown.product_ids}
