"""The event store, on SQLite and on a real PostgreSQL: what is answered is kept, and in order."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from cluster import Cluster
from repository import REPO

from market.core.errors import MarketError
from market.data.ids import LONGEST_ID
from market.service.events import EventStore

pytestmark = pytest.mark.xdist_group("events")  # one PostgreSQL for all of them


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/events.sqlite"
    url: str = request.getfixturevalue("postgres").url
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS events"))
    engine.dispose()
    return url


@pytest.fixture
def store(url: str) -> Iterator[EventStore]:
    store = EventStore(url)
    yield store
    store.close()


def test_a_history_is_one_users_in_order_of_time(store: EventStore) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    store.add("anna", "p2", "save", noon)
    store.add("ben", "p9", "view", noon)
    store.add("anna", "p1", "view", noon - timedelta(hours=1))
    store.add("anna", "p3", "buy", noon)
    history = store.history("anna", 10)
    assert history["product_id"].tolist() == ["p1", "p2", "p3"], "equal times: as they came in"
    assert history["event"].tolist() == ["view", "save", "buy"]
    assert pd.api.types.is_datetime64_dtype(history["timestamp"])
    assert history["timestamp"].iloc[1] == pd.Timestamp("2026-03-01 12:00")


def test_nobodys_history_has_the_same_columns(store: EventStore) -> None:
    store.add("anna", "p1", "view")
    nobody, anna = store.history("nobody", 10), store.history("anna", 10)
    assert nobody.empty and nobody.dtypes.equals(anna.dtypes)


def test_only_the_last_events_count(store: EventStore) -> None:
    numbers = [store.add("anna", f"p{number}", "view") for number in range(5)]
    assert numbers == sorted(set(numbers))
    assert store.history("anna", 2)["product_id"].tolist() == ["p3", "p4"]


def test_times_are_kept_in_utc(store: EventStore) -> None:
    store.add("anna", "p1", "view", datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2))))
    store.add("anna", "p2", "view", datetime(2026, 3, 1, 13))
    assert [time.hour for time in store.history("anna", 9)["timestamp"]] == [12, 13]


def test_text_is_kept_as_it_is(store: EventStore) -> None:
    for text in ("'; DROP TABLE events; --", "café 🔥", '"%_\\'):
        store.add("anna", text, "view")
        assert store.history("anna", 1)["product_id"].item() == text


def test_writers_and_readers_at_once(url: str) -> None:
    """Two stores, as of two processes, each with several threads."""
    stores = [EventStore(url), EventStore(url)]

    def click(number: int) -> int:
        store = stores[number % 2]
        store.history(f"user-{number % 3}", 50)
        return store.add(f"user-{number % 3}", f"p{number}", "view")

    with ThreadPoolExecutor(12) as threads:
        numbers = list(threads.map(click, range(120)))
    assert len(set(numbers)) == 120
    kept = {
        name for user in range(3) for name in stores[0].history(f"user-{user}", 500)["product_id"]
    }
    assert kept == {f"p{number}" for number in range(120)}
    for store in stores:
        store.close()


def test_stores_that_start_together_both_start(url: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        stores = list(threads.map(lambda _: EventStore(url), range(6)))
    for number, store in enumerate(stores):
        store.add("anna", f"p{number}", "view")
    assert len(stores[0].history("anna", 10)) == 6
    for store in stores:
        store.close()


def test_reads_use_the_index(url: str, store: EventStore) -> None:
    engine = sa.create_engine(url)
    assert [index["column_names"] for index in sa.inspect(engine).get_indexes("events")] == [
        ["user_id", "id"]
    ]
    engine.dispose()


def test_what_was_answered_survives_a_kill(url: str) -> None:
    """A process that says the number of each event it has kept is killed in the middle of it."""
    program = textwrap.dedent("""
        import sys
        from market.service.events import EventStore
        store = EventStore(sys.argv[1])
        while True:
            print(store.add("anna", "p", "view"), flush=True)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", program, url], cwd=REPO, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        answered = {int(writer.stdout.readline()) for _ in range(20)}
        writer.kill()
        answered |= {int(line) for line in writer.stdout}
    store = EventStore(url)
    kept = len(store.history("anna", 100_000))
    # Killed between the commit and the answer: one more is kept than was said.
    assert kept - len(answered) in (0, 1)
    assert store.add("anna", "p", "view") > max(answered)
    store.close()


# --- PostgreSQL's own -----------------------------------------------------------------------------
def test_what_was_answered_survives_a_killed_database(postgres: Cluster) -> None:
    """And the store needs no restart with it."""
    store = EventStore(postgres.url)
    answered = [store.add("carol", f"p{number}", "view") for number in range(20)]
    postgres.kill()
    for _ in range(2):
        with pytest.raises(sa.exc.DBAPIError):
            store.add("carol", "p", "view")
    postgres.start()
    answered.append(store.add("carol", "p20", "view"))
    assert store.history("carol", 100)["product_id"].tolist() == [f"p{n}" for n in range(21)]
    assert answered == sorted(set(answered))
    store.close()


def test_a_store_starts_beside_somebody_who_writes(postgres: Cluster) -> None:
    """An import that takes its time keeps neither a service from its start nor others waiting."""
    store = EventStore(postgres.url)
    importer = sa.create_engine(postgres.url)
    with importer.connect() as connection:
        connection.execute(sa.text(
            "INSERT INTO events (user_id, product_id, event, timestamp) "
            "VALUES ('dave', 'p', 'view', now())"
        ))  # fmt: skip
        other = EventStore(f"{postgres.url}&options=-c statement_timeout=5000")
        other.add("dave", "p", "view")
        store.add("dave", "p", "view")
    for one in (store, other):
        one.close()
    importer.dispose()


def test_nobody_waits_for_a_lock_for_ever(postgres: Cluster) -> None:
    store = EventStore(postgres.url)
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "10s"
    hasty = EventStore(f"{postgres.url}&options=-c statement_timeout=200")
    with store._engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(sa.exc.OperationalError, match="statement timeout"):
            hasty.add("erin", "p", "view")
        with pytest.raises(sa.exc.OperationalError, match="statement timeout"):
            hasty.history("erin", 10)
    assert hasty.add("erin", "p", "view")
    for one in (store, hasty):
        one.close()


def test_a_table_of_an_earlier_version_takes_the_longest_id(postgres: Cluster) -> None:
    EventStore(postgres.url).close()
    engine = sa.create_engine(postgres.url)
    with engine.begin() as connection:
        for name in ("user_id", "product_id"):
            connection.execute(sa.text(f"ALTER TABLE events ALTER COLUMN {name} TYPE VARCHAR(100)"))
    engine.dispose()
    store = EventStore(postgres.url)
    longest = "x" * LONGEST_ID
    store.add(longest, longest, "view")
    assert store.history(longest, 1)["product_id"].tolist() == [longest]
    store.close()


def test_sqlite_is_set_up_to_be_durable(tmp_path: Path) -> None:
    store = EventStore(f"sqlite:///{tmp_path}/events.sqlite")
    with store._engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar() == 2, "FULL"
    store.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "EVENTS_URL cannot be used"),
        ("oracle+unknown://x", "EVENTS_URL cannot be used"),
        ("sqlite://", "name a file"),
        ("sqlite:////proc/nowhere/events.sqlite", "EVENTS_URL cannot be used"),
        ("postgresql+psycopg://a:secret@/x?host=/nowhere", "does not answer"),
    ],
)
def test_a_url_that_cannot_be_used_is_one_line(url: str, said: str) -> None:
    with pytest.raises(MarketError) as raised:
        EventStore(url)
    assert said in str(raised.value) and "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)
