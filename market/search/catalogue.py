"""The catalogue: everything about the listings except words and vectors, ready for look-ups.

Listings are addressed by their position, 0 … n - 1, in the search index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from market.core.errors import MarketError
from market.data.statuses import find_unavailable
from market.search.attributes import AttributeColumns, AttributeType
from market.search.distances import on_sphere
from market.search.gazetteer import Gazetteer
from market.search.locations import find_place
from market.search.place_names import normalise_place_name

PRICE_COLUMNS = ["price_expected", "price_flag"]
CARD_COLUMNS = ["product_id", "name", "description", "location", "price_flag"]


@dataclass(frozen=True, eq=False)
class ListingPhotos:
    """Which photos belong to which of n listings; the m photos are sorted by listing.

    Attributes
    ----------
    owner
        (m,) position of each photo's listing.
    photo_index
        (m,) each photo's position among the packed photos.
    first
        (n + 1,) row of each listing's first photo, and m.

    Examples
    --------
    Three listings; the second has no photo.

    >>> table = pd.DataFrame({"position": [0, 0, 2], "photo_index": [7, 5, 6]})
    >>> photos = ListingPhotos.build(table, count=3)
    >>> rows, owners = photos.rows(np.array([2, 0]))
    >>> photos.photo_index[rows].tolist(), owners.tolist()
    ([6, 7, 5], [0, 1, 1])
    """

    owner: np.ndarray
    photo_index: np.ndarray
    first: np.ndarray

    @classmethod
    def build(cls, photos: pd.DataFrame, count: int) -> ListingPhotos:
        """Make it from the `photos` of a SearchIndex with `count` listings."""
        owner = photos["position"].to_numpy(np.int64)
        first = np.searchsorted(owner, np.arange(count + 1))
        return cls(owner, photos["photo_index"].to_numpy(np.int64), first)

    def rows(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of all photos of some listings.

        Returns
        -------
        rows, owners
            (k,) each: a photo's row, and its listing as an index into `positions`.
        """
        starts, ends = self.first[positions], self.first[positions + 1]
        owners = np.repeat(np.arange(len(positions)), ends - starts)
        offsets = np.repeat(np.cumsum(ends - starts) - ends, ends - starts)
        return np.arange(len(owners)) - offsets, owners

    def with_added(self, photos: pd.DataFrame, count: int) -> ListingPhotos:
        """Return these photos and those of `count` further listings."""
        listings = len(self.first) - 1
        added = ListingPhotos.build(photos, count)
        return ListingPhotos(
            np.concatenate([self.owner, added.owner + listings]),
            np.concatenate([self.photo_index, added.photo_index]),
            np.concatenate([self.first, added.first[1:] + len(self.owner)]),
        )

    def owners_of(self, photo_index: int) -> np.ndarray:
        """Return the positions of the listings of a photo, empty for an unknown photo."""
        return self.owner[self.photo_index == photo_index]

    def rows_of_photos(self, photo_indices: np.ndarray) -> np.ndarray:
        """Return the rows (k,) of photos by their positions among the packed photos."""
        order = np.argsort(self.photo_index)
        return order[np.searchsorted(self.photo_index, photo_indices, sorter=order)]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """n listings with prices, places, groups, photos and categories. Nothing changes it.

    Attributes
    ----------
    listings
        The table of SearchIndex, with `price_expected` and `price_flag` ("" if none).
    photos
        The photos of the listings.
    price
        (n,) in the currency of the listings; NaN if unknown.
    flagged
        (n,) bool: the price is a placeholder or far from the expected one.
    price_fairness
        (n,) 1 for the expected price or less, down to 0 as the price grows; NaN if flagged.
    coordinates
        (n, 2) degrees of latitude and longitude; NaN if unknown.
    sphere
        (3, n) the same as unit vectors, for `distance_km`.
    group
        (n,) 0 … n_groups - 1: copies of one product share a group.
    n_groups
        The number of groups.
    paths
        The distinct category paths, sorted: tuples of names.
    path_of
        (n,) index of each listing's path in `paths`.
    created
        (n,) datetime64: the date of the listing; NaT if unknown.
    last_created
        The latest of these; NaT if all are unknown.
    newest_first
        (n,) positions by date, the undated listings last.
    attributes
        The attributes of the listings.
    unavailable
        (n,) bool: the listing is sold, reserved or inactive.
    expires
        (n,) datetime64, UTC: from then on nothing shows the listing; NaT for never. None if no
        listing expires.
    withdrawn
        (n,) bool: the listing was deleted, or a changed one supersedes it; nothing shows it. None
        if there is none. Only `market.search.gate` judges by this and by `expires`.
    """

    listings: pd.DataFrame
    photos: ListingPhotos
    price: np.ndarray
    flagged: np.ndarray
    price_fairness: np.ndarray
    coordinates: np.ndarray
    sphere: np.ndarray
    group: np.ndarray
    n_groups: int
    paths: np.ndarray
    path_of: np.ndarray
    created: np.ndarray
    last_created: pd.Timestamp
    newest_first: np.ndarray
    attributes: AttributeColumns
    unavailable: np.ndarray
    _ids: list[str]
    _position_of: dict[str, int]
    _places: pd.DataFrame
    _gazetteer: Gazetteer | None
    expires: np.ndarray | None = None
    withdrawn: np.ndarray | None = None
    # The positions of changed listings, and -1 for the removed ones.
    _changed_position_of: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        listings: pd.DataFrame,
        photos: pd.DataFrame,
        places: pd.DataFrame,
        expected_prices: pd.DataFrame,
        gazetteer: Gazetteer | None = None,
        attributes: tuple[AttributeType, ...] = (),
    ) -> Catalogue:
        """Join the tables of a SearchIndex with the expected prices.

        Parameters
        ----------
        listings, photos, places
            As in SearchIndex.
        expected_prices
            `product_id`, `price_expected` and `price_flag` of every listing, in any order.
        gazetteer
            All places of the country; without it only `places` are known.
        attributes
            The attributes among the columns of `listings`.

        Raises
        ------
        MarketError
            If a listing has no expected price.
        """
        listings = join_prices(listings, expected_prices)
        price = listings["price"].to_numpy(float)
        flagged = listings["price_flag"].ne("").to_numpy()
        coordinates = listings[["latitude", "longitude"]].to_numpy(float)
        group, groups = pd.factorize(listings["group"])
        path_tuples = [tuple(path) for path in listings["category_levels"]]
        path_of, paths = pd.factorize(pd.Series(path_tuples, dtype=object), sort=True)
        last_created = listings["created"].max()
        age = (last_created - listings["created"]) / pd.Timedelta(days=1)
        ids = listings["product_id"].tolist()
        return cls(
            listings=listings,
            photos=ListingPhotos.build(photos, len(listings)),
            price=price,
            flagged=flagged,
            price_fairness=price_fairness(listings, price, flagged),
            coordinates=coordinates,
            sphere=on_sphere(coordinates),
            group=group,
            n_groups=len(groups),
            paths=np.asarray(paths, dtype=object),
            path_of=path_of,
            created=listings["created"].to_numpy("datetime64[us]"),
            last_created=last_created,
            newest_first=np.argsort(age.fillna(np.inf).to_numpy(float), kind="stable"),
            attributes=AttributeColumns.build(listings, attributes),
            unavailable=find_unavailable_listings(listings),
            _ids=ids,
            _position_of={product_id: position for position, product_id in enumerate(ids)},
            _places=places.drop_duplicates("name").set_index("name")[["latitude", "longitude"]],
            _gazetteer=gazetteer,
            expires=expiry(listings),
        )

    def __len__(self) -> int:
        return len(self._ids)

    @cached_property
    def id_rank(self) -> np.ndarray:
        """(n,) the place of each product id among all of them, sorted."""
        rank = np.empty(len(self), np.int64)
        rank[sorted(range(len(self)), key=self._ids.__getitem__)] = np.arange(len(self))
        return rank

    def unflagged_prices(self, positions: np.ndarray) -> np.ndarray:
        """Return the prices (k,) of listings; NaN if unknown or flagged."""
        return np.where(self.flagged[positions], np.nan, self.price[positions])

    def ids(self, positions: Iterable[int]) -> list[str]:
        """Return the product ids at these positions."""
        return [self._ids[position] for position in positions]

    def of_seller(self, seller_id: str) -> np.ndarray:
        """Return (n,) bool: the listings of a seller."""
        if "seller_id" not in self.listings:
            return np.zeros(len(self), bool)
        return self.listings["seller_id"].eq(seller_id).fillna(False).to_numpy(bool)

    def fields(self) -> list[str]:
        """Return the fields that at least one listing has, of those that the page can leave out."""
        known = {
            "category": any(len(path) for path in self.paths),
            "description": self.listings["description"].ne("").any(),
            "location": self.listings["location"].ne("").any(),
            "photo": len(self.photos.owner) > 0,
            "place": not np.isnan(self.coordinates).all(),
            "price": not np.isnan(self.price).all(),
            "seller_id": "seller_id" in self.listings and self.listings["seller_id"].notna().any(),
            "status": self.unavailable.any(),
        }
        return [name for name, is_known in known.items() if is_known]

    def position(self, product_id: str) -> int:
        """Return the position of a listing. Raises KeyError for an unknown or removed id."""
        position = self._changed_position_of.get(product_id)
        if position is None:
            return self._position_of[product_id]
        if position < 0:
            raise KeyError(product_id)
        return position

    def positions(self, product_ids: Iterable[str]) -> np.ndarray:
        """Return the positions (k,) of listings; -1 for an unknown or removed id."""
        changed, known = self._changed_position_of, self._position_of
        return np.array([changed.get(each, known.get(each, -1)) for each in product_ids], np.int64)

    def in_groups_of(self, positions: np.ndarray) -> np.ndarray:
        """Return (n,) bool: the listings at `positions`, and all copies of them."""
        return np.isin(self.group, self.group[positions])

    def groups_of(self, listings: np.ndarray) -> np.ndarray:
        """Return (n_groups,) bool: the groups of listings, given by position or as (n,) bool."""
        groups = np.zeros(self.n_groups, bool)
        groups[self.group[listings]] = True
        return groups

    def place(self, name: str) -> tuple[float, float] | None:
        """Return latitude and longitude of a place as people write it; None if it is unknown.

        A name that listings use means their place, another one that of the country's gazetteer.
        """
        town = name.partition(",")[0]
        return (
            self._place_of_listings(name)
            or self._known_place(name)
            or (None if self._is_abroad(name) else self._place_of_listings(town))
        )

    def _place_of_listings(self, name: str) -> tuple[float, float] | None:
        key = normalise_place_name(name)
        if key not in self._places.index:
            return None
        latitude, longitude = self._places.loc[key]
        return float(latitude), float(longitude)

    def _known_place(self, name: str) -> tuple[float, float] | None:
        return None if self._gazetteer is None else find_place(name, self._gazetteer)

    def _is_abroad(self, name: str) -> bool:
        last = name.rpartition(",")[2]
        return self._gazetteer is not None and self._gazetteer.is_other_country(last)

    def listing(self, position: int) -> dict[str, Any]:
        """Return what the page shows of a listing: `photos` are positions of packed photos."""
        row = {name: column[position] for name, column in self._columns.items()}
        photo_rows, _ = self.photos.rows(np.array([position]))
        return {
            **{name: row[name] for name in CARD_COLUMNS},
            "category": list(row["category_levels"]),
            "price": float(row["price"]),
            "price_expected": float(row["price_expected"]),
            "photos": self.photos.photo_index[photo_rows].tolist(),
            "created": None if pd.isna(row["created"]) else row["created"].date().isoformat(),
            "attributes": self.attributes.of_listing(position),
            "available": not bool(self.unavailable[position]),
            "seller_id": None if pd.isna(row.get("seller_id")) else row["seller_id"],
        }

    @cached_property
    def _columns(self) -> dict[str, Any]:
        """The columns of `listings`: a row of the table takes ten times as long to read."""
        return {name: column.array for name, column in self.listings.items()}

    def categories(self, shown: np.ndarray) -> list[tuple[str, int]]:
        """Return every category path of the listings `shown` (n,) bool, at each depth, sorted.

        Each comes with the number of its listings.
        """
        counts: Counter[tuple[str, ...]] = Counter()
        totals = np.bincount(self.path_of[shown], minlength=len(self.paths))
        for path, count in zip(self.paths, totals, strict=True):
            for depth in range(1, len(path) + 1):
                counts[path[:depth]] += int(count)
        return sorted((" / ".join(path), count) for path, count in counts.items() if count)

    def locations(self, shown: np.ndarray) -> list[str]:
        """Return the locations of the listings `shown` (n,) bool whose place is known.

        The most frequent come first.
        """
        located = ~np.isnan(self.coordinates).any(1) & shown
        return self.listings.loc[located, "location"].value_counts().index.tolist()


