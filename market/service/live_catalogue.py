"""The live catalogue: the index, and above it the changes in the store, applied to the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from market.core.params import load_params
from market.search.engine import Engine
from market.service.catalogue_store import CatalogueStore, StoredListing
from market.service.loaded_index import Index
from market.service.photos import LivePhoto
from market.service.prepared_listings import ListingPreparer, PreparedListing


@dataclass(frozen=True, eq=False)
class LiveView:
    """What one request sees: an index and the changes applied to it.

    Attributes
    ----------
    index
        The index.
    engine
        Engine over the index and the changes.
    live_photos
        For each number of a photo above those of the packed photos: the number of a packed photo,
        or a photo in the store.
    applied
        Number of the last change that is applied.
    states
        The state of each listing that was ever changed, by id.
    """

    index: Index
    engine: Engine
    live_photos: tuple[int | LivePhoto, ...] = ()
    applied: int = 0
    states: Mapping[str, StoredListing] = field(default_factory=dict)

    @cached_property
    def engine_b(self) -> Engine | None:
        """The engine with the models of variant B, over the same listings; None without one."""
        models = self.index.models_b
        return None if models is None else self.engine.with_models(models)

    @cached_property
    def mixed_engine_b(self) -> Engine | None:
        """Engine B with the relevance cut-off of engine A, for interleaved answers.

        Kept for all requests, because every new engine binds the rules of the day anew.
        """
        return self.engine_b and self.engine_b.with_relevance(self.engine.relevance)


class LiveCatalogue:
    """Applies the changes in the store to the engine of this process. Thread-safe.

    At most one thread rebuilds the engine at a time. The others wait for it, and find that the next
    rebuild includes their changes together.

    Parameters
    ----------
    store
        The store of changes.
    index
        The index to begin with.
    """

    def __init__(self, store: CatalogueStore, index: Index) -> None:
        self.store = store
        self._lock = threading.Lock()
        self._publish: Callable[[LiveView], None] = lambda view: None
        self._prepared: dict[str, PreparedListing] = {}
        self.view = self._begin(index)

    def on_change(self, publish: Callable[[LiveView], None]) -> None:
        """Call `publish` with the view now, and in order after each change of it."""
        with self._lock:
            self._publish = publish
            publish(self.view)

    def apply(self, number: int | None = None) -> LiveView:
        """Apply the changes in the store up to `number` at least, by default all.

        Raises
        ------
        MarketError
            The models that encode listings are missing.
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
            The store does not answer.
        """
        with self._lock:
            if number is None or self.view.applied < number:
                changes = self.store.changes_after(self.view.applied)
                if changes:
                    self._replace(changes)
            return self.view

    def poll(self) -> None:
        """Apply the changes of other processes, if there are any."""
        if self.store.last_number() > self.view.applied:
            self.apply()

    def replace_index(self, index: Index) -> None:
        """Serve another index, with the changes that it does not contain."""
        with self._lock:
            self.view = self._begin(index)
            self._publish(self.view)
            self.store.keep_vectors_of([self.preparer.encoder_digest] if self._prepared else [])

    def serve_promoted(self) -> None:
        """Serve the ranking models that are promoted by now, over the same listings.

        Raises
        ------
        MarketError
            If they do not fit the index.
        """
        self.replace_index(self.view.index.with_served_models())

    def _begin(self, index: Index) -> LiveView:
        """Return the view of an index with all changes that it does not contain."""
        settings, input_settings = load_params("clean", "input")
        preparer = ListingPreparer(
            index.engine,
            index.photos,
            index.listing_encoder,
            self.store,
            settings,
            input_settings,
        )
        changes = self.store.changes_after(0)
        prepared = self._prepare(preparer, index, changes)
        view = self._build(preparer, index, {one.product_id: one for one in changes}, prepared)
        self.preparer, self._prepared = preparer, prepared
        return view

    def _replace(self, changes: Sequence[StoredListing]) -> None:
        """Apply changes to the view. Nothing changes if it fails."""
        index = self.view.index
        new = self._prepare(self.preparer, index, changes)
        states = {**self.view.states, **{change.product_id: change for change in changes}}
        prepared = {**self._prepared, **new}
        for change in changes:
            if change.product_id not in new:
                prepared.pop(change.product_id, None)
        self.view = self._build(self.preparer, index, states, prepared)
        self._prepared = prepared
        self._publish(self.view)

    @staticmethod
    def _prepare(
        preparer: ListingPreparer, index: Index, changes: Sequence[StoredListing]
    ) -> dict[str, PreparedListing]:
        """Return those of the changed listings, by id, that the index does not contain."""
        above = [change for change in changes
                 if change.kind != "deleted" and not _is_in(change, index)]  # fmt: skip
        prepared = preparer.prepare(above)
        return {one.product_id: ready for one, ready in zip(above, prepared, strict=True)}

    @staticmethod
    def _build(
        preparer: ListingPreparer,
        index: Index,
        states: dict[str, StoredListing],
        prepared: dict[str, PreparedListing],
    ) -> LiveView:
        known = index.engine.catalogue.positions(states) >= 0
        removed = frozenset(
            state.product_id
            for state, is_known in zip(states.values(), known, strict=True)
            if state.kind == "deleted" and is_known
        )
        applied = max((state.number for state in states.values()), default=0)
        if not prepared and not removed:
            return LiveView(index, index.engine, (), applied, states)
        ordered = [prepared[product_id] for product_id in sorted(prepared)]
        changed, photos = preparer.changed_listings(ordered, removed)
        return LiveView(index, index.engine.with_changes(changed), tuple(photos), applied, states)


def _is_in(change: StoredListing, index: Index) -> bool:
    """Return whether the index contains a change.

    It lacks those that came later, and listings that stage clean could not use: a model cannot
    learn from a listing without a category or a price, but users still find it.
    """
    if change.number > index.changes_through:
        return False
    position = index.engine.catalogue.positions([change.product_id])[0]
    if position < 0:
        return False
    listings = index.engine.listings
    if change.expires_at is None:
        return True
    return "expires" in listings and not pd.isna(listings["expires"].iloc[position])
