"""The hand-over from the live catalogue to the pipeline: the store's changes as a set of tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from market.core.settings import Input
from market.data.catalogue_changes import FOLDED, KEEPS_RAW_PHOTOS, PHOTO_COLUMNS, CatalogueChanges
from market.data.interactions import OPTIONAL_COLUMNS
from market.data.live_listings import raw_table
from market.service.catalogue_store import CatalogueStore, StoredListing
from market.service.pipeline_store import open_store
from market.service.user_data import UserData


def fold(store: str, settings: Input, folder: Path) -> CatalogueChanges:
    """Write the changes of listings and the events that a database holds now.

    Parameters
    ----------
    store
        SQLAlchemy URL of the service's database, or EVENTS_URL for that of the environment.
    settings
        How the raw folder writes prices and categories.
    folder
        The folder to write.

    Returns
    -------
    CatalogueChanges
        What was written.

    Raises
    ------
    MarketError
        The database does not exist or does not answer.
    """
    with open_store(store, "fold.store") as events:
        catalogue = CatalogueStore(events.database)
        # One query, so the states are those of one moment. What changes later has larger numbers.
        states = catalogue.changes_after(0)
        photos = _photos(states, catalogue)
        changes = _to_changes(states, photos, events.all_events(), settings)
        changes = replace(changes, erasures=UserData(events.database).erasures())
        changes.save(folder, photos.__getitem__)
    return changes


def _photos(states: list[StoredListing], store: CatalogueStore) -> dict[str, bytes]:
    """Return the large form of each photo, by SHA-256, that is still stored."""
    photos = {}
    for sha256 in dict.fromkeys(sha256 for state in states for sha256 in state.photos):
        content = store.photo(sha256, "large")
        if content is not None:  # else a later change, with a larger number, removed it
            photos[sha256] = content
    return photos


def _to_changes(
    states: list[StoredListing], photos: dict[str, bytes], events: pd.DataFrame, settings: Input
) -> CatalogueChanges:
    kept = sorted((state for state in states if state.kind != "deleted"),
                  key=lambda state: state.product_id)  # fmt: skip
    listings = raw_table(
        [state.product_id for state in kept], [_fields(state) for state in kept], settings,
        complete=True,
    ).rows  # fmt: skip
    listings["expires"] = pd.array(
        [state.expires_at.isoformat() if state.expires_at else None for state in kept], dtype="str"
    )
    listings[KEEPS_RAW_PHOTOS] = [state.keeps_raw_photos for state in kept]
    rows = [
        # In the order of the listing's photos, and behind those of the raw folder.
        (state.product_id, f"{FOLDED}{state.product_id}-{number:04d}", sha256)
        for state in kept
        for number, sha256 in enumerate(state.photos, start=1)
        if sha256 in photos
    ]
    return CatalogueChanges(
        through=max((state.number for state in states), default=0),
        listings=listings,
        removed=frozenset(state.product_id for state in states if state.kind == "deleted"),
        photos=pd.DataFrame(rows, columns=PHOTO_COLUMNS, dtype="str").sort_values(
            "image_id", ignore_index=True
        ),
        events=without_unused(events),
    )


def without_unused(events: pd.DataFrame) -> pd.DataFrame:
    """Return the events without the optional columns that none of them has."""
    return events.drop(columns=[name for name in OPTIONAL_COLUMNS if events[name].isna().all()])


def _fields(state: StoredListing) -> dict:
    """Return the fields of a listing with its date, which users may sort by."""
    return {"created": state.created.isoformat(), **state.fields}
