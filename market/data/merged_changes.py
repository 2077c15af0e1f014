"""The changes of the live catalogue, laid over the tables and photos of a raw folder."""

from __future__ import annotations

import numpy as np
import pandas as pd

from market.core.paths import CHANGES
from market.data.attributes import FIELD_TYPES
from market.data.catalogue_changes import KEEPS_RAW_PHOTOS, LISTINGS, CatalogueChanges
from market.data.interactions import COLUMNS, read_times
from market.data.photo_files import RawImages
from market.data.raw_folder import ATTRIBUTE
from market.data.rejects import PRODUCT_REJECTED, reject_files
from market.data.tables import RawTable

DELETED = "was deleted from the live catalogue"
REPLACED = "the live catalogue has other photos of its listing"


def merge_listings(table: RawTable, changes: CatalogueChanges) -> RawTable:
    """Return the table of listings with changed rows replaced, and new ones below.

    A deleted listing keeps its row, which `mark_deleted` rejects: so every row of the file is kept
    or rejected, and has its number.
    """
    changed = changes.listings.drop(columns=KEEPS_RAW_PHOTOS)
    if changed.empty or "id" not in table.columns:
        return table
    columns, read = {**table.columns}, table.read.copy()
    for name in changed:
        may_add = name in FIELD_TYPES or name.startswith(ATTRIBUTE)
        if name in columns or not may_add or changed[name].isna().all():
            continue
        columns[name] = name if name not in read else f"{name} of the live catalogue"
        read[columns[name]] = pd.Series(pd.NA, index=read.index, dtype="str")
    changed = changed[[name for name in changed if name in columns]].rename(columns=columns)
    own_id = columns["id"]
    row_of = pd.Series(read.index, read[own_id])
    row_of = row_of[~row_of.index.duplicated()]
    is_known = changed[own_id].isin(row_of.index).to_numpy()
    rows = row_of.loc[changed.loc[is_known, own_id]].to_numpy()
    read.loc[rows, changed.columns] = changed[is_known].to_numpy()
    read = pd.concat([read, changed[~is_known]], ignore_index=True)
    absent = {name: own for name, own in table.absent.items() if name not in columns}
    return RawTable(table.path, read, columns, absent)


def mark_deleted(table: RawTable, faults: pd.Series, changes: CatalogueChanges) -> pd.Series:
    """Return the faults of the listings (n,), among them that a listing was deleted."""
    return faults.mask(table.rows["id"].isin(changes.removed), DELETED)


def name_live_rows(
    rejects: pd.DataFrame, table: RawTable, changes: CatalogueChanges
) -> pd.DataFrame:
    """Return the rejects of merged listings with the table that each row comes from.

    A row of the live catalogue has the file of its changes as `source`, and its number there as
    `record`.

    Parameters
    ----------
    rejects
        Of the rows of `table`.
    table
        From `merge_listings`.
    changes
        The changes.
    """
    ids = table.rows["id"].iloc[rejects["record"].to_numpy(int) - 1].to_numpy()
    rows_there = pd.Index(changes.listings["id"]).get_indexer(ids)
    merged = pd.Series(table.rows.index, table.rows["id"])
    first = merged[~merged.index.duplicated()].reindex(ids).to_numpy()
    is_live = (rows_there >= 0) & (first == rejects["record"].to_numpy(int) - 1)
    is_live &= rejects["reason"].ne(DELETED).to_numpy()
    named = rejects.copy()
    named.loc[is_live, "source"] = (CHANGES / LISTINGS).as_posix()
    named.loc[is_live, "record"] = rows_there[is_live] + 1
    return named


def merge_images(
    images: RawImages, known: pd.Series, rejected: pd.Series, changes: CatalogueChanges
) -> RawImages:
    """Return the photos of a raw folder with those of changed listings.

    Parameters
    ----------
    images
        The photos of the raw folder.
    known, rejected
        The ids of the listings that are kept, and of those that are not.
    changes
        The changes.
    """
    if changes.listings.empty:
        return images
    replaced = changes.listings.loc[~changes.listings[KEEPS_RAW_PHOTOS], "id"]
    is_replaced = images.usable["product_id"].isin(replaced)
    rejects = images.reject_photos(images.usable[is_replaced], [REPLACED] * int(is_replaced.sum()))
    files = [changes.photo_file(sha256) for sha256 in changes.photos["sha256"]]
    added = pd.DataFrame(
        {
            "id": changes.photos["image_id"],
            "product_id": changes.photos["product_id"],
            "path": pd.Series(files, dtype=object),
        }
    )
    is_known = added["product_id"].isin(known)
    unused = added[~is_known & added["product_id"].isin(rejected)]
    unused_rejects = reject_files(
        unused["path"].tolist(), [PRODUCT_REJECTED] * len(unused), images.raw, unused["id"].tolist()
    )
    usable = pd.concat([images.usable[~is_replaced], added[is_known]])
    return images._replace(
        usable=usable.sort_values("id", ignore_index=True),
        rejects=pd.concat([images.rejects, rejects, unused_rejects], ignore_index=True),
        files=images.files + len(files),
        total=images.total + len(files),
    )


def merge_log(table: RawTable, events: pd.DataFrame) -> RawTable:
    """Return the log with the service's events below.

    An event in both (same user, product, event and second), as after an export of the service's
    events into the log, counts once.

    Parameters
    ----------
    table
        The log.
    events
        `interactions.COLUMNS` and any of OPTIONAL_COLUMNS, as strings.
    """
    if events.empty:
        return table
    columns, read = {**table.columns}, table.read
    if "event" not in columns:
        own = "event" if "event" not in read else "event of the service"
        columns["event"] = own
        read = read.assign(**{own: "view"})
    for name in events.columns:  # columns of the service alone
        columns.setdefault(name, name)
    logged = read[[columns[name] for name in COLUMNS]].set_axis(COLUMNS, axis=1)
    added = new_events(events, logged).rename(columns=columns)
    read = pd.concat([read, added], ignore_index=True)
    return RawTable(table.path, read, columns, table.absent)


def new_events(events: pd.DataFrame, logged: pd.DataFrame) -> pd.DataFrame:
    """Return the events (n rows) that a log does not have: same user, product, event and second.

    Parameters
    ----------
    events, logged
        `interactions.COLUMNS`, as strings.
    """
    known = {*_keys(logged)}
    return events[np.array([key not in known for key in _keys(events)], bool)]


def merge_searches(table: RawTable, searches: pd.DataFrame) -> RawTable:
    """Return the log of searches with the service's searches below, each search_id once.

    Parameters
    ----------
    table
        The log.
    searches
        `search_cleaning.RAW_COLUMNS`, as strings.
    """
    columns, read = {**table.columns}, table.read
    for name in searches.columns:
        columns.setdefault(name, name)
    added = searches[~searches["search_id"].isin(read[columns["search_id"]])]
    read = pd.concat([read, added.rename(columns=columns)], ignore_index=True)
    return RawTable(table.path, read, columns, table.absent)


def _keys(log: pd.DataFrame) -> list[tuple]:
    """Return the key of each event: equal keys mean the same event."""
    times, _ = read_times(log["timestamp"])
    seconds = times.to_numpy("datetime64[s]").astype(np.int64)
    return [*zip(log["user_id"], log["product_id"], log["event"], seconds, strict=True)]
