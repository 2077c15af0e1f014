"""The recorder of searches: it never blocks or raises, and loses at most its queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from market.service import search_recorder
from market.service.metrics import Metrics
from market.service.search_log import RecordedSearch
from market.service.search_recorder import SearchRecorder, is_sampled


def a_search(number: int) -> RecordedSearch:
    return RecordedSearch(f"s{number:04d}", "anna", datetime(2026, 3, 1), "lamp", ["p1"])


class FakeLog:
    """A log in memory whose database is away while `is_away`, and refuses the query "bad"."""

    def __init__(self) -> None:
        self.is_away = False
        self.stored: list[str] = []
        self.old = 0
        self.deletions: list[datetime] = []

    def store(self, searches: Sequence[RecordedSearch]) -> int:
        self._check()
        if any(search.query == "bad" for search in searches):
            raise sa.exc.DataError("INSERT", {}, Exception("bad"))
        self.stored += [search.search_id for search in searches]
        return len(searches)

    def delete_before(self, time: datetime) -> int:
        self._check()
        self.deletions.append(time)
        deleted = min(self.old, 1000)
        self.old -= deleted
        return deleted

    def _check(self) -> None:
        if self.is_away:
            raise sa.exc.OperationalError("INSERT", {}, Exception("no route\nto host"))


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.fixture
def fake() -> FakeLog:
    return FakeLog()


@pytest.fixture
def recorder(fake: FakeLog, metrics: Metrics) -> SearchRecorder:
    return SearchRecorder(fake.store, fake.delete_before, metrics, days=30)


def counts(metrics: Metrics) -> tuple[float, float]:
    """Return the numbers of recorded and dropped searches."""
    return metrics.searches_recorded._value.get(), metrics.searches_dropped._value.get()


def test_searches_left_in_the_queue_are_written_at_the_end(
    recorder: SearchRecorder, fake: FakeLog, metrics: Metrics
) -> None:
    for _ in range(2):  # an app may start again
        with recorder.running():
            for number in range(1200):
                recorder.record(a_search(number))
    assert len(fake.stored) == 2400 and counts(metrics) == (2400, 0)


def test_a_full_queue_drops_and_counts(
    fake: FakeLog, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_recorder, "MAX_QUEUED", 3)
    recorder = SearchRecorder(fake.store, fake.delete_before, metrics)
    for number in range(5):
        recorder.record(a_search(number))
    recorder.write()
    assert fake.stored == ["s0000", "s0001", "s0002"] and counts(metrics) == (3, 2)


def test_an_outage_is_logged_once_and_loses_nothing_that_fits_the_queue(
    recorder: SearchRecorder,
    fake: FakeLog,
    metrics: Metrics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[str] = []  # not of caplog: a service that ran in this process has changed the logs
    monkeypatch.setattr(
        search_recorder.log, "error", lambda text, *values: lines.append(text % values)
    )
    fake.is_away = True
    for number in range(3):
        recorder.record(a_search(number))
        recorder.write()
        recorder.delete_old()
    (line,) = lines
    assert line.startswith("Searches cannot be recorded for now") and "\n" not in line
    fake.is_away = False
    recorder.write()
    assert len(fake.stored) == 3 and counts(metrics) == (3, 0)


def test_an_outage_at_the_end_is_counted_and_ends(
    recorder: SearchRecorder, fake: FakeLog, metrics: Metrics
) -> None:
    fake.is_away = True
    with recorder.running():
        for number in range(700):
            recorder.record(a_search(number))
    assert counts(metrics) == (0, 700)


def test_a_search_that_the_database_refuses_stops_no_other(
    recorder: SearchRecorder, fake: FakeLog, metrics: Metrics
) -> None:
    for number, query in enumerate(["good", "bad", "good"]):
        recorder.record(replace(a_search(number), query=query))
    recorder.write()
    assert fake.stored == ["s0000", "s0002"] and counts(metrics) == (2, 1)


def test_old_searches_are_deleted_in_batches_until_none_is_left(
    recorder: SearchRecorder, fake: FakeLog
) -> None:
    fake.old = 2500
    for _ in range(10):
        recorder.delete_old()
    assert fake.old == 0 and len(fake.deletions) == 4, "then it rests"
    age = datetime.now(UTC).replace(tzinfo=None) - fake.deletions[0]
    assert timedelta(days=30) <= age < timedelta(days=30, minutes=1)


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