def join_prices(listings: pd.DataFrame, expected_prices: pd.DataFrame) -> pd.DataFrame:
    """Return `listings` with PRICE_COLUMNS, joined by product_id.

    Raises
    ------
    MarketError
        If a listing has no expected price.
    """
    prices = expected_prices.set_index("product_id")[PRICE_COLUMNS]
    missing = ~listings["product_id"].isin(prices.index)
    if missing.any():
        raise MarketError(
            f"{missing.sum()} listings of the search index have no expected price (the first: "
            f"{listings.loc[missing, 'product_id'].iloc[0]!r}): run `dvc repro`"
        )
    joined = prices.loc[listings["product_id"]].reset_index(drop=True)
    return pd.concat([listings.reset_index(drop=True), joined], axis=1)


def expiry(listings: pd.DataFrame) -> np.ndarray | None:
    """Return the `expires` (n,) of listings as datetime64; None if none expires."""
    if "expires" not in listings or listings["expires"].isna().all():
        return None
    return listings["expires"].to_numpy("datetime64[us]")


def find_unavailable_listings(listings: pd.DataFrame) -> np.ndarray:
    """Return (n,) bool: the listings that are sold, reserved or inactive."""
    if "status" not in listings:
        return np.zeros(len(listings), bool)
    return find_unavailable(listings["status"]).to_numpy(bool)


def price_fairness(listings: pd.DataFrame, price: np.ndarray, flagged: np.ndarray) -> np.ndarray:
    """Return the `price_fairness` (n,) of a Catalogue."""
    expected = np.log1p(listings["price_expected"].to_numpy(float))
    # Less than expected is no better: far too cheap means that something is wrong.
    saving = np.clip(expected - np.log1p(price), -1, 0)
    return np.where(flagged, np.nan, 1 + saving)
