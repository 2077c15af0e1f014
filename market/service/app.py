"""The service: the engine's answers over HTTP, what users do kept, and a page to use it from.

`python -m uvicorn market.service.app:create_app --factory`, or `make serve`, from the
project's folder, after `dvc repro`. Settings: docs/serve.md.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from PIL import Image
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_fastapi_instrumentator import Instrumentator
from starlette.exceptions import HTTPException

from market.core.errors import MarketError
from market.core.params import load_params
from market.core.paths import require
from market.core.torch_setup import set_up_torch
from market.data.images import limits_of
from market.data.photo_store import PhotoStore
from market.search.engine import Engine
from market.service.events import EventStore
from market.service.histories import LoggedHistories
from market.service.reload import Reloader
from market.service.routes import (
    FAULT,
    NO_STORE,
    RETRY,
    Counters,
    Service,
    health_router,
    queues,
    router,
)
from market.service.security import HEADERS, ApiKey, BodyLimit, BrowserHeaders, HeadAsGet
from market.service.settings import Settings

INDEX, RANK, EMBED = (Path(f"models/{name}") for name in ("index", "rank", "embed"))
PHOTOS = Path("data/clean/photos")
LOG = Path("data/clean/interactions.parquet")
EXPECTED = Path("data/price/expected.parquet")
STATIC = Path(__file__).parent / "static"
TAGS = [
    {"name": "find", "description": "Search, similar listings, recommendations."},
    {"name": "look", "description": "Listings, their photos, categories and places."},
    {"name": "tell", "description": "What users do, which changes their next answers."},
    {"name": "predict", "description": "What a listing's text and photos say of it."},
    {"name": "run", "description": "For whoever runs the service. Metrics are at `/metrics`."},
]
log = logging.getLogger("uvicorn.error")


def create_app() -> FastAPI:
    """Load everything and return the app; what is missing ends the process with one line."""
    try:
        settings = Settings.from_environment()
        needed = INDEX, RANK, EMBED, PHOTOS, LOG, EXPECTED
        require(*needed)
        device = str(set_up_torch(seed=0))

        def load() -> tuple[Engine, PhotoStore, LoggedHistories]:
            require(*needed)
            engine = Engine.load(INDEX, RANK, EMBED, EXPECTED, device=device)
            # The networks load when they are first asked: now, rather than while somebody waits.
            engine.search("warm up", photo=Image.new("RGB", (8, 8)), limit=1)
            return engine, PhotoStore(PHOTOS), LoggedHistories.load(LOG, settings.history_events)

        engine, photos, logged = load()
        return make_app(engine, photos, EventStore(settings.events_url), settings, load, logged)
    except MarketError as fault:
        sys.exit(f"Error: {fault}")


def make_app(
    engine: Engine,
    photos: PhotoStore,
    events: EventStore,
    settings: Settings,
    load: Callable[[], tuple[Engine, PhotoStore, LoggedHistories]] | None = None,
    logged: LoggedHistories | None = None,
) -> FastAPI:
    """The app over an engine, its listings' photos, and a store, which it closes at its end.

    `logged` has the histories from before the index was made; without it there are none. `load`
    returns engine, photos and histories anew, for a reload; without it there is none.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    counters = Counters(registry)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        def swap(renewed: Service) -> None:
            app.state.service = renewed

        if load is None:
            yield
        else:
            reloader = Reloader(lambda: renew(app.state.service, *load()), swap, counters.reloads)
            with reloader.on_hangup():
                yield
        events.close()

    app = FastAPIOffline(
        redoc_url=None,
        title="Listings: find, recommend, rank",
        version="1",
        description="Every answer says why: the contribution of each signal to its score. "
        'Every error is `{"error": "one line"}`.',
        openapi_tags=TAGS,
        lifespan=lifespan,
    )
    app.state.service = Service(
        engine=engine,
        photos=photos,
        version=version_of(photos),
        former={},
        photo_limits=limits_of(load_params("clean").model_dump()),
        events=events,
        settings=settings,
        counters=counters,
        queues=queues(settings, counters),
        logged=LoggedHistories.empty() if logged is None else logged,
    )
    app.add_middleware(HeadAsGet)
    limit, seconds = int(settings.max_upload_mb * 1e6), settings.max_upload_seconds
    app.add_middleware(BodyLimit, limit=limit, seconds=seconds)
    keyed: dict[str, Any] = {}
    if settings.api_key is not None:
        app.add_middleware(ApiKey, key=settings.api_key)
        # These only describe what that checks, so that /docs can send it.
        schemes = APIKeyHeader(name="X-API-Key", auto_error=False), HTTPBearer(auto_error=False)
        keyed = {"dependencies": [Depends(one) for one in schemes], "responses": {401: FAULT}}
    app.include_router(router, **keyed)
    app.include_router(health_router)
    app.add_api_route("/", lambda: FileResponse(STATIC / "index.html"), include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(BrowserHeaders)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    for fault in NO_STORE:
        app.add_exception_handler(fault, _no_store)
    app.add_exception_handler(MarketError, _not_ready)
    app.add_exception_handler(Exception, _failed)
    Instrumentator(registry=registry, excluded_handlers=["/metrics", "/healthz"]).instrument(
        app
    ).expose(app, include_in_schema=False)
    return app


def renew(
    service: Service, engine: Engine, photos: PhotoStore, logged: LoggedHistories | None = None
) -> Service:
    """The service over another index, its photos and histories; the events and the rest stay."""
    return replace(
        service,
        engine=engine,
        photos=photos,
        version=version_of(photos),
        former={service.version: service.photos},
        photo_limits=limits_of(load_params("clean").model_dump()),
        logged=service.logged if logged is None else logged,
        predictor=None,
    )


def version_of(photos: PhotoStore) -> str:
    """A name for this order of photos: the same in every service over it, and after a restart.

    From ids and lengths, as all the photos would take a while to read.
    """
    digest = hashlib.sha256()
    for batch in photos.batches():
        lengths = pc.binary_length(batch["photo"]).to_pylist()
        digest.update(repr((batch["image_id"].to_pylist(), lengths)).encode())
    return digest.hexdigest()[:16]


# --- Errors: one line each ------------------------------------------------------------------------
def _error(status: int, line: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": line}, status, headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    lines = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"][1:])
        said = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{place}: {said}" if place else said)
    return _error(422, "; ".join(lines))


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, error.detail, error.headers)


async def _no_store(_: Request, error: Exception) -> JSONResponse:
    log.error("event store: %s", " ".join(str(error).split()))
    return _error(503, "the event store does not answer: try again", RETRY)


async def _not_ready(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, MarketError)  # models that are not there
    return _error(503, str(error), RETRY)


async def _failed(_: Request, error: Exception) -> JSONResponse:
    # This answer passes by BrowserHeaders: it is made outside of all middleware.
    return _error(500, "an error of the service: it is in its log", HEADERS)
