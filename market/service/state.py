"""State shared by all requests: the index in use, the event store, settings, queues and metrics."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import pandas as pd
from PIL import Image

from market.core.params import load_params
from market.core.paths import (
    DISPLAY_PHOTOS,
    EXPECTED_PRICES,
    INTERACTIONS,
    PHOTO_EMBEDDER,
    PHOTOS,
    RANKER,
    RULES,
    SEARCH_INDEX,
    require,
)
from market.data.display_store import DisplayPhotos
from market.data.histories import LoggedHistories, merge_histories
from market.data.images import decode_limits
from market.data.photo_store import PhotoStore
from market.search.engine import Engine
from market.service.events import EventStore
from market.service.metrics import Metrics
from market.service.photos import DisplaySource, PhotoDecoder, PhotoVersions
from market.service.predictions import ListingPredictor
from market.service.queues import Queue
from market.service.settings import Settings
from market.service.user_data import UserData

log = logging.getLogger("uvicorn.error")


@dataclass(frozen=True)
class Index:
    """The parts of the state that a reload replaces.

    Attributes
    ----------
    engine
        Search engine over the listings.
    photos
        Photos of the listings.
    logged
        User histories up to the time of the index. The event store has the later events.
    """

    engine: Engine
    photos: DisplaySource
    logged: LoggedHistories

    @classmethod
    def load(cls, history_events: int, device: str) -> Index:
        """Load the outputs of the pipeline.

        Parameters
        ----------
        history_events
            Largest number of logged events kept for each user.
        device
            Device of the networks, such as "cpu".

        Raises
        ------
        MarketError
            An output does not exist, or a rule is wrong.
        """
        require(SEARCH_INDEX, RANKER, PHOTO_EMBEDDER, INTERACTIONS, EXPECTED_PRICES)
        engine = Engine.load(rules=RULES, device=device)
        for warning in engine.daily_rules.warnings:
            log.warning("%s: %s", RULES, warning)
        # The networks load with their first use: use them now rather than in a user's search.
        engine.search("warm up", photo=Image.new("RGB", (8, 8)), limit=1)
        photos = DisplayPhotos(DISPLAY_PHOTOS) if DISPLAY_PHOTOS.exists() else PhotoStore(PHOTOS)
        return cls(engine, photos, LoggedHistories.load(INTERACTIONS, history_events))


@dataclass(frozen=True, eq=False)
class ServiceState:
    """State shared by all requests, as `app.state.service`.

    A reload replaces the whole object, so every request uses the state that it started with.
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

    def with_index(self, index: Index) -> ServiceState:
        """Return the state over another index, with the same event store, queues and metrics."""
        return replace(
            self,
            engine=index.engine,
            photos=self.photos.replaced_by(index.photos),
            logged=index.logged,
            decoder=new_decoder(),
            predictor=ListingPredictor(),
        )


def new_decoder() -> PhotoDecoder:
    """Return a decoder with the photo limits of params.yaml."""
    return PhotoDecoder(decode_limits(load_params("clean")))
