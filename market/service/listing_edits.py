"""Edits of listings: the state that each leads to, and the conditions under which it may."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

import pandas as pd

from market.core.settings import Input
from market.data.live_listings import ATTRIBUTES
from market.search.engine import Engine
from market.service.catalogue_store import StoredListing

EXPIRES_AT = "expires_at"
SOLD = "sold"
PLACE = ("latitude", "longitude")

Action = Literal["put", "patch", "sold", "delete", "photos"]


class EditRefused(Exception):
    """An edit that cannot be made; the message is the reason.

    Parameters
    ----------
    status
        HTTP status of the answer.
    reason
        One line.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Edit:
    """A request to change one listing.

    Attributes
    ----------
    product_id
        Id of the listing.
    action
        "put" replaces the fields; "patch" merges them (a null removes a field); "photos" appends
        photos; "sold" and "delete" need no fields.
    fields
        The fields by the names of the API, with EXPIRES_AT.
    photos
        Uploaded files; None if the request has none, which leaves the photos as they are.
    if_match
        Entity tags of which the listing must have one; "*" for any listing. None for no condition.
    must_be_new
        Whether the listing must not exist.
    """

    product_id: str
    action: Action
    fields: Mapping[str, Any] = field(default_factory=dict)
    photos: tuple[bytes, ...] | None = None
    if_match: frozenset[str] | None = None
    must_be_new: bool = False


def check_conditions(edit: Edit, former: StoredListing | None) -> None:
    """Check the conditions of an edit against the listing's former state (None: it is new).

    Raises
    ------
    EditRefused
        412: a condition fails. 404: the action needs a listing that exists.
    """
    exists = former is not None and former.kind != "deleted"
    if edit.must_be_new and exists:
        raise EditRefused(412, f"there is already a listing {edit.product_id!r}")
    if edit.if_match is not None:
        if former is None or not exists:
            raise EditRefused(412, f"there is no listing {edit.product_id!r}")
        if "*" not in edit.if_match and etag(former) not in edit.if_match:
            raise EditRefused(
                412, f"listing {edit.product_id!r} has changed: its version is now {etag(former)}"
            )
    is_known = former is not None if edit.action == "delete" else exists
    if edit.action != "put" and not is_known:
        raise EditRefused(404, f"there is no listing {edit.product_id!r}")


def etag(listing: StoredListing) -> str:
    """Return the version of a listing as an HTTP entity tag.

    It is the number of the last change, or for a listing of the index that was never changed a
    digest of its fields.
    """
    if listing.number:
        return f'"{listing.number}"'
    fields = json.dumps(listing.fields, sort_keys=True, ensure_ascii=False)
    return f'"{hashlib.sha256(fields.encode()).hexdigest()[:16]}"'


def edited(edit: Edit, former: StoredListing | None, photos: tuple[str, ...]) -> StoredListing:
    """Return the state of a listing after an edit, without a prediction and a number.

    Parameters
    ----------
    edit
        The edit, whose conditions hold.
    former
        The former state; None for a new listing.
    photos
        The SHA-256 of each usable uploaded photo.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    if former is None or former.kind == "deleted":
        former = StoredListing(edit.product_id, 0, "put", {}, (), now)
    if edit.action == "delete":
        return StoredListing(edit.product_id, 0, "deleted", {}, (), former.created)
    fields = {**edit.fields}
    expires_at = fields.pop(EXPIRES_AT, None)
    if edit.action != "put":
        if EXPIRES_AT not in edit.fields:
            expires_at = former.expires_at
        fields = _merged(former.fields, fields)
    if edit.action == "sold":
        fields["status"] = SOLD
    keeps_raw_photos = former.keeps_raw_photos
    if edit.action == "photos":
        photos = (*former.photos, *photos)
    elif edit.photos is None:
        photos = former.photos
    else:
        keeps_raw_photos = False
    return replace(
        former,
        number=0,
        kind="sold" if fields.get("status") == SOLD else "put",
        fields=_without_empty(fields),
        photos=tuple(dict.fromkeys(photos)),
        expires_at=expires_at,
        prediction=None,
        keeps_raw_photos=keeps_raw_photos,
    )


def _merged(former: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a patch into fields as RFC 7396 does; a new location has no old coordinates."""
    merged = {**former, **patch}
    if isinstance(patch.get(ATTRIBUTES), Mapping):
        merged[ATTRIBUTES] = {**(former.get(ATTRIBUTES) or {}), **patch[ATTRIBUTES]}
    if "location" in patch and not {*PLACE} & patch.keys():
        merged = {name: value for name, value in merged.items() if name not in PLACE}
    return merged


def _without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that state something, so that equal listings have equal fields."""
    stated = {name: value for name, value in fields.items() if value not in (None, "", [], {})}
    if ATTRIBUTES in stated:
        stated[ATTRIBUTES] = _without_empty(stated[ATTRIBUTES])
    return {name: value for name, value in stated.items() if value != {}}


def listing_of_index(engine: Engine, product_id: str, settings: Input) -> StoredListing | None:
    """Return a listing of the index as if it had been put; None for an unknown id.

    Parameters
    ----------
    engine
        Engine over the index alone.
    product_id
        Id of the listing.
    settings
        How the raw folder writes categories.
    """
    position = int(engine.catalogue.positions([product_id])[0])
    if position < 0:
        return None
    row = engine.listings.iloc[position]
    created = None if pd.isna(row["created"]) else row["created"].to_pydatetime()
    fields: dict[str, Any] = {name: str(row[name]) for name in ("name", "description", "location")}
    fields["category"] = settings.category_separator.join(row["category_levels"])
    fields["price"] = None if pd.isna(row["price"]) else float(row["price"])
    for name in ("status", "seller_id"):
        fields[name] = None if pd.isna(row.get(name)) else str(row[name])
    fields["created"] = None if created is None else created.isoformat()
    place = row["latitude"], row["longitude"]
    if not pd.isna(place[0]) and engine.place(row["location"]) != place:
        fields |= dict(zip(PLACE, map(float, place), strict=True))
    fields[ATTRIBUTES] = engine.catalogue.attributes.of_listing(position)
    expires = row.get("expires")
    return StoredListing(
        product_id,
        0,
        "put",
        _without_empty(fields),
        (),
        created or datetime.now(UTC).replace(tzinfo=None),
        None if pd.isna(expires) else expires.to_pydatetime(),
        keeps_raw_photos=True,
    )
