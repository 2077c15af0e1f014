"""The hand-over of the live catalogue to the pipeline: nothing is lost, and nothing is doubled."""

from __future__ import annotations

import io
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from raw_input import input_settings

from market.core.errors import MarketError
from market.core.settings import Clean
from market.data.catalogue_changes import THROUGH, CatalogueChanges
from market.data.cleaning import Cleaner
from market.data.interactions import COLUMNS, OPTIONAL_COLUMNS, log_columns
from market.data.merged_changes import merge_log
from market.data.merged_listings import join_photos
from market.data.photo_store import PhotoStore
from market.data.tables import RawTable
from market.search.index import index_columns, listing_tables
from market.service.catalogue_store import CatalogueStore, StoredListing, StoredPhoto
from market.service.events import EventStore
from market.service.folding import fold
from market.service.user_data import UserData

NOON = datetime(2026, 3, 1, 12)
LATER = datetime(2027, 3, 1, 12)
SETTINGS = Clean(
    photo_size=32, array_size=8, jpeg_quality=95, min_side=8, max_megapixels=50.0,
    placeholder_above=100_000, max_rejected_share=0.5,
)  # fmt: skip


def jpeg(colour: str) -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(encoded, "JPEG")
    return encoded.getvalue()


PHOTO = StoredPhoto(jpeg("red"), jpeg("red"), jpeg("red"))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Six listings, four of them with a photo each, and a log of three events."""
    folder = tmp_path / "raw"
    (folder / "images").mkdir(parents=True)
    rows = [f"{n},p{n},Thing {n},Home / Sofas,Text {n},£{n + 1}.00,Bath\n" for n in range(6)]
    (folder / "Products.csv").write_text(
        ",id,product_name,category,product_description,price,location\n" + "".join(rows)
    )
    images = [f"{n},i{n},p{n},x,2022-02-26\n" for n in range(4)]
    (folder / "Images.csv").write_text(",id,product_id,image_ref,create_time\n" + "".join(images))
    for number in range(4):
        (folder / f"images/i{number}.jpg").write_bytes(jpeg("blue"))
    (folder / "interactions.csv").write_text(
        "user_id,product_id,event,timestamp\n"
        "anna,p0,view,2026-03-01T12:00:00\nanna,p3,buy,2026-03-01T13:00:00\n"
        "ben,p0,view,2026-03-01T12:00:00\n"
    )
    return folder


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A service's database: p0 changed, p1 sold, p2 given another photo, p3 deleted, two new."""
    url = f"sqlite:///{tmp_path}/events.sqlite"
    events = EventStore(url)
    events.add("anna", "p0", "view", datetime(2026, 3, 1, 12, 0, 0, 500_000, UTC))  # in the log too
    events.add("carl", "new/1", "save", NOON)
    events.add("carl", "p3", "view", NOON)
    given: dict[str, Any] = {"category": "Home / Sofas", "price": 7, "name": "New"}

    def state(
        product_id: str, kind: Any, fields: dict[str, Any], *photos: str, **more: Any
    ) -> None:
        with CatalogueStore(events.database).write() as writer:
            one = StoredListing(product_id, 0, kind, fields, photos, NOON, **more)
            writer.save(one, {PHOTO.sha256: PHOTO})

    state("p0", "put", {**given, "name": "Changed", "price": 12.5}, keeps_raw_photos=True)
    state("p1", "sold", {**given, "status": "sold"}, keeps_raw_photos=True)
    state("p2", "put", given, PHOTO.sha256)
    state("p3", "deleted", {})
    state("new/1", "put", {**given, "seller_id": "s1"}, PHOTO.sha256, expires_at=LATER)
    state("new/2", "put", {"name": "Without a category"}, PHOTO.sha256)
    events.close()
    return url


def clean(raw: Path, changes: CatalogueChanges, out: Path) -> dict[str, pd.DataFrame]:
    out.mkdir()
    Cleaner(raw, SETTINGS, input_settings(), changes).run(out)
    tables = {name: pd.read_parquet(out / f"{name}.parquet") for name in
              ("products", "images", "interactions")}  # fmt: skip
    return {**tables, "rejects": pd.read_csv(out / "rejects.csv")}


def test_clean_lays_the_changes_over_the_raw_tables(raw: Path, url: str, tmp_path: Path) -> None:
    changes = fold(url, input_settings(), tmp_path / "changes")
    tables = clean(raw, CatalogueChanges.load(tmp_path / "changes"), tmp_path / "clean")
    products = tables["products"].set_index("product_id")
    assert changes.through == 6
    assert products.index.tolist() == ["p0", "p1", "p2", "p4", "p5", "new/1"]
    assert products["name"].tolist() == ["Changed", "New", "New", "Thing 4", "Thing 5", "New"]
    assert products["price"].tolist() == [12.5, 7, 7, 5, 6, 7]
    assert products["status"].dropna().to_dict() == {"p1": "sold"}
    assert products["seller_id"].dropna().to_dict() == {"new/1": "s1"}
    assert products["expires"].dropna().to_dict() == {"new/1": pd.Timestamp(LATER)}
    assert products.loc["p0", "description"] == "", "a put replaces all fields"
    owners = tables["images"].set_index("image_id")["product_id"].to_dict()
    assert owners == {"i0": "p0", "i1": "p1", "~new/1-0001": "new/1", "~p2-0001": "p2"}
    assert len(PhotoStore(tmp_path / "clean/photos")) == 4
    rejects = tables["rejects"].set_index("id")["reason"].to_dict()
    assert rejects["p3"] == "was deleted from the live catalogue"
    assert rejects["new/2"] == "category is missing"
    assert rejects["i2"] == "the live catalogue has other photos of its listing"


