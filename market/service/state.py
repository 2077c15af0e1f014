"""State shared by all requests: the index in use, the event store, settings, queues and metrics."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from market.core.params import load_params
from market.data.histories import LoggedHistories, merge_histories
from market.data.images import decode_limits
from market.search.engine import Engine
from market.search.experiments import INTERLEAVED, A, B
from market.service.analytics_process import AnalyticsProcess
from market.service.events import EventStore
from market.service.listing_editor import ListingEditor
from market.service.listing_edits import etag, listing_of_index
from market.service.live_catalogue import LiveCatalogue, LiveView
from market.service.metrics import Metrics
from market.service.photos import PhotoDecoder, PhotoVersions
from market.service.predictions import ListingPredictor
from market.service.queues import Queue
from market.service.search_counters import SearchCounters
from market.service.search_log import RecordedSearch
from market.service.search_recorder import SearchRecorder
from market.service.settings import Settings
from market.service.user_data import UserData
from market.service.variants import Experiment, Variant


@dataclass(frozen=True, eq=False)
class ServiceState:
    """State shared by all requests, as `app.state.service`.

    A reload, or a change of a listing, replaces the whole object, so every request uses the state
    that it started with.
    """

    engine: Engine
    photos: PhotoVersions
    logged: LoggedHistories
    decoder: PhotoDecoder
    predictor: ListingPredictor
    events: EventStore
    user_data: UserData
    settings: Settings
    metrics: Metrics
    queues: dict[str, Queue]
    catalogue: LiveCatalogue
    view: LiveView
    recorder: SearchRecorder
    analytics: AnalyticsProcess
    counters: SearchCounters
    experiment: Experiment | None = None

    def record(self, search: RecordedSearch) -> None:
        """Record a search in the background, and count it."""
        self.recorder.record(search)
        self.counters.count_search(search)

    @property
    def editor(self) -> ListingEditor:
        """What carries out edits of listings."""
        settings, input_settings = load_params("clean", "input")
        return ListingEditor(self.catalogue, self.predictor, settings, input_settings)

    def variant_of(self, user_id: str | None, forced: str | None = None) -> Variant:
        """Return the ranking that a user gets.

        Parameters
        ----------
        user_id
            None without a user, who gets A outside of the experiment.
        forced
            A or B, for a test outside of the experiment.
        """
        experiment, engine_b = self.experiment, self.view.engine_b
        if experiment is None or engine_b is None:
            return Variant(A, self.engine)
        if forced is not None or user_id is None:
            name = forced or A
            return Variant(name, engine_b if name == B else self.engine)
        name = experiment.variant_of(user_id)
        if name == INTERLEAVED:
            return Variant(name, self.engine, experiment.name, self.view.mixed_engine_b)
        return Variant(name, engine_b if name == B else self.engine, experiment.name)

    def history(self, user_id: str) -> pd.DataFrame:
        """Return the last events of a user, from the log and the event store, in order of time.

        Raises
        ------
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
            The event store does not answer.
        """
        last = self.settings.history_events
        stored = self.events.history(user_id, last)
        logged = self.logged.history(user_id)
        if len(logged):
            erased_at = self.user_data.erased_at(user_id)
            if erased_at is not None:
                logged = logged[logged["timestamp"] > erased_at]
        return merge_histories(logged, stored, last)

    def version_of(self, product_id: str) -> str | None:
        """Return the version of a listing as an HTTP entity tag; None for an unknown id."""
        listing = self.view.states.get(product_id)
        if listing is None:
            input_settings = load_params("input")
            listing = listing_of_index(self.view.index.engine, product_id, input_settings)
        return None if listing is None else etag(listing)

    def photo_urls(self, product_id: str) -> list[str]:
        """Return the URLs of a listing's photos; none for a listing that is not shown."""
        try:
            return [
                address.url
                for address in self.photos.addresses(self.engine.listing(product_id)["photos"])
            ]
        except KeyError:
            return []

    def with_view(self, view: LiveView) -> ServiceState:
        """Return the state over another view, with the same event store, queues and metrics."""
        if view.index.photos is self.view.index.photos:  # other listings or ranking models alone
            photos = self.photos.with_live(view.live_photos)
            return replace(self, engine=view.engine, photos=photos, view=view)
        return replace(
            self,
            engine=view.engine,
            photos=self.photos.replaced_by(view.index.photos).with_live(view.live_photos),
            logged=view.index.logged,
            decoder=new_decoder(),
            predictor=ListingPredictor(),
            view=view,
        )


def new_decoder() -> PhotoDecoder:
    """Return a decoder with the photo limits of params.yaml."""
    return PhotoDecoder(decode_limits(load_params("clean")))
