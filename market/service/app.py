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
from fastapi.responses import FileResponse
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator

from market.core.errors import MarketError
from market.core.torch_setup import set_up_torch
from market.data.histories import LoggedHistories
from market.search.engine import Engine
from market.service.bodies import BodyLimitMiddleware
from market.service.errors import add_error_handlers
from market.service.events import EventStore
from market.service.head import HeadMiddleware
from market.service.keys import KeyRing
from market.service.metrics import Metrics
from market.service.photos import DisplaySource, PhotoVersions
from market.service.predictions import ListingPredictor
from market.service.queues import make_queues
from market.service.reload import Reloader
from market.service.routes.assembly import TAGS, api_router, health_router
from market.service.routes.responses import ERROR, TOO_MANY
from market.service.security import (
    ApiCorsMiddleware,
    ApiKeyMiddleware,
    SecurityHeadersMiddleware,
)
from market.service.settings import Settings
from market.service.state import Index, ServiceState, new_decoder
from market.service.user_data import UserData

STATIC = Path(__file__).parent / "static"
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
            return Index.load(settings.history_events, device)

        index = load()
        events = EventStore(settings.events_url)
        return make_app(
            index.engine, index.photos, events, settings, logged=index.logged, load=load
        )
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
        Event store. The app closes it at its end.
    settings
        Settings of the service.
    logged
        User histories up to the time of the index. Defaults to none.
    load
        Loads a new index for a reload. Without it the app cannot reload.
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
    app.state.service = ServiceState(
        engine=engine,
        photos=PhotoVersions(photos),
        logged=LoggedHistories.empty() if logged is None else logged,
        decoder=new_decoder(),
        predictor=ListingPredictor(),
        events=events,
        user_data=UserData(events.database),
        settings=settings,
        metrics=metrics,
        queues=make_queues(settings, metrics),
    )
    _add_middleware(app, settings)
    _add_routes(app, settings)
    add_error_handlers(app)
    instrumentator = Instrumentator(registry=registry, excluded_handlers=["/metrics", "/healthz"])
    instrumentator.instrument(app).expose(app, include_in_schema=False)
    return app


def _lifespan(
    events: EventStore, metrics: Metrics, load: Callable[[], Index] | None
) -> Callable[[FastAPI], Any]:
    """Return the lifespan: reloads on SIGHUP where `load` is given, and closes the event store."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        def swap(state: ServiceState) -> None:
            app.state.service = state

        if load is None:
            yield
        else:
            reloader = Reloader(lambda: app.state.service.with_index(load()), swap, metrics.reloads)
            with reloader.on_hangup():
                yield
        events.close()

    return lifespan


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """Add the middleware; the last one added sees a request first."""
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
    app.add_api_route("/", lambda: FileResponse(STATIC / "index.html"), include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
