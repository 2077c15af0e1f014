"""Erasure, export, dump and restore of the database, on SQLite and PostgreSQL."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from databases import empty_database

from market.core.errors import MarketError
from market.data.erasures import Erasures
from market.service import privacy, store
from market.service.catalogue_store import CatalogueStore, StoredListing, StoredPhoto
from market.service.database import Database
from market.service.events import EventStore
from market.service.user_data import UserData
from market.service.user_export import export_user

pytestmark = pytest.mark.xdist_group("events")  # share one PostgreSQL

NOON = datetime(2026, 3, 1, 12)


@pytest.fixture(params=["sqlite", "postgresql"])
def events(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    with closing(EventStore(empty_database(request.param, request, tmp_path))) as events:
        events.database.create_missing(store.TABLES)
        events.add("anna", "p1", "view", NOON)
        events.add("ben", "p2", "buy", NOON)
        events.add("anna", "café 🔥", "save", NOON)
        yield events


# --- Erasure and export ---------------------------------------------------------------------------
def test_an_erased_user_has_no_events_and_others_keep_theirs(events: EventStore) -> None:
    data = UserData(events.database)
    assert data.erased_at("anna") is None and not data.erasures().times
    assert data.erase("anna") == 2
    assert data.events("anna").empty and len(data.events("ben")) == 1
    assert UserData(events.database).erased_at("anna") is not None
    assert data.erased_at("ben") is None
    events.add("anna", "p3", "view")
    assert data.events("anna")["product_id"].tolist() == ["p3"], "later events are new data"
    assert data.erase("anna") == 1 and data.erase("nobody") == 0


def test_no_id_of_an_erased_user_is_stored(events: EventStore) -> None:
    UserData(events.database).erase("anna")
    with events.database.connect() as connection:
        for table in store.TABLES:
            assert "anna" not in str(connection.execute(sa.select(table)).all())


def test_sqlite_overwrites_what_is_erased(tmp_path: Path) -> None:
    with closing(EventStore(f"sqlite:///{tmp_path}/a.sqlite")) as events:
        for number in range(200):
            events.add("a-certain-user", f"p{number}", "view", NOON)
        UserData(events.database).erase("a-certain-user")
    assert b"a-certain-user" not in (tmp_path / "a.sqlite").read_bytes()


def test_two_processes_hash_with_one_key(events: EventStore) -> None:
    first, second = UserData(events.database), UserData(events.database)
    first.erase("anna")
    second.erase("ben")
    assert first.erased_at("ben") == second.erased_at("ben") is not None
    assert len(first.erasures().times) == 2


def test_erasures_remove_earlier_rows_of_a_log(events: EventStore, tmp_path: Path) -> None:
    data = UserData(events.database)
    data.erase("anna")
    data.erasures().save(tmp_path / "erased.json")
    erasures = Erasures.load(tmp_path / "erased.json")
    assert erasures == data.erasures()
    future = datetime(2100, 1, 1)
    log = pd.DataFrame({"user_id": ["anna", "ben", "anna"], "timestamp": [NOON, NOON, future]})
    assert erasures.kept(log).tolist() == [False, True, True]
    assert Erasures.load(tmp_path / "none.json").kept(log).all()


def test_an_export_has_the_log_and_the_store(events: EventStore, tmp_path: Path) -> None:
    log = pd.DataFrame(
        {"user_id": ["anna", "ben"], "product_id": ["p8", "p9"], "event": "view"}
    ).assign(timestamp=pd.Timestamp("2022-01-01"))
    log.to_parquet(tmp_path / "log.parquet")
    data = UserData(events.database)
    lines = [json.loads(line) for line in export_user("anna", data, tmp_path / "log.parquet")]
    assert [(line["source"], line["product_id"]) for line in lines] == [
        ("log", "p8"), ("store", "p1"), ("store", "café 🔥"),
    ]  # fmt: skip
    assert lines[1]["timestamp"] == "2026-03-01T12:00:00Z"
    data.erase("anna")
    assert not [*export_user("anna", data, tmp_path / "log.parquet")]


def test_the_command_shows_and_erases(
    events: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = events.database.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("EVENTS_URL", url)
    shown = CliRunner().invoke(privacy.main, ["export", "anna"])
    assert shown.exit_code == 0 and len(shown.stdout.splitlines()) == 2
    erased = CliRunner().invoke(privacy.main, ["erase", "anna"])
    assert erased.exit_code == 0 and erased.stdout.startswith("erased 2 events")
    assert not CliRunner().invoke(privacy.main, ["export", "anna"]).stdout


# --- Dump and restore -----------------------------------------------------------------------------
def all_rows(database: Database) -> dict[str, list[tuple]]:
    with database.connect() as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.execute(sa.select(table)))
            for table in store.TABLES
        }


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_a_dump_restores_into_either_database(
    events: EventStore, request: pytest.FixtureRequest, tmp_path: Path, target: str
) -> None:
    UserData(events.database).erase("ben")
    photo = StoredPhoto(b"\0\xff", b"small", b"large")
    with CatalogueStore(events.database).write() as writer:
        fields = {"name": "café 🔥", "price": 1.5}
        listing = StoredListing("p7", 0, "put", fields, (photo.sha256,), NOON)
        writer.save(listing, {photo.sha256: photo})
    before = all_rows(events.database)
    file = tmp_path / "dump.ndjson.gz"
    count = store.dump(events.database, file)
    assert count == sum(map(len, before.values())) > 7
    events.close()
    with closing(Database(empty_database(target, request, tmp_path))) as database:
        CatalogueStore(database)  # as after a start of the service
        assert store.restore(database, file) == count
        assert all_rows(database) == before
        with pytest.raises(MarketError, match="the table 'events' of EVENTS_URL is not empty"):
            store.restore(database, file)
        url = database.engine.url.render_as_string(hide_password=False)
        with closing(EventStore(url)) as restored:
            number = restored.add("anna", "p4", "view")
            assert number > max(row[0] for row in before["events"])
            assert UserData(restored.database).erased_at("ben") is not None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-30], "is no line of a dump .*end-of-stream"),
        (lambda data: gzip.compress(gzip.decompress(data).rsplit(b"\n", 2)[0]), "before its end"),
        (lambda data: gzip.decompress(data), "is no line of a dump"),
        (lambda data: gzip.compress(b'{"format": "other"}\n'), "is no dump of this version"),
        (lambda data: gzip.compress(gzip.decompress(data).replace(b"events", b"evnts")), "line"),
        (lambda data: b"", "before its end"),
    ],
)  # fmt: skip
def test_a_damaged_dump_restores_nothing(tmp_path: Path, damage: object, message: str) -> None:
    with closing(EventStore(f"sqlite:///{tmp_path}/a.sqlite")) as events:
        for number in range(3):
            events.add("anna", f"p{number}", "view", NOON)
        file = tmp_path / "dump.ndjson.gz"
        store.dump(events.database, file)
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    with closing(Database(f"sqlite:///{tmp_path}/b.sqlite")) as database:
        with pytest.raises(MarketError, match=message) as raised:
            store.restore(database, file)
        assert "\n" not in str(raised.value)
        assert not any(all_rows(database).values())


def test_a_dump_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(EventStore(f"sqlite:///{tmp_path}/a.sqlite")) as events:
        events.add("anna", "p1", "view", NOON)
        store.dump(events.database, tmp_path / "dump.gz")
        before = (tmp_path / "dump.gz").read_bytes()
        monkeypatch.setattr(store, "_to_json", lambda value: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.dump(events.database, tmp_path / "dump.gz")
    assert (tmp_path / "dump.gz").read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


def test_the_command_names_a_missing_file_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTS_URL", f"sqlite:///{tmp_path}/a.sqlite")
    result = CliRunner().invoke(store.main, ["restore", str(tmp_path / "none.gz")])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ") and "none.gz not found" in line
