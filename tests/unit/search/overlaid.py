"""Changes to the handmade listings, and an engine built on the same rows to compare with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from handmade import KINDS, LOCATIONS, PLACES, Handmade, encode_text, make_prices, text_vectors
from sklearn.preprocessing import normalize

from market.search.attributes import AttributeType
from market.search.catalogue import Catalogue
from market.search.changed_listings import ChangedListings
from market.search.engine import Engine
from market.search.lexical import LexicalIndex
from market.search.listing_vectors import ListingVectors
from market.search.locations import searchable_places
from market.search.neighbours import joint_vectors, nearest_neighbours, smooth
from market.search.ranker import Ranker
from market.search.vectors import VectorIndex

ATTRIBUTES = (AttributeType("brand", "category"), AttributeType("width", "number", "cm"))
DICTIONARY = ["reds", "guitars", "wise"]
PACKED = 1000  # photos, as the service numbers those of changed listings from here on
WIDTH = 16


@dataclass
class Shop:
    """Handmade listings with brands, widths, sellers and statuses, and changes to them.

    Attributes
    ----------
    engine
        Over the listings, without the changes.
    changed
        The fields of each changed listing by its id, and `images`, the vectors of its photos.
    removed
        The ids of deleted listings.
    """

    factory: str = "Flat"
    changed: dict[str, dict[str, Any]] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.handmade = Handmade()
        numbers = np.arange(len(self.handmade.listings))
        self.listings = self.handmade.listings.assign(
            attribute_brand=pd.array([["Sony", "Hay", None][n % 3] for n in numbers], dtype="str"),
            attribute_width=numbers.astype(float),
            seller_id=[f"s{n % 3}" for n in numbers],
            status=["sold" if n % 11 == 0 else "live" for n in numbers],
        )
        self.photos, self.images = self.handmade.photos, self.handmade.images
        self.unsmoothed = text_vectors(numbers)
        joint = joint_vectors(self.unsmoothed, self.images, self.photos["position"].to_numpy())
        self.neighbours = nearest_neighbours(VectorIndex.build(joint, "Flat", 1), joint)
        self.prices = make_prices(self.listings)
        self.engine = self._engine(
            self.listings, self.photos, self.prices, self.images,
            smooth(self.unsmoothed, self.neighbours), self.neighbours, PLACES, self.factory,
        )  # fmt: skip

    def _engine(
        self,
        listings: pd.DataFrame,
        photos: pd.DataFrame,
        prices: pd.DataFrame,
        images: np.ndarray,
        texts: np.ndarray,
        neighbours: np.ndarray,
        places: pd.DataFrame,
        factory: str = "Flat",
    ) -> Engine:
        catalogue = Catalogue.build(listings, photos, places, prices, attributes=ATTRIBUTES)
        brands = listings["attribute_brand"].fillna("")
        return Engine(
            catalogue,
            LexicalIndex.build(
                listings["name"].tolist(),
                (listings["description"] + "\n" + brands).tolist(),
                DICTIONARY,
            ),
            ListingVectors(
                VectorIndex.build(texts, factory, 64),
                VectorIndex.build(images, factory, 64),
                neighbours,
                catalogue.photos,
                self.unsmoothed,
            ),
            Ranker.prior(),
            None,
            encode_text,
            lambda photo: self.images[np.asarray(photo)[0, 0, 0]],
        )

    def put(self, product_id: str, **fields: Any) -> None:
        """Add or change a listing; fields that are not given keep their value or a default."""
        known = self.changed.get(product_id) or self._row(product_id) or self._default(product_id)
        self.changed[product_id] = known | fields
        self.removed.discard(product_id)

    def delete(self, product_id: str) -> None:
        self.changed.pop(product_id, None)
        if product_id in set(self.listings["product_id"]):
            self.removed.add(product_id)

    def _row(self, product_id: str) -> dict[str, Any] | None:
        rows = np.flatnonzero(self.listings["product_id"] == product_id)
        if not len(rows):
            return None
        row = self.listings.iloc[rows[0]].to_dict()
        own = (self.photos["position"] == rows[0]).to_numpy()
        return row | {"images": self.images[own], "expires": pd.NaT}

    def _default(self, product_id: str) -> dict[str, Any]:
        row = self._row("p00")
        assert row is not None
        new = {"product_id": product_id, "images": self.images[:0], "description": ""}
        return row | new | {"name": "lamp", "status": None, "attribute_brand": None}

    def changes(self) -> ChangedListings:
        """Return the changes as the service hands them over."""
        rows = [*self.changed.values()]
        listings = pd.DataFrame(rows, columns=[*self.listings.columns, "expires", "images"])
        images = [image for row in rows for image in row["images"]]
        owners = np.repeat(np.arange(len(rows)), [len(row["images"]) for row in rows])
        listings = listings.drop(columns=["images", "group"])
        return ChangedListings(
            listings.assign(expires=pd.to_datetime(listings["expires"])).merge(
                make_prices(listings), on="product_id"
            ),
            self.raw_texts(),
            pd.DataFrame({"position": owners, "photo_index": PACKED + np.arange(len(owners))}),
            np.array(images, np.float32).reshape(-1, WIDTH),
            frozenset(self.removed),
        )

    def raw_texts(self) -> np.ndarray:
        """Return the text vectors (m, WIDTH) of the changed listings, before smoothing."""
        vectors = [raw_text(row["product_id"], row["name"]) for row in self.changed.values()]
        return np.array(vectors, np.float32).reshape(-1, WIDTH)

    def rebuilt(self, groups: np.ndarray) -> Engine:
        """Return an engine built on all rows, without any overlay.

        Parameters
        ----------
        groups
            (n + m,) the groups of the listings of the index and of the changed ones.
        """
        ids = self.listings["product_id"]
        kept = np.flatnonzero(~ids.isin([*self.changed, *self.removed]).to_numpy())
        rows = np.r_[kept, len(ids) + np.arange(len(self.changed))]
        changes = self.changes()
        tables = [self.listings.iloc[kept], changes.listings]
        listings = pd.concat([table for table in tables if len(table)], ignore_index=True).assign(
            group=groups[rows]
        )
        place_of = np.full(len(ids) + len(self.changed), -1)
        place_of[rows] = np.arange(len(rows))
        photos = pd.concat(
            [
                self.photos.assign(position=place_of[self.photos["position"]]),
                changes.photos.assign(position=changes.photos["position"] + len(kept)),
            ],
            ignore_index=True,
        )
        there = (photos["position"] >= 0).to_numpy()
        images = np.vstack([self.images, changes.images])[there]
        photos = photos[there].reset_index(drop=True)
        neighbours = self._neighbours(place_of, kept, images, photos["position"].to_numpy())
        unsmoothed = np.vstack([self.unsmoothed[kept], changes.texts])
        texts = smooth(unsmoothed, neighbours)
        texts[: len(kept)] = smooth(self.unsmoothed, self.neighbours)[kept]
        listings = listings.drop(columns=["price_expected", "price_flag"], errors="ignore")
        prices = pd.concat([make_prices(self.listings.iloc[kept]), make_prices(changes.listings)])
        new_places = searchable_places(changes.listings)
        places = pd.concat([PLACES, new_places]).drop_duplicates("name", ignore_index=True)
        return self._engine(
            listings, photos, prices, images, texts, neighbours, places,
        )  # fmt: skip

    def _neighbours(
        self, place_of: np.ndarray, kept: np.ndarray, images: np.ndarray, owners: np.ndarray
    ) -> np.ndarray:
        """Return the neighbours of all rows: of unchanged listings those that the index found."""
        unsmoothed = np.vstack([self.unsmoothed[kept], self.raw_texts()])
        joint = joint_vectors(unsmoothed, images, owners)
        cosines = joint @ joint.T
        np.fill_diagonal(cosines, -np.inf)
        count = self.neighbours.shape[1]
        neighbours = np.argsort(-cosines, axis=1, kind="stable")[:, :count].astype(np.int32)
        superseding = {product_id: row for row, product_id in enumerate(self.changed)}
        for row, position in enumerate(kept):
            for column, neighbour in enumerate(self.neighbours[position]):
                product_id = self.listings["product_id"].iat[neighbour]
                if product_id in superseding:
                    place = len(kept) + superseding[product_id]
                else:
                    place = row if product_id in self.removed else place_of[neighbour]
                neighbours[row, column] = place
        return neighbours


def raw_text(product_id: str, name: str) -> np.ndarray:
    """Return the text vector of a changed listing: its kinds, and a small part of its own."""
    seed = int.from_bytes(f"{product_id} {name}".encode()[:24], "little")
    own = np.random.default_rng(seed).normal(size=WIDTH)
    kinds = np.zeros(WIDTH)
    kinds[: len(KINDS)] = [kind in name for kind in KINDS]
    return normalize((kinds + 0.1 * own)[None])[0].astype(np.float32)


def image(seed: int) -> np.ndarray:
    """Return the vector of a photo."""
    return normalize(np.random.default_rng(seed).normal(size=(1, WIDTH)))[0].astype(np.float32)


def place_of(location: str) -> dict[str, Any]:
    """Return the fields of a listing that is at one of the handmade LOCATIONS."""
    latitude, longitude = LOCATIONS[location]
    return {"location": location, "latitude": latitude, "longitude": longitude}
