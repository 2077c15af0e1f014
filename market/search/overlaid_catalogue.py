"""The catalogue of an index with the changes since laid over it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd

from market.search.attributes import AttributeColumns
from market.search.catalogue import (
    Catalogue,
    expiry,
    find_unavailable_listings,
    price_fairness,
)
from market.search.changed_listings import ChangedListings
from market.search.distances import on_sphere
from market.search.locations import searchable_places
from market.search.place_names import normalise_place_name

# Columns that an index has only if the export states them, and that a change may bring.
LATER_COLUMNS = ["status", "seller_id", "expires"]


def overlay_catalogue(
    base: Catalogue,
    changed: ChangedListings,
    groups: np.ndarray,
    withdrawn: np.ndarray | None,
) -> Catalogue:
    """Return a catalogue of the n listings of an index and m changed ones.

    Parameters
    ----------
    base
        Of the index.
    changed
        The changes.
    groups
        (m,) the groups of the changed listings.
    withdrawn
        (n,) bool: listings that are removed or superseded; None for none.
    """
    listings, rows = _join_tables(base.listings, changed.listings.assign(group=groups))
    price = rows["price"].to_numpy(float)
    flagged = rows["price_flag"].ne("").to_numpy()
    coordinates = rows[["latitude", "longitude"]].to_numpy(float)
    created = np.concatenate([base.created, rows["created"].to_numpy("datetime64[us]")])
    paths, path_of = _extend_paths(base, rows)
    ids = rows["product_id"].tolist()
    position_of = dict.fromkeys(changed.removed & base._position_of.keys(), -1)
    position_of |= {each: len(base) + row for row, each in enumerate(ids)}
    known_created = created if withdrawn is None else np.concatenate(
        [base.created[~withdrawn], created[len(base) :]]
    )  # fmt: skip
    return replace(
        base,
        listings=listings,
        photos=base.photos.with_added(changed.photos, len(changed)),
        price=np.concatenate([base.price, price]),
        flagged=np.concatenate([base.flagged, flagged]),
        price_fairness=np.concatenate([base.price_fairness, price_fairness(rows, price, flagged)]),
        coordinates=np.concatenate([base.coordinates, coordinates]),
        sphere=np.hstack([base.sphere, on_sphere(coordinates)]),
        group=np.concatenate([base.group, groups]),
        n_groups=max(base.n_groups, int(groups.max(initial=-1)) + 1),
        paths=paths,
        path_of=np.concatenate([base.path_of, path_of]),
        created=created,
        last_created=_latest(known_created),
        newest_first=_insert_by_date(base, created[len(base) :]),
        attributes=_extend_attributes(base.attributes, rows),
        unavailable=np.concatenate([base.unavailable, find_unavailable_listings(rows)]),
        expires=_extend_expiry(base, rows),
        withdrawn=None if withdrawn is None else np.append(withdrawn, np.zeros(len(ids), bool)),
        _ids=base._ids + ids,
        _places=_extend_places(base._places, rows),
        _changed_position_of=position_of,
    )


def _join_tables(base: pd.DataFrame, changed: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the table of the index with the changed rows below, and the changed rows alone."""
    later = [name for name in LATER_COLUMNS if name in changed and name not in base]
    rows = changed.reindex(columns=[*base.columns, *later]).reset_index(drop=True)
    if later:
        nothing = rows[later].iloc[:0].reindex(range(len(base)))
        base = pd.concat([base, nothing.set_axis(base.index)], axis=1)
    texts = ["name", "description", "location", "price_flag"]
    rows[texts] = rows[texts].fillna("")
    rows = rows.astype({name: base.dtypes[name] for name in base.columns})
    return pd.concat([base, rows], ignore_index=True), rows


def _extend_paths(base: Catalogue, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct category paths with the new ones last, and the path (m,) of each row."""
    code_of = {path: code for code, path in enumerate(base.paths)}
    path_of = [code_of.setdefault(tuple(path), len(code_of)) for path in rows["category_levels"]]
    paths = np.empty(len(code_of), object)
    paths[:] = list(code_of)
    return paths, np.array(path_of, np.int64)


def _insert_by_date(base: Catalogue, created: np.ndarray) -> np.ndarray:
    """Return the `newest_first` of all listings, where (m,) `created` are the changed ones'."""

    def age(dates: np.ndarray) -> np.ndarray:
        numbers = dates.astype(np.int64)
        return np.where(np.isnat(dates), np.iinfo(np.int64).max, -numbers)

    order = np.argsort(age(created), kind="stable")
    places = np.searchsorted(
        age(base.created[base.newest_first]), age(created[order]), side="right"
    )
    return np.insert(base.newest_first, places, len(base) + order)


def _latest(created: np.ndarray) -> pd.Timestamp:
    known = created[~np.isnat(created)]
    return pd.Timestamp(known.max()) if len(known) else pd.NaT


def _extend_attributes(base: AttributeColumns, rows: pd.DataFrame) -> AttributeColumns:
    return base.with_added(rows) if base else base


def _extend_expiry(base: Catalogue, rows: pd.DataFrame) -> np.ndarray | None:
    added = expiry(rows)
    if base.expires is None and added is None:
        return None
    never = np.datetime64("NaT", "us")
    parts = [
        np.full(count, never) if part is None else part
        for part, count in ((base.expires, len(base)), (added, len(rows)))
    ]
    return np.concatenate(parts)


def _extend_places(base: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Add the places of changed listings that the index has no name for."""
    known = base.index
    new = {location for location in {*rows["location"]} if _normalise(location) not in known}
    if not new:
        return base
    unknown = rows.loc[rows["location"].isin(new), ["location", "latitude", "longitude"]]
    places = searchable_places(unknown).set_index("name")
    return pd.concat([base, places[~places.index.isin(known)]])


_normalise = lru_cache(10_000)(normalise_place_name)
