"""The log of searches on SQLite and PostgreSQL: stored unchanged, erased, opted out, deleted."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from repository import REPO
from sqlalchemy.schema import DropIndex

from market.data.interactions import OPTIONAL_COLUMNS
from market.service import search_log, store
from market.service.database import Database
from market.service.events import EVENTS, EventStore
from market.service.search_log import COLUMNS, RecordedSearch, SearchLog
from market.service.user_data import UserData

pytestmark = pytest.mark.xdist_group("events")  # share one PostgreSQL

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456)
FULL = RecordedSearch(
    "s2", "anna", NOON, "café 🔥", ["p 1", "p2"], "photo", "B", 24, 90, '{"price_max": 5.0}',
    [0.5, 0.25], ["p2"], "s0",
)  # fmt: skip
SHORT = RecordedSearch("s1", None, NOON - timedelta(hours=1), "", [])


@pytest.fixture
def events(url: str) -> Iterator[EventStore]:
    with closing(EventStore(url)) as events:
        yield events


@pytest.fixture
def log(events: EventStore) -> SearchLog:
    return SearchLog(events.database)


@pytest.fixture
def data(events: EventStore) -> UserData:
    return UserData(events.database)


def search_of(user: str | None, number: int, time: datetime = NOON) -> RecordedSearch:
    return RecordedSearch(f"s{number}", user, time, "lamp", ["p1"])


def test_searches_are_stored_unchanged_and_read_by_time(log: SearchLog) -> None:
    log.add([FULL, SHORT])
    searches = log.all_searches()
    assert [*searches.columns] == COLUMNS
    first, second = searches.to_dict("records")
    assert second == {name: getattr(FULL, name) for name in COLUMNS}
    assert first["user_id"] is None and first["product_ids"] == [] and first["rules"] == []
    assert first["propensities"] is None and first["suggest_id"] is None
    assert log.between(NOON, NOON + timedelta(seconds=1))["search_id"].tolist() == ["s2"]
    assert log.between(NOON - timedelta(hours=2), NOON)["search_id"].tolist() == ["s1"]
    assert log.between(NOON, NOON).empty


def test_an_empty_log_has_the_same_columns(log: SearchLog) -> None:
    empty = log.all_searches()
    log.add([FULL])
    assert empty.empty and empty.dtypes.equals(log.all_searches().dtypes)


def test_text_that_no_database_stores_loses_those_characters_alone(log: SearchLog) -> None:
    log.add([RecordedSearch("s", None, NOON, "a\0b\ud800c", ["p"])])
    assert log.all_searches()["query"].item() == "ab?c"


def test_deletion_takes_the_oldest_first_and_few_at_once(
    log: SearchLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_log, "DELETED_AT_ONCE", 2)
    log.add([search_of(None, number, NOON + timedelta(hours=number)) for number in range(5)])
    assert log.delete_before(NOON + timedelta(hours=3)) == 2
    assert log.all_searches()["search_id"].tolist() == ["s2", "s3", "s4"]
    assert log.delete_before(NOON + timedelta(hours=3)) == 1
    assert log.delete_before(NOON + timedelta(hours=3)) == 0


def test_erasure_deletes_the_searches_of_one_user(log: SearchLog, data: UserData) -> None:
    assert data.add_searches([search_of("anna", 1), search_of("ben", 2), search_of(None, 3)]) == 3
    assert data.searches("anna")["search_id"].tolist() == ["s1"]
    data.erase("anna")
    assert log.all_searches()["search_id"].tolist() == ["s2", "s3"]
    later = datetime(2100, 1, 1)
    assert data.add_searches([search_of("anna", 4), search_of("anna", 5, later)]) == 1
    assert data.searches("anna")["search_id"].tolist() == ["s5"], "only the search before is gone"


def test_no_search_of_a_user_who_opted_out_is_stored(log: SearchLog, data: UserData) -> None:
    data.opt_out("anna")
    data.opt_out("anna")
    assert data.opted_out_at("anna") is not None and data.opted_out_at("ben") is None
    assert data.add_searches([search_of("anna", 1), search_of("ben", 2)]) == 1
    data.erase("anna")
    assert data.add_searches([search_of("anna", 3)]) == 0, "an erasure keeps the opt-out"
    data.opt_in("anna")
    assert data.add_searches([search_of("anna", 4, datetime(2100, 1, 1))]) == 1
    assert log.all_searches()["search_id"].tolist() == ["s2", "s4"]


def test_no_search_outlives_an_erasure_at_the_same_time(log: SearchLog, data: UserData) -> None:
    """Each erasure concerns all searches before it, also those that are being stored."""
    with ThreadPoolExecutor(4) as threads:
        for number in range(8):
            user = f"user {number}"
            searches = [search_of(user, 100 * number + n) for n in range(3)]
            jobs = [threads.submit(data.add_searches, [search]) for search in searches]
            jobs.append(threads.submit(data.erase, user))
            for job in jobs:
                job.result()
    assert log.all_searches().empty


def make_old(url: str) -> None:
    """Make a database with an event, as a version without searches made it."""
    with closing(EventStore(url)) as events:
        events.add("anna", "p1", "view", NOON)
        with events.database.begin() as connection:
            for index in EVENTS.indexes:
                connection.execute(DropIndex(index))
            for name in OPTIONAL_COLUMNS:
                connection.execute(sa.text(f"ALTER TABLE events DROP COLUMN {name}"))


def test_a_dump_of_an_old_database_restores(url: str, tmp_path: Path) -> None:
    make_old(url)
    file = tmp_path / "dump.ndjson.gz"
    with closing(Database(url)) as old:
        assert store.dump(old, file) == 1
    new_url = f"sqlite:///{tmp_path}/restored.sqlite"
    with closing(Database(new_url)) as new:
        assert store.restore(new, file) == 1
    with closing(EventStore(new_url)) as events:
        assert events.all_events()[OPTIONAL_COLUMNS].isna().all().all()


def test_an_old_table_of_events_gains_the_columns_of_searches(url: str) -> None:
    make_old(url)
    with ThreadPoolExecutor(4) as threads:
        stores = list(threads.map(lambda _: EventStore(url), range(4)))
    stores[0].add("anna", "p2", "view", search_id="s1", dwell_seconds=2.5)
    events = stores[1].all_events()
    assert events["product_id"].tolist() == ["p1", "p2"]
    assert events["search_id"].tolist()[1:] == ["s1"] and events["search_id"].isna()[0]
    assert events["dwell_seconds"].tolist()[1:] == ["2.5"] and events["dwell_seconds"].isna()[0]
    for each in stores:
        each.close()


@pytest.mark.campaign
def test_a_kill_loses_recorded_searches_of_the_queue_at_most(url: str) -> None:
    """Kill a process that prints how many searches are stored, and the id of every event."""
    program = textwrap.dedent("""
        import sys
        from datetime import datetime
        from prometheus_client import CollectorRegistry
        from market.service import search_recorder
        from market.service.events import EventStore
        from market.service.metrics import Metrics
        from market.service.search_log import RecordedSearch, SearchLog, new_search_id
        from market.service.user_data import UserData
        search_recorder.WRITE_SECONDS = 0.01
        events = EventStore(sys.argv[1])
        data, metrics = UserData(events.database), Metrics(CollectorRegistry())
        recorder = search_recorder.SearchRecorder(
            data.add_searches, SearchLog(events.database).delete_before, metrics)
        with recorder.running():
            while True:
                recorder.record(RecordedSearch(new_search_id(), "anna", datetime.now(), "q", []))
                event = events.add("anna", "p", "view")
                print(event, int(metrics.searches_recorded._value.get()), flush=True)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", program, url], cwd=REPO, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        printed = [writer.stdout.readline().split() for _ in range(40)]
        writer.kill()
        printed += [line.split() for line in writer.stdout if len(line.split()) == 2]
    with closing(EventStore(url)) as events:
        assert len(events.history("anna", 100_000)) >= len(printed), "every event is there"
        assert len(SearchLog(events.database).all_searches()) >= int(printed[-1][1])
