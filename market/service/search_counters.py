"""Counters of searches, clicks, conversions and reformulations for Prometheus.

They count at the time of a request, so that no scrape reads the database. A search is what
`market.search.search_outcomes` takes for one: all its pages, or all answers to a text that a user
types. This needs the memory of the process that answered before: with several processes, a page or
a click that reaches another process can count once more, and a user's next query is not recognised
there. GET /api/analytics has the exact rates.
"""

from __future__ import annotations

import contextlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

import sqlalchemy as sa
from cachetools import LRUCache, TTLCache

from market.search.search_outcomes import (
    CONVERSIONS,
    PAGE_GAP,
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


@dataclass(eq=False)
class CountedSearch:
    """What counts as one search: its pages, or the answers to a text that was being typed.

    Attributes
    ----------
    kind
        Of REPORTED_KINDS.
    variant
        That answered.
    query
        Normalised, of the latest answer.
    latest
        Time of the latest answer (UTC).
    results
        "none" or "some": of the first page, or of the latest answer to a text being typed.
    shown
        The listings that each answer showed, by search_id.
    suggestions
        The suggestions that led to it.
    is_clicked, is_converted
        Whether this was counted.
    """

    kind: str
    variant: str
    query: str = ""
    latest: datetime = datetime.min
    results: str = "some"
    shown: dict[str, Sequence[str]] = field(default_factory=dict)
    suggestions: CountedSearch | None = None
    is_clicked: bool = False
    is_converted: bool = False


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
        # The search of an answer, and the number of hits before it, by search_id.
        self._answers: LRUCache[str, tuple[CountedSearch, int]] = LRUCache(RECENT_SEARCHES)
        self._paged: LRUCache[tuple, CountedSearch] = LRUCache(RECENT_SEARCHES)
        # By user, the one that typed last at the end; counted when typing has ended.
        self._typed: OrderedDict[str | None, CountedSearch] = OrderedDict()
        seconds = 2 * REFORMULATION_GAP.total_seconds()
        self._users: TTLCache[str, dict[str, Pending]] = TTLCache(RECENT_USERS, seconds)
        metrics.before_scrape.append(self.count_typed)

    def count_search(self, search: RecordedSearch) -> None:
        """Count a search that was answered."""
        kind = REPORTED_KINDS[search.kind]
        with self._lock:
            counted = (
                self._typed_search(search) if kind == "suggest" else self._paged_search(search)
            )
            counted.shown[search.search_id] = tuple(search.product_ids)
            self._answers[search.search_id] = counted, search.offset
            if search.user_id is not None:
                self._count_question(search, kind)
            if search.suggest_id is not None:
                source, _ = self._answers.get(search.suggest_id, (None, 0))
                if source is None and search.offset == 0:  # another process suggested it
                    source = CountedSearch("suggest", search.variant)
                if source is not None:
                    counted.suggestions = source
                    self._count_click(source)

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
            counted, offset = self._find(search_id)
            if counted is None or product not in counted.shown[search_id]:
                return
            earlier = self._earlier_events(event_id, counted)
            with self._lock:
                if not earlier:
                    place = offset + [*counted.shown[search_id]].index(product) + 1
                    self._metrics.click_places.labels(counted.kind, counted.variant).inc(place)
                    self._count_click(counted)
                if event in CONVERSIONS and not earlier & {*CONVERSIONS}:
                    self._count_conversion(counted)

    def count_typed(self) -> None:
        """Count the texts that nobody types any more."""
        with self._lock:
            self._count_typed(datetime.now(UTC).replace(tzinfo=None))

    def _paged_search(self, search: RecordedSearch) -> CountedSearch:
        """Return the search that a page belongs to, which its first page counts."""
        query = normalise_query(search.query)
        key = search.kind, search.user_id, search.variant, query, search.filters
        counted = self._paged.get(key)
        is_late = counted is not None and search.timestamp - counted.latest > PAGE_GAP
        if search.offset == 0 or counted is None or is_late:
            counted = CountedSearch(REPORTED_KINDS[search.kind], search.variant, query)
            self._paged[key] = counted
            if search.offset == 0 or is_late:  # else another process counted the first page
                has_none = search.total == 0 or (search.total is None and not search.product_ids)
                counted.results = "none" if has_none else "some"
                self._count_answer(counted)
        counted.latest = search.timestamp
        return counted

    def _typed_search(self, search: RecordedSearch) -> CountedSearch:
        """Return the search for a text that a user types, which counts when typing has ended."""
        self._count_typed(search.timestamp)
        query = normalise_query(search.query)
        counted = self._typed.pop(search.user_id, None)
        if counted is not None and not continues_text(counted.query, query):
            self._count_answer(counted)
            counted = None
        if counted is None:
            counted = CountedSearch("suggest", search.variant)
        counted.query, counted.latest = query, search.timestamp
        counted.results = "none" if search.total == 0 else "some"
        self._typed[search.user_id] = counted
        return counted

    def _count_typed(self, now: datetime) -> None:
        while self._typed:
            user, counted = next(iter(self._typed.items()))
            if now - counted.latest <= TYPING_GAP:
                return
            del self._typed[user]
            self._count_answer(counted)

    def _count_answer(self, counted: CountedSearch) -> None:
        self._metrics.answers.labels(counted.kind, counted.variant, counted.results).inc()

    def _count_click(self, counted: CountedSearch) -> None:
        if not counted.is_clicked:
            self._metrics.clicks.labels(counted.kind, counted.variant).inc()
        counted.is_clicked = True

    def _count_conversion(self, counted: CountedSearch) -> None:
        if not counted.is_converted:
            self._metrics.conversions.labels(counted.kind, counted.variant).inc()
            if counted.suggestions is not None:
                self._count_conversion(counted.suggestions)
        counted.is_converted = True

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

    def _find(self, search_id: str) -> tuple[CountedSearch | None, int]:
        """Return the search of an answer, and the number of hits before it; None if unknown."""
        with self._lock:
            answer = self._answers.get(search_id)
        if answer is not None:
            return answer
        names = ("kind", "variant", "offset", "product_ids")
        query = sa.select(*(SEARCHES.c[name] for name in names))
        with self._database.connect() as connection:
            row = connection.execute(query.where(SEARCHES.c.search_id == search_id)).first()
        if row is None:
            return None, 0
        kind, variant, offset, product_ids = row
        shown = {search_id: json.loads(product_ids)}
        return CountedSearch(REPORTED_KINDS[kind], variant, shown=shown), offset

    def _earlier_events(self, event_id: int, counted: CountedSearch) -> set[str]:
        """Return the types of the earlier events on what a search showed."""
        shown = dict(counted.shown)
        query = sa.select(EVENTS.c.search_id, EVENTS.c.product_id, EVENTS.c.event).where(
            EVENTS.c.search_id.in_(shown), EVENTS.c.id < event_id
        )
        with self._database.connect() as connection:
            rows = connection.execute(query).all()
        return {event for search_id, product_id, event in rows if product_id in shown[search_id]}
