"""The recorder of searches: it never blocks or raises, and loses at most its queue."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from market.service import search_recorder
from market.service.database import Database
from market.service.metrics import Metrics
from market.service.search_log import RecordedSearch, SearchLog
from market.service.search_recorder import SearchRecorder, is_sampled


def a_search(number: int, **fields: Any) -> RecordedSearch:
    return RecordedSearch(
        f"s{number:04d}", "anna", datetime(2026, 3, 1, 12, number % 60), "lamp", ["p1"], **fields
    )


class FailingLog:
    """A log whose database is away while `is_away`."""

    is_away = True

    def __init__(self) -> None:
        self.stored: list[RecordedSearch] = []

    def add(self, searches: Sequence[RecordedSearch]) -> None:
        if self.is_away:
            raise sa.exc.OperationalError("INSERT", {}, Exception("no route\nto host"))
        self.stored += searches


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def counts(metrics: Metrics) -> tuple[float, float]:
    """Return the numbers of recorded and dropped searches."""
    return metrics.searches_recorded._value.get(), metrics.searches_dropped._value.get()


def test_searches_left_in_the_queue_are_written_at_the_end(
    tmp_path: Path, metrics: Metrics
) -> None:
    database = Database(f"sqlite:///{tmp_path}/events.sqlite")
    searches = SearchLog(database)
    recorder = SearchRecorder(searches, metrics)
    with recorder.running():
        for number in range(1200):
            recorder.record(a_search(number))
    assert len(searches.all_searches()) == 1200 and counts(metrics) == (1200, 0)
    database.close()


def test_a_full_queue_drops_and_counts(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_recorder, "MAX_QUEUED", 3)
    log: Any = FailingLog()
    recorder = SearchRecorder(log, metrics)
    for number in range(5):
        recorder.record(a_search(number))
    log.is_away = False
    recorder.write()
    assert [search.search_id for search in log.stored] == ["s0000", "s0001", "s0002"]
    assert counts(metrics) == (3, 2)


def test_an_outage_is_logged_once_and_loses_nothing_that_fits_the_queue(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    log: Any = FailingLog()
    recorder = SearchRecorder(log, metrics)
    with caplog.at_level(logging.ERROR):
        for number in range(3):
            recorder.record(a_search(number))
            recorder.write()
    (line,) = caplog.messages
    assert line.startswith("Searches cannot be recorded for now") and "\n" not in line
    log.is_away = False
    recorder.write()
    assert len(log.stored) == 3 and counts(metrics) == (3, 0)


def test_searches_of_a_user_are_in_the_sample_together() -> None:
    users = [f"user {number}" for number in range(2000)]
    kept = [is_sampled(RecordedSearch("s", user, datetime.min, "", []), 0.3) for user in users]
    assert 0.26 < sum(kept) / len(users) < 0.34
    for user, is_kept in zip(users[:50], kept, strict=False):
        other = RecordedSearch("another", user, datetime.max, "q", ["p"], "photo", suggest_id="x")
        assert is_sampled(other, 0.3) == is_kept
        assert is_sampled(other, 0.6) >= is_kept, "a larger share keeps all of a smaller one"


def test_suggestions_and_the_search_from_them_are_in_the_sample_together_without_a_user() -> None:
    for number in range(50):
        suggest = RecordedSearch(f"s{number}", None, datetime.min, "", [], "suggest")
        search = RecordedSearch("x", None, datetime.min, "", [], suggest_id=f"s{number}")
        assert is_sampled(suggest, 0.5) == is_sampled(search, 0.5)
