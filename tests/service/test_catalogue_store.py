"""The store of catalogue changes on SQLite and PostgreSQL: durable, numbered, nothing missed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from cluster import Cluster
from repository import REPO

from market.service.catalogue_store import CatalogueStore, StoredListing, StoredPhoto
from market.service.database import Database

pytestmark = pytest.mark.xdist_group("events")  # share one PostgreSQL

NOON = datetime(2026, 3, 1, 12)
PHOTO = StoredPhoto(b"square", b"small", b"large")
OTHER_PHOTO = StoredPhoto(b"other square", b"small", b"large")
PHOTOS = {photo.sha256: photo for photo in (PHOTO, OTHER_PHOTO)}


@pytest.fixture
def store(url: str) -> Iterator[CatalogueStore]:
    database = Database(url)
    yield CatalogueStore(database)
    database.close()


def listing(product_id: str, *photos: StoredPhoto, **changes: object) -> StoredListing:
    values = {"kind": "put", "fields": {"name": "Café 🔥"}, "created": NOON, **changes}
    digests = tuple(photo.sha256 for photo in photos)
    return StoredListing(product_id, 0, photos=digests, **values)  # type: ignore[arg-type]


def save(store: CatalogueStore, *listings: StoredListing) -> list[StoredListing]:
    with store.write() as writer:
        return [writer.save(one, PHOTOS) for one in listings]


def test_changes_are_numbered_and_the_latest_state_counts(store: CatalogueStore) -> None:
    assert store.last_number() == 0 and store.changes_after(0) == []
    first, second = save(
        store, listing("a/b"), listing("c", expires_at=NOON, keeps_raw_photos=True)
    )
    assert (first.number, second.number, store.last_number()) == (1, 2, 2)
    (again,) = save(store, listing("a/b", fields={"name": "x"}, prediction={"price": 1.5}))
    assert store.changes_after(0) == [second, again] and store.changes_after(2) == [again]
    assert store.listing("a/b") == again and store.listing("nobody") is None


def test_exception_undoes_the_whole_transaction(store: CatalogueStore) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as writer:
        writer.save(listing("a"), {})
        raise ZeroDivisionError
    assert store.last_number() == 0 and store.listing("a") is None


def test_photo_is_stored_once_and_leaves_with_its_last_listing(store: CatalogueStore) -> None:
    save(store, listing("a", PHOTO, OTHER_PHOTO), listing("b", PHOTO))
    assert store.photo(PHOTO.sha256, "square") == b"square"
    save(store, listing("a", kind="deleted"))
    assert store.photo(PHOTO.sha256, "large") == b"large", "b still has it"
    assert store.photo(OTHER_PHOTO.sha256, "large") is None
    save(store, listing("b"))
    assert store.photo(PHOTO.sha256, "large") is None


def test_photo_of_an_expired_listing_is_not_shown(store: CatalogueStore) -> None:
    later = datetime.now() + timedelta(days=2)
    save(store, listing("a", PHOTO, expires_at=NOON), listing("b", OTHER_PHOTO, expires_at=later))
    assert store.shown_photo(PHOTO.sha256, "small") is None
    assert store.shown_photo(OTHER_PHOTO.sha256, "small") == b"small"


def test_vectors_are_kept_for_each_encoder(store: CatalogueStore) -> None:
    vector = np.array([0.25, -1], np.float32)
    store.add_vectors({"text:1": vector}, "old")
    store.add_vectors({"text:1": 2 * vector, "text:2": vector}, "new")
    store.add_vectors({"text:1": vector}, "new")
    kept = store.vectors(["text:1", "text:2", "text:3"], "new")
    assert {key: values.tolist() for key, values in kept.items()} == {
        "text:1": [0.5, -2],
        "text:2": [0.25, -1],
    }
    store.keep_vectors_of(["new"])
    assert store.vectors(["text:1"], "old") == {}


def test_reader_never_misses_a_change_of_several_writers(url: str) -> None:
    """A reader asks for the changes above the last number while two processes' stores write."""
    databases = [Database(url) for _ in range(3)]
    first, second, reader = map(CatalogueStore, databases)
    seen: list[int] = []
    is_done = threading.Event()

    def read() -> None:
        while True:
            ended = is_done.is_set()
            seen.extend(one.number for one in reader.changes_after(seen[-1] if seen else 0))
            if ended:
                return

    def write(number: int) -> None:
        save((first, second)[number % 2], listing(f"p{number}"))

    following = threading.Thread(target=read)
    following.start()
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(write, range(60)))
    is_done.set()
    following.join()
    assert seen == [*range(1, 61)]
    for database in databases:
        database.close()


def test_stores_of_several_workers_may_start_together(url: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        databases = list(threads.map(lambda _: Database(url), range(6)))
        stores = list(threads.map(CatalogueStore, databases))
    for number, store in enumerate(stores):
        save(store, listing(f"p{number}"))
    assert stores[0].last_number() == 6
    for database in databases:
        database.close()


def test_changes_survive_a_kill_of_the_process(url: str) -> None:
    """Kill a process that prints the number of every stored change."""
    program = textwrap.dedent("""
        import sys
        from datetime import datetime
        from market.service.catalogue_store import CatalogueStore, StoredListing
        from market.service.database import Database
        store = CatalogueStore(Database(sys.argv[1]))
        for number in range(10**6):
            with store.write() as writer:
                listing = StoredListing(f"p{number}", 0, "put", {}, (), datetime(2026, 1, 1))
                saved = writer.save(listing, {})
            print(saved.number, flush=True)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", program, url], cwd=REPO, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        printed = [int(writer.stdout.readline()) for _ in range(20)]
        writer.kill()
        printed += [int(line) for line in writer.stdout]
    database = Database(url)
    store = CatalogueStore(database)
    kept = [one.number for one in store.changes_after(0)]
    assert kept[: len(printed)] == printed and len(kept) - len(printed) in (0, 1)
    assert store.last_number() == len(kept)
    database.close()


def test_changes_survive_a_kill_of_the_database(postgres: Cluster) -> None:
    database = Database(postgres.url)
    store = CatalogueStore(database)
    (saved,) = save(store, listing("kept"))
    postgres.kill()
    with pytest.raises(sa.exc.DBAPIError):
        save(store, listing("lost"))
    postgres.start()
    assert store.listing("kept") == saved and store.listing("lost") is None
    database.close()
