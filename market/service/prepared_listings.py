"""Stored listings made ready to search: typed columns, vectors, and the numbers of their photos."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pandas as pd
from PIL import Image

from market.core.settings import Clean, Input
from market.data.catalogue_changes import FOLDED
from market.data.live_listings import clean_table, raw_table
from market.data.raw_folder import ATTRIBUTE
from market.search.changed_listings import ChangedListings
from market.search.engine import Engine
from market.service.catalogue_store import CatalogueStore, StoredListing
from market.service.photos import DisplaySource, LivePhoto

PROBE = "a listing whose vectors identify the encoder"
LISTING_COLUMNS = ["product_id", "name", "description", "location", "category_levels", "price"]


class Encoder(Protocol):
    """Encodes listings as `market.search.listing_encoder.ListingEncoder` does."""

    def encode(
        self, listings: pd.DataFrame, photos: Sequence[Sequence[Image.Image]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return text vectors (m, width) and the vectors (k, width) of all photos, in order."""


@dataclass(frozen=True, eq=False)
class PreparedListing:
    """A listing ready to search.

    Attributes
    ----------
    stored
        Its state in the store.
    columns
        Its values in the columns of `ChangedListings.listings`.
    text
        (width,) its text vector.
    packed
        Numbers of its photos among the packed photos of the index.
    live
        Its photos in the store.
    images
        (k, width) the vectors of `packed`, then of `live`.
    """

    stored: StoredListing
    columns: Mapping[str, Any]
    text: np.ndarray
    packed: tuple[int, ...]
    live: tuple[LivePhoto, ...]
    images: np.ndarray


