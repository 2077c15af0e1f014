"""The store of catalogue changes: durable, numbered, and safe with several writers and readers."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import sqlalchemy as sa

from market.service.catalogue_tables import (
    COUNTER,
    LISTING_PHOTOS,
    LISTINGS,
    PHOTOS,
    TABLES,
    VECTORS,
)
from market.service.database import Database

ROWS_PER_QUERY = 500  # databases limit the parameters of a statement

Kind = Literal["put", "sold", "deleted"]


@dataclass(frozen=True)
class StoredListing:
    """The latest state of a listing that was changed over the API.

    Attributes
    ----------
    product_id
        Id of the listing.
    number
        Number of its last change; 0 before it is stored.
    kind
        "put", "sold" or "deleted".
    fields
        The fields as the seller gave them, by the names of the API. Empty if deleted.
    photos
        The SHA-256 of each of its photos in this store, in their order.
    created
        Time of the first change (UTC without a time zone).
    expires_at
        Time from which the listing is no longer shown (UTC without a time zone); None for never.
    prediction
        What the models predicted for it: category, price and so on; None if they were missing.
    keeps_raw_photos
        Whether the listing's photos in the raw folder stay, before `photos`.
    """

    product_id: str
    number: int
    kind: Kind
    fields: Mapping[str, Any]
    photos: tuple[str, ...]
    created: datetime
    expires_at: datetime | None = None
    prediction: Mapping[str, Any] | None = None
    keeps_raw_photos: bool = False

    def has_content_of(self, other: StoredListing) -> bool:
        """Return whether two states differ in nothing that a user stated."""
        names = ("kind", "fields", "photos", "keeps_raw_photos", "expires_at")
        return all(getattr(self, name) == getattr(other, name) for name in names)


@dataclass(frozen=True)
class StoredPhoto:
    """A photo in the forms that the models and the page read, each as JPEG.

    Attributes
    ----------
    square
        The square that the models read.
    small, large
        The photo for display.
    small_size, large_size
        Width and height of these in pixels.
    """

    square: bytes
    small: bytes
    large: bytes
    small_size: tuple[int, int] = (0, 0)
    large_size: tuple[int, int] = (0, 0)

    @property
    def row(self) -> dict[str, Any]:
        """The photo in the columns of its table."""
        return {
            "sha256": self.sha256,
            "square": self.square,
            "small": self.small,
            "large": self.large,
            "small_width": self.small_size[0],
            "small_height": self.small_size[1],
            "large_width": self.large_size[0],
            "large_height": self.large_size[1],
        }

    @property
    def sha256(self) -> str:
        """The SHA-256 of the forms: equal uploads are stored once."""
        return hashlib.sha256(self.square + self.large).hexdigest()


class CatalogueStore:
    """Durable storage of catalogue changes, as `EventStore` is of events.

    Parameters
    ----------
    database
        The database. Missing tables are created.

    Raises
    ------
    MarketError
        The database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create_missing(TABLES)

    @contextlib.contextmanager
    def write(self) -> Iterator[CatalogueWriter]:
        """Yield a writer in a transaction; one writer at a time, in all processes.

        The transaction commits at the end of the block. An exception undoes it.
        """
        with self._database.begin() as connection:
            writer = CatalogueWriter(connection)
            yield writer
            writer.finish()

    def last_number(self) -> int:
        """Return the number of the last change, 0 without any."""
        with self._database.connect() as connection:
            return connection.execute(sa.select(COUNTER.c.number)).scalar() or 0

    def changes_after(self, number: int) -> list[StoredListing]:
        """Return the latest state of each listing that changed after `number`, by number."""
        query = sa.select(LISTINGS).where(LISTINGS.c.number > number).order_by(LISTINGS.c.number)
        with self._database.connect() as connection:
            return [_to_listing(row) for row in connection.execute(query)]

    def listing(self, product_id: str) -> StoredListing | None:
        """Return the latest state of a listing; None if it was never changed."""
        with self._database.connect() as connection:
            return _select_listing(connection, product_id)

    def photo(self, sha256: str, form: Literal["square", "small", "large"]) -> bytes | None:
        """Return a form of a photo; None if there is no such photo."""
        query = sa.select(PHOTOS.c[form]).where(PHOTOS.c.sha256 == sha256)
        with self._database.connect() as connection:
            return connection.execute(query).scalar()

    def photo_sizes(self, digests: Sequence[str]) -> dict[str, tuple[int, int, int, int]]:
        """Return width and height for display, small and then large, of photos by SHA-256."""
        columns = [PHOTOS.c[f"{form}_{side}"] for form in ("small", "large")
                   for side in ("width", "height")]  # fmt: skip
        sizes: dict[str, tuple[int, int, int, int]] = {}
        with self._database.connect() as connection:
            for start in range(0, len(digests), ROWS_PER_QUERY):
                some = digests[start : start + ROWS_PER_QUERY]
                query = sa.select(PHOTOS.c.sha256, *columns).where(PHOTOS.c.sha256.in_(some))
                for sha256, *size in connection.execute(query):
                    sizes[sha256] = tuple(size)
        return sizes

    def shown_photo(self, sha256: str, form: Literal["small", "large"]) -> bytes | None:
        """Return a photo for display; None unless a listing that has not expired has it."""
        now = datetime.now(UTC).replace(tzinfo=None)
        query = (
            sa.select(PHOTOS.c[form])
            .join(LISTING_PHOTOS, LISTING_PHOTOS.c.sha256 == PHOTOS.c.sha256)
            .join(LISTINGS, LISTINGS.c.product_id == LISTING_PHOTOS.c.product_id)
            .where(PHOTOS.c.sha256 == sha256, LISTINGS.c.kind != "deleted")
            .where(sa.or_(LISTINGS.c.expires_at.is_(None), LISTINGS.c.expires_at > now))
            .limit(1)
        )
        with self._database.connect() as connection:
            return connection.execute(query).scalar()

    def vectors(self, keys: Sequence[str], encoder: str) -> dict[str, np.ndarray]:
        """Return the stored vectors, by key, that the encoder with this digest computed."""
        vectors: dict[str, np.ndarray] = {}
        with self._database.connect() as connection:
            for start in range(0, len(keys), ROWS_PER_QUERY):
                query = sa.select(VECTORS.c.key, VECTORS.c.vector).where(
                    VECTORS.c.encoder == encoder,
                    VECTORS.c.key.in_(keys[start : start + ROWS_PER_QUERY]),
                )
                for key, vector in connection.execute(query):
                    vectors[key] = np.frombuffer(vector, "<f4")
        return vectors

    def add_vectors(self, vectors: Mapping[str, np.ndarray], encoder: str) -> None:
        """Store vectors by key, as a later encoder of the same digest would compute them."""
        with self.write() as writer:
            writer.add_vectors(vectors, encoder)

    def keep_vectors_of(self, encoders: Collection[str]) -> None:
        """Remove the vectors of all other encoders, such as those of an earlier index."""
        with self._database.begin() as connection:
            connection.execute(sa.delete(VECTORS).where(VECTORS.c.encoder.not_in(encoders)))


