"""Edits of listings, carried out: checked, predicted, encoded, stored and applied."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from market.core.errors import MarketError
from market.core.settings import Clean, Input
from market.data.display_photos import SIZES
from market.data.live_listings import category_levels, find_faults, raw_table
from market.service.catalogue_store import CatalogueStore, StoredListing, StoredPhoto
from market.service.listing_edits import (
    Edit,
    EditRefused,
    check_conditions,
    edited,
    listing_of_index,
)
from market.service.live_catalogue import LiveCatalogue
from market.service.predictions import ListingPredictor
from market.service.uploads import read_uploads

MAX_TRIES = 20  # of an edit whose listing others change at the same time
MAX_PHOTOS = 20  # of a listing
Uploads = tuple[list[StoredPhoto], list[tuple[int, str]]]  # from `read_uploads`
log = logging.getLogger("uvicorn.error")


@dataclass(frozen=True)
class Edited:
    """The outcome of an edit.

    Attributes
    ----------
    listing
        The state of the listing.
    is_new
        Whether the listing did not exist.
    unusable
        Position, from 1, of each uploaded photo that cannot be used, and the reason.
    levels
        The levels of its category, as the seller stated it.
    """

    listing: StoredListing
    is_new: bool
    unusable: list[tuple[int, str]]
    levels: list[str]


@dataclass
class _Draft:
    """An edit under way, and the state that it leads to."""

    edit: Edit
    former: StoredListing | None
    listing: StoredListing
    photos: dict[str, StoredPhoto]
    unusable: list[tuple[int, str]]

    @property
    def is_new(self) -> bool:
        return self.former is None or self.former.kind == "deleted"

    @property
    def is_change(self) -> bool:
        return self.former is None or not self.listing.has_content_of(self.former)


class ListingEditor:
    """Carries out edits of listings.

    Parameters
    ----------
    catalogue
        Applies the stored changes to the engine.
    predictor
        Predicts category and price.
    settings, input_settings
        The sections `clean` and `input` of params.yaml.
    """

    def __init__(
        self,
        catalogue: LiveCatalogue,
        predictor: ListingPredictor,
        settings: Clean,
        input_settings: Input,
    ) -> None:
        self._catalogue, self._predictor = catalogue, predictor
        self._settings, self._input = settings, input_settings

    @property
    def _store(self) -> CatalogueStore:
        return self._catalogue.store

    def edit(self, edits: Sequence[Edit]) -> list[Edited | EditRefused]:
        """Carry out edits as `store` does; requests to this process then see those that succeed."""
        outcomes = self.store(edits)
        numbers = [one.listing.number for one in outcomes if isinstance(one, Edited)]
        self._catalogue.apply(max(numbers, default=0))
        return outcomes

    def store(self, edits: Sequence[Edit]) -> list[Edited | EditRefused]:
        """Carry out edits of different listings; each succeeds or fails for itself.

        All that succeed are durable when the method returns.

        Parameters
        ----------
        edits
            The edits (n), of n different listings.

        Returns
        -------
        list of Edited or EditRefused
            (n,) in the same order.

        Raises
        ------
        MarketError
            The models that encode listings are missing.
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
            The store does not answer.
        """
        outcomes: dict[int, Edited | EditRefused] = {}
        uploads: dict[int, Uploads] = {}
        waiting = dict(enumerate(edits))
        for _ in range(MAX_TRIES):
            drafts = self._draft_all(waiting, uploads, outcomes)
            waiting = self._save(drafts, outcomes)
            if not waiting:
                break
        else:
            busy = "the listing changes all the time: try again in a moment"
            outcomes |= {number: EditRefused(503, busy) for number in waiting}
        return [outcomes[number] for number in range(len(edits))]

    def _draft_all(
        self,
        edits: dict[int, Edit],
        uploads: dict[int, Uploads],
        outcomes: dict[int, Edited | EditRefused],
    ) -> dict[int, _Draft]:
        """Return a draft for each edit that can be made; refuse the others.

        `uploads` remembers the photos of each edit, so that a second try need not decode them.
        """
        drafts = {}
        for number, edit in edits.items():
            try:
                drafts[number] = self._draft(number, edit, uploads)
            except EditRefused as refusal:
                outcomes[number] = refusal
        self._refuse_faults(drafts, outcomes)
        self._predict(drafts)
        return drafts

    def _draft(self, number: int, edit: Edit, uploads: dict[int, Uploads]) -> _Draft:
        former = self.former(edit.product_id)
        check_conditions(edit, former)
        if number not in uploads:
            uploads[number] = read_uploads(edit.photos or (), self._settings)
        photos, unusable = uploads[number]
        by_digest = {photo.sha256: photo for photo in photos}
        listing = edited(edit, former, tuple(by_digest))
        if len(listing.photos) > MAX_PHOTOS:
            raise EditRefused(422, f"photos: a listing has at most {MAX_PHOTOS}")
        return _Draft(edit, former, listing, by_digest, unusable)

    def former(self, product_id: str) -> StoredListing | None:
        """Return the state of a listing in the store, or else in the index; None if unknown."""
        stored = self._store.listing(product_id)
        if stored is not None:
            return stored
        return listing_of_index(self._catalogue.view.index.engine, product_id, self._input)

    def _refuse_faults(
        self, drafts: dict[int, _Draft], outcomes: dict[int, Edited | EditRefused]
    ) -> None:
        """Refuse the drafts whose fields stage clean would reject."""
        checked = {n: draft for n, draft in drafts.items() if draft.edit.action in ("put", "patch")}
        for number, reason in self._faults(checked).items():
            outcomes[number] = EditRefused(422, reason)
            del drafts[number]

    def _faults(self, drafts: dict[int, _Draft]) -> dict[int, str]:
        faults = {}
        for number, draft in drafts.items():
            fault = _field_fault(draft.listing, self._input)
            if fault:
                faults[number] = fault
        rest = {number: draft for number, draft in drafts.items() if number not in faults}
        if rest:
            found = find_faults(self._to_table(list(rest.values())), self._input)
            faults |= {number: fault for number, fault in zip(rest, found, strict=True) if fault}
        return faults

    def _to_table(self, drafts: Sequence[_Draft]) -> Any:
        ids = [draft.listing.product_id for draft in drafts]
        return raw_table(ids, [draft.listing.fields for draft in drafts], self._input)

    def _predict(self, drafts: dict[int, _Draft]) -> None:
        """Add the prediction to each draft that changes its listing."""
        changed = []
        for draft in drafts.values():
            if draft.edit.action in ("delete", "sold") or not draft.is_change:
                draft.listing = replace(draft.listing, prediction=_former_prediction(draft))
                continue
            if (known := _known_prediction(draft)) is None:
                changed.append(draft)
            else:
                draft.listing = replace(draft.listing, prediction=known)
        if not changed:
            return
        squares = [self._squares(draft) for draft in changed]
        try:
            predictions = self._predictor.predict_rows(
                lambda _: self._to_table(changed).rows, squares
            )
        except MarketError as error:  # a machine that only serves may lack these models
            log.warning("No prediction for changed listings: %s", error)
            return
        for draft, prediction in zip(changed, predictions, strict=True):
            stored = prediction.model_copy(update={"unusable": []}).model_dump()
            draft.listing = replace(draft.listing, prediction=stored)

    def _squares(self, draft: _Draft) -> list[bytes]:
        """Return the squares of a listing's photos, of those in the index too."""
        squares = []
        for sha256 in draft.listing.photos:
            new = draft.photos.get(sha256)
            square = new.square if new else self._store.photo(sha256, "square")
            if square is not None:
                squares.append(square)
        index = self._catalogue.view.index
        if draft.listing.keeps_raw_photos and draft.former is not None:
            packed = self._catalogue.preparer.packed_photos(draft.listing)
            squares += [index.photos.read(number, SIZES[0]) for number in packed]
        return squares

    def _save(
        self, drafts: dict[int, _Draft], outcomes: dict[int, Edited | EditRefused]
    ) -> dict[int, Edit]:
        """Store the drafts; return the edits of listings that others changed meanwhile."""
        changed_meanwhile = {}
        vectors = self._encode([draft for draft in drafts.values() if draft.is_change])
        with self._store.write() as writer:
            if vectors:
                writer.add_vectors(vectors, self._catalogue.preparer.encoder_digest)
            for number, draft in drafts.items():
                current = writer.listing(draft.edit.product_id)
                former_number = draft.former.number if draft.former else 0
                if (current.number if current else 0) != former_number:
                    changed_meanwhile[number] = draft.edit
                    continue
                listing = draft.listing
                if draft.is_change:
                    listing = writer.save(listing, draft.photos)
                elif draft.former is not None:
                    listing = draft.former
                levels = category_levels(listing.fields, self._input)
                outcomes[number] = Edited(listing, draft.is_new, draft.unusable, levels)
        return changed_meanwhile

    def _encode(self, drafts: Sequence[_Draft]) -> dict[str, Any]:
        """Return the vectors of listings, whose photos are all new, to store with them.

        Others are encoded when they are applied.
        """
        shown = [draft for draft in drafts
                 if draft.listing.kind != "deleted"
                 and {*draft.listing.photos} <= draft.photos.keys()]  # fmt: skip
        if not shown:
            return {}
        listings = [draft.listing for draft in shown]
        preparer = self._catalogue.preparer
        squares = [[draft.photos[sha].square for sha in draft.listing.photos] for draft in shown]
        return preparer.encode(preparer.clean(listings), listings, squares)