class ListingPreparer:
    """Prepares stored listings for one index.

    Parameters
    ----------
    engine
        Engine over the index alone.
    photos
        The packed photos of the index.
    encoder
        Returns what encodes listings as the index did; called when the first listing is prepared.
    store
        Holds photos, and the vectors that were computed before.
    settings, input_settings
        The sections `clean` and `input` of params.yaml.
    """

    def __init__(
        self,
        engine: Engine,
        photos: DisplaySource,
        encoder: Callable[[], Encoder],
        store: CatalogueStore,
        settings: Clean,
        input_settings: Input,
    ) -> None:
        self.engine, self.settings, self.input_settings = engine, settings, input_settings
        self._photos, self._make_encoder, self._store = photos, encoder, store

    def prepare(self, listings: Sequence[StoredListing]) -> list[PreparedListing]:
        """Return the listings (n), none of which is deleted, ready to search.

        Vectors that the store lacks are computed and stored.
        """
        if not listings:
            return []
        table = self.clean(listings)
        vectors = self._read_vectors(table, listings)
        missing = [row for row, listing in enumerate(listings)
                   if not {*self._keys(table, row, listing)} <= vectors.keys()]  # fmt: skip
        if missing:
            squares = [[self._square(sha256) for sha256 in listings[row].photos] for row in missing]
            some = [listings[row] for row in missing]
            new = self.encode(table.iloc[missing], some, squares)
            self._store.add_vectors(new, self.encoder_digest)
            vectors |= new
        sizes = self._store.photo_sizes([sha256 for one in listings for sha256 in one.photos])
        return [
            self._prepare_row(table, row, listing, vectors, sizes)
            for row, listing in enumerate(listings)
        ]

    def clean(self, listings: Sequence[StoredListing]) -> pd.DataFrame:
        """Return the typed columns (n rows) of listings."""
        ids = [listing.product_id for listing in listings]
        table = raw_table(ids, [listing.fields for listing in listings], self.input_settings)
        return clean_table(table, self.settings, self.input_settings)

    def encode(
        self,
        table: pd.DataFrame,
        listings: Sequence[StoredListing],
        squares: Sequence[Sequence[bytes]],
    ) -> dict[str, np.ndarray]:
        """Return the vectors of listings and of their photos in the store, by key.

        Parameters
        ----------
        table
            As `clean` returns it.
        listings
            (n,) the same listings.
        squares
            (n,) the square of each of their photos, as JPEG.
        """
        pictures = [[Image.open(io.BytesIO(square)) for square in own] for own in squares]
        texts, images = self._encoder.encode(table[["name", "description"]], pictures)
        keys = [self._keys(table, row, listing) for row, listing in enumerate(listings)]
        vectors = {own[0]: text for own, text in zip(keys, texts, strict=True)}
        photo_keys = [key for own in keys for key in own[1:]]
        return vectors | dict(zip(photo_keys, images, strict=True))

    @cached_property
    def _encoder(self) -> Encoder:
        return self._make_encoder()

    @cached_property
    def encoder_digest(self) -> str:
        """Digest of the encoder: of the vectors of a probe, which any change of weights changes."""
        probe = pd.DataFrame({"name": [PROBE], "description": [""]})
        gradient = np.linspace(0, 255, 64 * 64 * 3).astype(np.uint8).reshape(64, 64, 3)
        texts, images = self._encoder.encode(probe, [[Image.fromarray(gradient)]])
        # Rounded: the order of additions on another machine changes the last digits.
        numbers = np.concatenate([texts.ravel(), images.ravel()]).round(3) + 0.0
        return hashlib.sha256(numbers.astype("<f4").tobytes()).hexdigest()

    def _square(self, sha256: str) -> bytes:
        square = self._store.photo(sha256, "square")
        if square is None:  # deleted a moment ago, with the listing
            raise LookupError(f"photo {sha256} is no longer stored")
        return square

    def _keys(self, table: pd.DataFrame, row: int, listing: StoredListing) -> list[str]:
        """Return the key of the text's vector, then those of the photos' vectors."""
        text = f"{table['name'].iloc[row]}\0{table['description'].iloc[row]}"
        return [text_key(text), *(photo_key(sha256) for sha256 in listing.photos)]

    def _read_vectors(
        self, table: pd.DataFrame, listings: Sequence[StoredListing]
    ) -> dict[str, np.ndarray]:
        keys = [key for row, listing in enumerate(listings)
                for key in self._keys(table, row, listing)]  # fmt: skip
        return self._store.vectors([*dict.fromkeys(keys)], self.encoder_digest)

    def _prepare_row(
        self,
        table: pd.DataFrame,
        row: int,
        listing: StoredListing,
        vectors: Mapping[str, np.ndarray],
        sizes: Mapping[str, tuple[int, int, int, int]],
    ) -> PreparedListing:
        text, *live = (vectors[key] for key in self._keys(table, row, listing))
        packed = self.packed_photos(listing)
        width = self.engine.vectors.images.width
        images = [self.engine.photo_vectors(np.array(packed, np.int64)), *(v[None] for v in live)]
        return PreparedListing(
            listing,
            self._columns(table.iloc[row], listing),
            text,
            packed,
            tuple(LivePhoto(sha256, *sizes[sha256]) for sha256 in listing.photos),
            np.concatenate([array.reshape(-1, width) for array in images]).astype(np.float32),
        )

    def packed_photos(self, listing: StoredListing) -> tuple[int, ...]:
        """Return the numbers of the listing's photos in the index that come from the raw folder."""
        catalogue = self.engine.catalogue
        position = catalogue.positions([listing.product_id])
        if not listing.keeps_raw_photos or position[0] < 0:
            return ()
        rows, _ = catalogue.photos.rows(position)
        numbers = catalogue.photos.photo_index[rows].tolist()
        return tuple(n for n in numbers if not self._image_ids[n].startswith(FOLDED))

    @cached_property
    def _image_ids(self) -> list[str]:
        """The image_id of each packed photo."""
        batches = self._photos.batches()
        return [image_id for batch in batches for image_id in batch["image_id"].to_pylist()]

    def _columns(self, row: pd.Series, listing: StoredListing) -> dict[str, Any]:
        """Return a row of `ChangedListings.listings`."""
        prediction = listing.prediction or {}
        columns: dict[str, Any] = {name: row[name] for name in LISTING_COLUMNS}
        for name in row.index:
            if name in ("status", "seller_id") or name.startswith(ATTRIBUTE):
                columns[name] = row[name]
        levels = row["category_levels"]
        if not isinstance(levels, list):
            predicted = prediction.get("category")
            levels = [predicted] if predicted else []
        created = row.get("created", pd.NaT)
        expected, flag = prediction.get("price"), prediction.get("price_flag")
        if not prediction:
            expected, flag = self._price_of_index(listing.product_id, row["price"])
        latitude, longitude = self._place(row)
        return {
            **columns,
            "category_levels": levels,
            "created": pd.Timestamp(listing.created) if pd.isna(created) else created,
            "latitude": latitude,
            "longitude": longitude,
            "price_expected": np.nan if expected is None else float(expected),
            "price_flag": flag or "",
            "expires": pd.NaT if listing.expires_at is None else pd.Timestamp(listing.expires_at),
        }

    def _price_of_index(self, product_id: str, price: float) -> tuple[float | None, str]:
        """Return what the index knows of a listing's price: the expected one, and its flag."""
        position = int(self.engine.catalogue.positions([product_id])[0])
        if position < 0:
            return None, ""
        row = self.engine.listings.iloc[position]
        return row["price_expected"], row["price_flag"] if row["price"] == price else ""

    def _place(self, row: pd.Series) -> tuple[float, float]:
        stated = row.get("latitude"), row.get("longitude")
        if not pd.isna(stated[0]) and not pd.isna(stated[1]):
            return stated
        place = self.engine.place(row["location"]) if row["location"] else None
        return place or (np.nan, np.nan)

    def changed_listings(
        self, prepared: Sequence[PreparedListing], removed: frozenset[str]
    ) -> tuple[ChangedListings, list[int | LivePhoto]]:
        """Put prepared listings together for `Engine.with_changes`.

        Parameters
        ----------
        prepared
            The listings (m).
        removed
            Ids of deleted listings of the index.

        Returns
        -------
        changed, photos
            `photos` has, for each number of a photo above those of the packed photos, the number of
            a packed photo, or a photo in the store.
        """
        photos: list[int | LivePhoto] = []
        positions: list[int] = []
        for position, listing in enumerate(prepared):
            own: list[int | LivePhoto] = [*listing.packed, *listing.live]
            photos += own
            positions += [position] * len(own)
        listings = pd.DataFrame(
            [dict(listing.columns) for listing in prepared],
            columns=None if prepared else [*{*self.engine.listings.columns, "expires"}],
        )
        listings = listings.astype({"created": "datetime64[us]", "expires": "datetime64[us]"})
        width = self.engine.vectors.texts.width
        photo_index = len(self._photos) + np.arange(len(photos))
        changed = ChangedListings(
            listings=listings,
            texts=np.array([listing.text for listing in prepared], np.float32).reshape(-1, width),
            photos=pd.DataFrame({"position": np.array(positions, np.int64),
                                 "photo_index": photo_index.astype(np.int64)}),
            images=np.concatenate([np.empty((0, self.engine.vectors.images.width), np.float32),
                                   *(listing.images for listing in prepared)]),
            removed=removed,
        )  # fmt: skip
        return changed, photos


def text_key(text: str) -> str:
    """Return the key of a text's vector."""
    return f"text:{hashlib.sha256(text.encode()).hexdigest()}"


def photo_key(sha256: str) -> str:
    """Return the key of the vector of a photo in the store."""
    return f"photo:{sha256}"