class CatalogueWriter:
    """A transaction on the store, which holds the lock on the counter of changes.

    Parameters
    ----------
    connection
        Connection with a transaction that has done nothing yet.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        # An update first: it waits for the lock. In SQLite, a transaction that began with a query
        # could not become one that writes if another process has written meanwhile.
        same = sa.update(COUNTER).where(COUNTER.c.id == 1).values(number=COUNTER.c.number)
        if connection.execute(same).rowcount == 0:
            # Another process may insert the first number at the same moment.
            with contextlib.suppress(sa.exc.IntegrityError), connection.begin_nested():
                connection.execute(COUNTER.insert(), {"id": 1, "number": 0})
            connection.execute(same)
        self._number = self._first = connection.execute(sa.select(COUNTER.c.number)).scalar_one()

    def listing(self, product_id: str) -> StoredListing | None:
        """Return the latest state of a listing; None if it was never changed."""
        return _select_listing(self._connection, product_id)

    def save(self, listing: StoredListing, photos: Mapping[str, StoredPhoto]) -> StoredListing:
        """Store the new state of a listing, and return it with its number.

        Parameters
        ----------
        listing
            The state.
        photos
            By SHA-256, the photos of the listing that may be new to the store.
        """
        self._number += 1
        row = {
            "number": self._number,
            "kind": listing.kind,
            "fields": _to_json(listing.fields),
            "photos": _to_json(list(listing.photos)),
            "keeps_raw_photos": listing.keeps_raw_photos,
            "created": listing.created,
            "expires_at": listing.expires_at,
            "prediction": None if listing.prediction is None else _to_json(listing.prediction),
        }
        product_id = listing.product_id
        matches = LISTINGS.c.product_id == product_id
        changed = self._connection.execute(sa.update(LISTINGS).where(matches).values(**row))
        if changed.rowcount == 0:
            self._connection.execute(LISTINGS.insert(), {"product_id": product_id, **row})
        self._replace_photos(product_id, listing.photos, photos)
        return StoredListing(**{**vars(listing), "number": self._number})

    def _replace_photos(
        self, product_id: str, digests: Sequence[str], photos: Mapping[str, StoredPhoto]
    ) -> None:
        """Store the photos of a listing, and remove those that no listing has any more."""
        of_listing = LISTING_PHOTOS.c.product_id == product_id
        query = sa.select(LISTING_PHOTOS.c.sha256).where(of_listing)
        former = set(self._connection.execute(query).scalars())
        removed, new = former - {*digests}, sorted({*digests} - former)
        for sha256 in removed:
            matches = of_listing & (LISTING_PHOTOS.c.sha256 == sha256)
            self._connection.execute(sa.delete(LISTING_PHOTOS).where(matches))
            remaining = sa.exists().where(LISTING_PHOTOS.c.sha256 == sha256)
            self._connection.execute(sa.delete(PHOTOS).where(PHOTOS.c.sha256 == sha256, ~remaining))
        for sha256 in new:
            known = sa.select(PHOTOS.c.sha256).where(PHOTOS.c.sha256 == sha256)
            if self._connection.execute(known).scalar() is None:
                self._connection.execute(PHOTOS.insert(), photos[sha256].row)
            row = {"product_id": product_id, "sha256": sha256}
            self._connection.execute(LISTING_PHOTOS.insert(), row)

    def add_vectors(self, vectors: Mapping[str, np.ndarray], encoder: str) -> None:
        """Store the vectors, by key, that the encoder with this digest computed."""
        for key, vector in vectors.items():
            matches = (VECTORS.c.key == key) & (VECTORS.c.encoder == encoder)
            if self._connection.execute(sa.select(VECTORS.c.key).where(matches)).scalar() is None:
                row = {"key": key, "encoder": encoder, "vector": vector.astype("<f4").tobytes()}
                self._connection.execute(VECTORS.insert(), row)

    def finish(self) -> None:
        """Store the number of the last change."""
        if self._number != self._first:
            self._connection.execute(
                sa.update(COUNTER).where(COUNTER.c.id == 1).values(number=self._number)
            )


def _select_listing(connection: sa.Connection, product_id: str) -> StoredListing | None:
    query = sa.select(LISTINGS).where(LISTINGS.c.product_id == product_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _to_listing(row)


def _to_listing(row: sa.Row) -> StoredListing:
    return StoredListing(
        product_id=row.product_id,
        number=row.number,
        kind=row.kind,
        fields=json.loads(row.fields),
        photos=tuple(json.loads(row.photos)),
        created=row.created,
        expires_at=row.expires_at,
        prediction=None if row.prediction is None else json.loads(row.prediction),
        keeps_raw_photos=row.keeps_raw_photos,
    )


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)