def test_events_of_the_service_join_the_log_once(raw: Path, url: str, tmp_path: Path) -> None:
    fold(url, input_settings(), tmp_path / "changes")
    tables = clean(raw, CatalogueChanges.load(tmp_path / "changes"), tmp_path / "clean")
    log = tables["interactions"]
    assert sorted(zip(log["user_id"], log["product_id"], strict=True)) == [
        ("anna", "p0"), ("ben", "p0"), ("carl", "new/1"),
    ]  # fmt: skip
    (raw / "interactions.csv").unlink()
    alone = clean(raw, CatalogueChanges.load(tmp_path / "changes"), tmp_path / "again")
    assert sorted(alone["interactions"]["user_id"]) == ["anna", "carl"]


def test_the_searches_of_events_are_handed_over_if_an_event_has_one(
    raw: Path, url: str, tmp_path: Path
) -> None:
    assert [*fold(url, input_settings(), tmp_path / "changes").events.columns] == COLUMNS
    with closing(EventStore(url)) as events:
        events.add("carl", "p4", "view", NOON, search_id="s1", dwell_seconds=2.5)
    changes = fold(url, input_settings(), tmp_path / "changes")
    table = merge_log(RawTable.select(raw, pd.DataFrame(columns=COLUMNS), log_columns(COLUMNS)),
                      CatalogueChanges.load(tmp_path / "changes").events)  # fmt: skip
    assert table.rows.columns.tolist() == [*COLUMNS, *OPTIONAL_COLUMNS]
    assert table.rows[OPTIONAL_COLUMNS].dropna().to_numpy().tolist() == [["s1", "2.5"]]
    assert len(table.rows) == len(changes.events)


def test_index_knows_the_last_change_and_the_expiry(raw: Path, url: str, tmp_path: Path) -> None:
    fold(url, input_settings(), tmp_path / "changes")
    tables = clean(raw, CatalogueChanges.load(tmp_path / "changes"), tmp_path / "clean")
    path = tmp_path / "listings.parquet"
    listings = join_photos(tables["products"], tables["images"]).assign(group=0)
    listings.to_parquet(path)
    rows = pd.read_parquet(path, columns=index_columns(listings.columns))
    assert rows.attrs[THROUGH] == 6
    indexed, _ = listing_tables(rows)
    expires = indexed.set_index("product_id")["expires"].dropna()
    assert expires.to_dict() == {"new/1": pd.Timestamp(LATER)}


def test_no_changes_change_nothing(raw: Path, tmp_path: Path) -> None:
    CatalogueChanges.none().save(tmp_path / "changes", lambda sha256: b"")
    changes = CatalogueChanges.load(tmp_path / "changes")
    assert changes.is_empty
    clean(raw, changes, tmp_path / "with")
    clean(raw, CatalogueChanges.load(tmp_path / "absent"), tmp_path / "without")
    for path in (tmp_path / "with").rglob("*.*"):
        other = tmp_path / "without" / path.relative_to(tmp_path / "with")
        assert path.read_bytes() == other.read_bytes()
    assert THROUGH not in pd.read_parquet(tmp_path / "with/products.parquet").attrs


def test_same_store_gives_the_same_bytes(url: str, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        fold(url, input_settings(), folder)
    names = [path.relative_to(folders[0]) for path in folders[0].rglob("*.*")]
    assert len(names) == 5
    assert all((folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
               for name in names)  # fmt: skip


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("sqlite:///nowhere/events.sqlite", "nowhere/events.sqlite does not exist"),
        ("nonsense", "fold.store cannot be used"),
        ("postgresql+psycopg://a:secret@/x?host=/nowhere", "does not answer"),
    ],
)
def test_unusable_store_gives_one_line(store: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(MarketError, match=message) as raised:
        fold(store, input_settings(), tmp_path / "changes")
    assert "secret" not in str(raised.value) and not (tmp_path / "changes").exists()


def test_clean_leaves_out_erased_users(raw: Path, url: str, tmp_path: Path) -> None:
    events = EventStore(url)
    log = clean(raw, CatalogueChanges.none(), tmp_path / "before")["interactions"]
    users = log["user_id"].unique()
    UserData(events.database).erase(users[0])
    UserData(events.database).erase("carl")
    events.close()
    changes = fold(url, input_settings(), tmp_path / "changes")
    assert "carl" not in changes.events["user_id"].tolist()
    loaded = CatalogueChanges.load(tmp_path / "changes")
    assert loaded.erasures == changes.erasures and len(loaded.erasures.times) == 2
    tables = clean(raw, loaded, tmp_path / "clean")
    kept = {*tables["interactions"]["user_id"]}
    assert users[0] not in kept and "carl" not in kept and {*users[1:]} <= kept
    for file in ("changes", "clean"):
        names = [path for path in (tmp_path / file).rglob("*") if path.is_file()]
        assert not any(users[0].encode() in path.read_bytes() for path in names)