def _former_prediction(draft: _Draft) -> Mapping[str, Any] | None:
    return draft.former.prediction if draft.former and draft.edit.action != "delete" else None


def _known_prediction(draft: _Draft) -> Mapping[str, Any] | None:
    """Return the former prediction if the edit changes nothing that the models read."""
    former, listing = draft.former, draft.listing
    if former is None or former.kind == "deleted" or former.photos != listing.photos:
        return None
    names = {*former.fields, *listing.fields} - {"status", "seller_id", "created"}
    is_same = all(former.fields.get(name) == listing.fields.get(name) for name in names)
    is_same &= former.keeps_raw_photos == listing.keeps_raw_photos
    return former.prediction if is_same else None


def _field_fault(listing: StoredListing, settings: Input) -> str:
    """Return a fault of the fields that stage clean does not look for, or ""."""
    fields = listing.fields
    for name, column in settings.columns.items():
        if column is None and name in fields:
            return f"{name}: the listings have none, as input.columns.{name} in params.yaml is null"
    unknown = [name for name in fields.get("attributes", {}) if name not in settings.attributes]
    if unknown:
        known = ", ".join(settings.attributes) or "none"
        return (
            f"attributes.{unknown[0]:.60}: no such attribute in input.attributes (known: {known})"
        )
    if ("latitude" in fields) != ("longitude" in fields):
        return "latitude and longitude: give both or neither"
    has_content = {"name", "description"} & fields.keys() or listing.photos
    if not has_content and not listing.keeps_raw_photos:
        return "name: is missing: a listing needs a name, a description or a photo"
    return ""
