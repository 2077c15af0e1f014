"""The recorder of searches: it stores them in the background, so that no answer waits for it."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from queue import Empty, Full, Queue
from threading import Event, Thread

import sqlalchemy as sa

from market.service.database import STORE_ERRORS
from market.service.errors import one_line
from market.service.metrics import Metrics
from market.service.search_log import RecordedSearch

MAX_QUEUED = 10_000  # searches: about 20 MB
BATCH = 500  # searches stored in one transaction
WRITE_SECONDS = 1.0  # one transaction, which waits for the disk, stores the searches of this time
RETRY_SECONDS = 5  # after an error, such as a database that is away
DELETE_SECONDS = 3600  # between two deletions of old searches
REFUSALS = (sa.exc.IntegrityError, sa.exc.DataError)  # of a row, by a database that answers

log = logging.getLogger("uvicorn.error")


class SearchRecorder:
    """Takes searches into a bounded queue, which a thread of its own writes to the database.

    Parameters
    ----------
    store
        Stores searches, all or none, and returns how many; `UserData.add_searches`.
    delete_before
        Deletes some searches before a time, and returns how many; `SearchLog.delete_before`.
    metrics
        Counts recorded and dropped searches.
    share
        The share of users whose searches are recorded, from 0 to 1. All searches of a user are
        recorded, or none.
    days
        Age at which a search is deleted.
    """

    def __init__(
        self,
        store: Callable[[Sequence[RecordedSearch]], int],
        delete_before: Callable[[datetime], int],
        metrics: Metrics,
        *,
        share: float = 1.0,
        days: int = 90,
    ) -> None:
        self._store, self._delete_before = store, delete_before
        self._metrics, self._share, self._days = metrics, share, days
        self._queue: Queue[RecordedSearch] = Queue(MAX_QUEUED)
        self._stopping = Event()
        self._waiting: list[RecordedSearch] = []  # taken from the queue, and not stored yet
        self._has_failed = False
        self._next_deletion = 0.0  # on the monotonic clock

    def record(self, search: RecordedSearch) -> None:
        """Take a search, unless the sample leaves it out; a full queue drops it."""
        if is_sampled(search, self._share):
            try:
                self._queue.put_nowait(search)
            except Full:
                self._metrics.searches_dropped.inc()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Write searches while the block runs, and at its end those that are left."""
        self._stopping.clear()
        thread = Thread(target=self._run, name="search-recorder", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(RETRY_SECONDS if self._has_failed else WRITE_SECONDS):
            self.write()
            self.delete_old()
        self.write()
        lost = len(self._waiting) + self._queue.qsize()
        if lost:
            self._metrics.searches_dropped.inc(lost)
            log.error("%d searches are not recorded: the database does not answer", lost)

    def write(self) -> None:
        """Store what is in the queue; if the database does not answer, keep it for the next time.

        A search that the database refuses is dropped. One thread at a time may call this.
        """
        while self._take():
            try:
                stored = self._store(self._waiting)
            except Exception as error:
                if isinstance(error, STORE_ERRORS) and not isinstance(error, REFUSALS):
                    self._note_outage(error)
                    return
                stored = self._store_singly(error)
            self._metrics.searches_recorded.inc(stored)
            self._waiting.clear()
            self._has_failed = False

    def _take(self) -> bool:
        """Fill the batch from the queue, and return whether it has any search."""
        with contextlib.suppress(Empty):
            while len(self._waiting) < BATCH:
                self._waiting.append(self._queue.get_nowait())
        return bool(self._waiting)

    def _store_singly(self, error: Exception) -> int:
        """Store the batch without the searches that cannot be stored; return how many could."""
        stored, refused = 0, 0
        for search in self._waiting:
            try:
                stored += self._store([search])
            except Exception:
                refused += 1
        self._metrics.searches_dropped.inc(refused)
        log.error("%d searches cannot be recorded: %.300s", refused, one_line(error))
        return stored

    def delete_old(self) -> None:
        """Delete some of the searches that are too old, unless all were deleted lately."""
        if time.monotonic() < self._next_deletion:
            return
        oldest = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=self._days)
        try:
            if not self._delete_before(oldest):
                self._next_deletion = time.monotonic() + DELETE_SECONDS
            self._has_failed = False
        except Exception as error:
            self._note_outage(error)

    def _note_outage(self, error: Exception) -> None:
        if not self._has_failed:  # one line for each outage
            log.error("Searches cannot be recorded for now: %.300s", one_line(error))
        self._has_failed = True


def is_sampled(search: RecordedSearch, share: float) -> bool:
    """Return whether a search is in the sample: a user's searches are so together.

    Without a user the suggestions and the search that follows from them are so together.
    """
    if share >= 1:
        return True
    person = search.user_id or search.suggest_id or search.search_id
    digest = blake2b(person.encode("utf-8", "replace"), digest_size=8, person=b"record").digest()
    return int.from_bytes(digest) < share * 2**64
