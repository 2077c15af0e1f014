"""Assembly of the service: the API over the search engine, the event store, and the page.

Start it in the project's folder after `dvc repro`, with `make serve` or
`python -m uvicorn market.service.app:create_app --factory`. docs/serve.md has the settings.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator
from starlette.middleware.gzip import GZipMiddleware

from market.core.errors import MarketError
from market.core.torch_setup import set_up_torch
from market.data.histories import LoggedHistories
from market.search.engine import Engine
from market.search.model_versions import promotion_stamp
from market.service.analytics_process import AnalyticsProcess
from market.service.bodies import BodyLimitMiddleware
from market.service.catalogue_store import CatalogueStore
from market.service.errors import add_error_handlers
from market.service.events import EventStore
from market.service.following import following
from market.service.head import HeadMiddleware
from market.service.keys import KeyRing
from market.service.live_catalogue import LiveCatalogue, LiveView
from market.service.loaded_index import Index
from market.service.metrics import Metrics
from market.service.photos import DisplaySource, PhotoVersions
from market.service.predictions import ListingPredictor
from market.service.queues import make_queues
from market.service.reload import Reloader
from market.service.routes import pages
from market.service.routes.assembly import TAGS, api_router, health_router
from market.service.routes.responses import ERROR, TOO_MANY
from market.service.search_counters import SearchCounters
from market.service.search_log import SearchLog
from market.service.search_recorder import SearchRecorder
from market.service.security import (
    ApiCorsMiddleware,
    ApiKeyMiddleware,
    SecurityHeadersMiddleware,
)
from market.service.settings import Settings
from market.service.state import ServiceState, new_decoder
from market.service.user_data import UserData
from market.service.variants import Experiment

STATIC = Path(__file__).parent / "static"
COMPRESSION = 5  # of 9: a page takes 1 ms, and is 3 % larger than at 9
DESCRIPTION = (
    "Every result has its reasons: the contribution of each feature to its score. "
    'Every error is `{"error": "one line"}`.'
)


def create_app() -> FastAPI:
    """Load the models and return the app, as uvicorn's factory.

    Returns
    -------
    FastAPI
        App over the outputs of the pipeline in the current folder.

    Raises
    ------
    SystemExit
        A setting is invalid or an output is missing. The message is one line.
    """
    try:
        settings = Settings.from_environment()
        device = str(set_up_torch(seed=0))

        def load() -> Index:
            return Index.load(settings.history_events, device, settings.variant_b)

        return serve_index(load(), EventStore(settings.events_url), settings, load=load)
    except MarketError as error:
        sys.exit(f"Error: {error}")


def make_app(
    engine: Engine,
    photos: DisplaySource,
    events: EventStore,
    settings: Settings,
    *,
    logged: LoggedHistories | None = None,
    load: Callable[[], Index] | None = None,
) -> FastAPI:
    """Return the app over loaded models.

    Parameters
    ----------
    engine
        Search engine over the listings.
    photos
        Photos of the listings.
    events
        Event store, whose database also holds the changes of listings. The app closes it at its
        end.
    settings
        Settings of the service.
    logged
        User histories up to the time of the index. Defaults to none.
    load
        Loads a new index for a reload. Without it the app cannot reload.
    """
    histories = LoggedHistories.empty() if logged is None else logged
    return serve_index(Index(engine, photos, histories), events, settings, load=load)


def serve_index(
    index: Index,
    events: EventStore,
    settings: Settings,
    *,
    load: Callable[[], Index] | None = None,
) -> FastAPI:
    """Return the app over an index, and the changes of listings since it was made.

    Parameters are as for `make_app`.
    """
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    app = FastAPIOffline(
        redoc_url=None,
        title="Market: search, recommendations, predictions",
        version="1",
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=_lifespan(events, metrics, load),
    )
    catalogue = LiveCatalogue(CatalogueStore(events.database), index)
    user_data = UserData(events.database)
    app.state.service = ServiceState(
        engine=catalogue.view.engine,
        photos=PhotoVersions(index.photos),
        logged=index.logged,
        decoder=new_decoder(),
        predictor=ListingPredictor(),
        events=events,
        user_data=user_data,
        settings=settings,
        metrics=metrics,
        queues=make_queues(settings, metrics),
        catalogue=catalogue,
        view=catalogue.view,
        experiment=Experiment.from_settings(settings),
        recorder=SearchRecorder(
            user_data.add_searches,
            SearchLog(events.database).delete_before,
            metrics,
            share=settings.recorded_share,
            days=settings.record_days,
        ),
        analytics=AnalyticsProcess(events.database),
        counters=SearchCounters(metrics, events.database),
    )

    def publish(view: LiveView) -> None:
        app.state.service = app.state.service.with_view(view)

    catalogue.on_change(publish)
    _add_middleware(app, settings)
    _add_routes(app, settings)
    add_error_handlers(app)
    instrumentator = Instrumentator(registry=registry, excluded_handlers=["/metrics", "/healthz"])
    instrumentator.instrument(app).expose(app, include_in_schema=False)
    return app


def _lifespan(
    events: EventStore, metrics: Metrics, load: Callable[[], Index] | None
) -> Callable[[FastAPI], Any]:
    """Return the lifespan.

    It applies the changes of listings by other processes, records searches, and at its end
    closes the event store. Where `load` is given, it reloads on SIGHUP and when models are
    promoted.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        catalogue: LiveCatalogue = app.state.service.catalogue
        with app.state.service.recorder.running():
            async with following(catalogue):
                if load is None:
                    yield
                else:
                    reloader = Reloader(lambda: catalogue.replace_index(load()), metrics.reloads)
                    promotions = reloader.on_change(promotion_stamp, catalogue.serve_promoted)
                    with reloader.on_hangup():
                        async with promotions:
                            yield
        app.state.service.analytics.close()
        events.close()

    return lifespan


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """Add the middleware; the last one added sees a request first."""
    app.add_middleware(GZipMiddleware, compresslevel=COMPRESSION)  # leaves photos as they are
    app.add_middleware(HeadMiddleware)
    app.add_middleware(
        BodyLimitMiddleware,
        max_bytes=int(settings.max_upload_mb * 1e6),
        seconds=settings.max_upload_seconds,
    )
    keys = KeyRing.from_settings(settings)
    if keys:
        app.add_middleware(ApiKeyMiddleware, keys=keys)
    origins = settings.cors_origins.split()
    if origins:
        app.add_middleware(ApiCorsMiddleware, origins=origins)
    app.add_middleware(SecurityHeadersMiddleware, shares_photos=bool(origins))


def _add_routes(app: FastAPI, settings: Settings) -> None:
    """Add the API, the health check and the page."""
    key_options: dict[str, Any] = {}
    if settings.needs_key:
        # ApiKeyMiddleware checks the key. The schemes only describe it, so that /docs can send it.
        schemes = APIKeyHeader(name="X-API-Key", auto_error=False), HTTPBearer(auto_error=False)
        key_options = {
            "dependencies": [Depends(scheme) for scheme in schemes],
            "responses": {401: ERROR, 403: ERROR, 429: TOO_MANY},
        }
    app.include_router(api_router, **key_options)
    app.include_router(health_router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
