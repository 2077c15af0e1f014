"""The recorder of searches: it stores them in the background, so that no answer waits for it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from hashlib import blake2b
from queue import Empty, Full, Queue
from threading import Event, Thread

from market.service.database import STORE_ERRORS
from market.service.metrics import Metrics
from market.service.search_log import RecordedSearch, SearchLog

MAX_QUEUED = 10_000  # searches: about 20 MB
BATCH = 500  # searches stored in one transaction
WRITE_SECONDS = 0.5  # one transaction, which waits for the disk, stores the searches of this time
RETRY_SECONDS = 5  # after an error, such as a database that is away

log = logging.getLogger("uvicorn.error")


class SearchRecorder:
    """Takes searches into a bounded queue, which a thread of its own writes to the log.

    Parameters
    ----------
    searches
        The log.
    metrics
        Counts recorded and dropped searches.
    share
        The share of users whose searches are recorded, from 0 to 1. All searches of a user are
        recorded, or none.
    """

    def __init__(self, searches: SearchLog, metrics: Metrics, share: float = 1.0) -> None:
        self._searches, self._metrics, self._share = searches, metrics, share
        self._queue: Queue[RecordedSearch] = Queue(MAX_QUEUED)
        self._stopping = Event()
        self._waiting: list[RecordedSearch] = []  # taken from the queue, and not stored yet
        self._has_failed = False

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
        self.write()
        lost = len(self._waiting) + self._queue.qsize()
        if lost:
            self._metrics.searches_dropped.inc(lost)
            log.error("%d recorded searches are lost: the database does not answer", lost)

    def write(self) -> None:
        """Store what is in the queue; after an error, keep it for the next time."""
        while self._take():
            try:
                self._searches.add(self._waiting)
            except STORE_ERRORS as error:
                if not self._has_failed:  # one line for each outage
                    log.error("Searches cannot be recorded for now: %.300s", _one_line(error))
                self._has_failed = True
                return
            self._metrics.searches_recorded.inc(len(self._waiting))
            self._waiting.clear()
            self._has_failed = False

    def _take(self) -> bool:
        """Fill the batch from the queue, and return whether it has any search."""
        with contextlib.suppress(Empty):
            while len(self._waiting) < BATCH:
                self._waiting.append(self._queue.get_nowait())
        return bool(self._waiting)


def is_sampled(search: RecordedSearch, share: float) -> bool:
    """Return whether a search is in the sample: a user's searches are so together.

    Without a user the suggestions and the search that follows from them are so together.
    """
    if share >= 1:
        return True
    person = search.user_id or search.suggest_id or search.search_id
    digest = blake2b(person.encode("utf-8", "replace"), digest_size=8, person=b"record").digest()
    return int.from_bytes(digest) < share * 2**64


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
