"""The service: the engine's answers over HTTP, what users do kept, and a page to use it from.

`python -m uvicorn --app-dir stages search.app:create_app --factory`, or `make serve`, from the
project's folder, after `dvc repro`. Settings: docs/serve.md.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import sqlalchemy.exc
from click import ClickException
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from PIL import Image
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_fastapi_instrumentator import Instrumentator
from starlette.exceptions import HTTPException

from search.api import Service, router
from search.events import EventStore
from search.guards import BodyLimit, BrowserHeaders
from search.settings import Settings
from shared.engine import Engine
from shared.inputs import require
from shared.params import load_params
from shared.photo_store import PhotoStore
from shared.torch_setup import set_up_torch

INDEX, RANK, EMBED = (Path(f"models/{name}") for name in ("index", "rank", "embed"))
PHOTOS = Path("data/clean/photos")
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
        require(INDEX, RANK, EMBED, PHOTOS)
        device = set_up_torch(seed=0)
        engine = Engine.load(INDEX, RANK, EMBED, device=str(device))
        # The networks load when they are first asked: now, rather than while somebody waits.
        engine.search("warm up", photo=Image.new("RGB", (8, 8)), limit=1)
        return make_app(engine, PhotoStore(PHOTOS), EventStore(settings.events_url), settings)
    except ClickException as fault:
        sys.exit(f"Error: {fault.message}")


def make_app(engine: Engine, photos: PhotoStore, events: EventStore, settings: Settings) -> FastAPI:
    """The app over an engine, its listings' photos, and a store, which it closes at its end."""
    limits = load_params("clean")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
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
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    app.state.service = Service(
        engine=engine,
        photos=photos,
        events=events,
        settings=settings,
        photo_size=limits["photo_size"],
        photo_limits={name: limits[name] for name in ("min_side", "max_megapixels")},
        version=f"{time.time_ns():x}",
        registry=registry,
    )
    app.include_router(router)
    app.add_api_route("/", lambda: FileResponse(STATIC / "index.html"), include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(BodyLimit, limit=int(settings.max_upload_mb * 1e6))
    app.add_middleware(BrowserHeaders)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(sqlalchemy.exc.DBAPIError, _no_store)
    app.add_exception_handler(ClickException, _not_ready)
    app.add_exception_handler(Exception, _failed)
    Instrumentator(registry=registry, excluded_handlers=["/metrics", "/healthz"]).instrument(
        app
    ).expose(app, include_in_schema=False)
    return app


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
    return _error(503, "the event store does not answer: try again")


async def _not_ready(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ClickException)  # models that are not there
    return _error(503, error.message)


async def _failed(_: Request, error: Exception) -> JSONResponse:
    return _error(500, "an error of the service: it is in its log")
