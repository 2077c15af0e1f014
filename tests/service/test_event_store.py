"""The event store on SQLite and PostgreSQL: events are durable and in order."""

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

pytestmark = pytest.mark.xdist_group("events")  # share one PostgreSQL


@pytest.fixture
def store(url: str) -> Iterator[EventStore]:
    store = EventStore(url)
    yield store
    store.close()


def test_history_of_one_user_is_in_order_of_time(store: EventStore) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    store.add("anna", "p2", "save", noon)
    store.add("ben", "p9", "view", noon)
    store.add("anna", "p1", "view", noon - timedelta(hours=1))
    store.add("anna", "p3", "buy", noon)
    history = store.history("anna", 10)
    assert history["product_id"].tolist() == ["p1", "p2", "p3"], (
        "equal times keep the order of storage"
    )
    assert history["event"].tolist() == ["view", "save", "buy"]
    assert pd.api.types.is_datetime64_dtype(history["timestamp"])
    assert history["timestamp"].iloc[1] == pd.Timestamp("2026-03-01 12:00")


def test_empty_history_has_the_same_columns(store: EventStore) -> None:
    store.add("anna", "p1", "view")
    nobody, anna = store.history("nobody", 10), store.history("anna", 10)
    assert nobody.empty and nobody.dtypes.equals(anna.dtypes)


def test_history_has_only_the_last_events(store: EventStore) -> None:
    numbers = [store.add("anna", f"p{number}", "view") for number in range(5)]
    assert numbers == sorted(set(numbers))
    assert store.history("anna", 2)["product_id"].tolist() == ["p3", "p4"]


def test_times_are_stored_in_utc(store: EventStore) -> None:
    store.add("anna", "p1", "view", datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2))))
    store.add("anna", "p2", "view", datetime(2026, 3, 1, 13))
    assert [time.hour for time in store.history("anna", 9)["timestamp"]] == [12, 13]


def test_text_is_stored_unchanged(store: EventStore) -> None:
    for text in ("'; DROP TABLE events; --", "café 🔥", '"%_\\'):
        store.add("anna", text, "view")
        assert store.history("anna", 1)["product_id"].item() == text


def test_concurrent_writers_and_readers(url: str) -> None:
    """Two stores, like those of two processes, with several threads each."""
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


def test_stores_may_start_at_the_same_time(url: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        stores = list(threads.map(lambda _: EventStore(url), range(6)))
    for number, store in enumerate(stores):
        store.add("anna", f"p{number}", "view")
    assert len(stores[0].history("anna", 10)) == 6
    for store in stores:
        store.close()


def test_table_has_indices_of_users_and_searches(url: str, store: EventStore) -> None:
    engine = sa.create_engine(url)
    indices = sa.inspect(engine).get_indexes("events")
    assert sorted(index["column_names"] for index in indices) == [["search_id"], ["user_id", "id"]]
    engine.dispose()


def test_events_survive_a_kill_of_the_process(url: str) -> None:
    """Kill a process that prints the id of every stored event."""
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
        printed = {int(writer.stdout.readline()) for _ in range(20)}
        writer.kill()
        printed |= {int(line) for line in writer.stdout}
    store = EventStore(url)
    kept = len(store.history("anna", 100_000))
    # A kill between commit and answer leaves one stored event that was not printed.
    assert kept - len(printed) in (0, 1)
    assert store.add("anna", "p", "view") > max(printed)
    store.close()


# --- PostgreSQL only ------------------------------------------------------------------------------


def test_events_survive_a_kill_of_the_database(postgres: Cluster) -> None:
    """The store reconnects by itself."""
    store = EventStore(postgres.url)
    printed = [store.add("carol", f"p{number}", "view") for number in range(20)]
    postgres.kill()
    for _ in range(2):
        with pytest.raises(sa.exc.DBAPIError):
            store.add("carol", "p", "view")
    postgres.start()
    printed.append(store.add("carol", "p20", "view"))
    assert store.history("carol", 100)["product_id"].tolist() == [f"p{n}" for n in range(21)]
    assert printed == sorted(set(printed))
    store.close()


def test_store_starts_during_an_open_transaction(postgres: Cluster) -> None:
    """A long import blocks neither the start of a service nor other writers."""
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
    for each in (store, other):
        each.close()
    importer.dispose()


def test_waiting_for_a_lock_times_out(postgres: Cluster) -> None:
    store = EventStore(postgres.url)
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "10s"
    impatient = EventStore(f"{postgres.url}&options=-c statement_timeout=200")
    with store._engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(sa.exc.OperationalError, match="statement timeout"):
            impatient.add("erin", "p", "view")
        with pytest.raises(sa.exc.OperationalError, match="statement timeout"):
            impatient.history("erin", 10)
    assert impatient.add("erin", "p", "view")
    for each in (store, impatient):
        each.close()


def test_old_table_is_widened_for_long_ids(postgres: Cluster) -> None:
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


# --- SQLite only, and invalid URLs ----------------------------------------------------------------


def test_sqlite_is_durable(tmp_path: Path) -> None:
    store = EventStore(f"sqlite:///{tmp_path}/events.sqlite")
    with store._engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar() == 2, "FULL"
    store.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "EVENTS_URL cannot be used"),
        ("oracle+unknown://x", "EVENTS_URL cannot be used"),
        ("sqlite://", "names no file"),
        ("sqlite:////proc/nowhere/events.sqlite", "EVENTS_URL cannot be used"),
        ("postgresql+psycopg://a:secret@/x?host=/nowhere", "does not answer"),
    ],
)
def test_invalid_url_gives_a_one_line_error(url: str, message: str) -> None:
    with pytest.raises(MarketError) as raised:
        EventStore(url)
    assert message in str(raised.value) and "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)
