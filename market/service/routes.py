"""The endpoints: each checks its input, asks the engine, and puts the answer into words.

Handlers are plain functions, which FastAPI runs in threads: a search computes for milliseconds and
must not keep other requests waiting.
"""

from __future__ import annotations

import math
from collections import Counter as Counts
from dataclasses import dataclass
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
import sqlalchemy.exc
from fastapi import APIRouter, Depends, Form, HTTPException, Path, Query, Request, Response
from PIL import Image
from prometheus_client import CollectorRegistry, Counter, Gauge

from market.core.torch_setup import set_up_torch
from market.data.images import UnusablePhoto, decode_photo
from market.data.photo_store import PhotoStore
from market.search.engine import Answer, Engine, Filters
from market.search.ranker import SEARCH_TEXTS, SIMILAR_TEXTS
from market.service import schemas
from market.service.admission import Admission, Queue, admitted_to
from market.service.events import EventStore
from market.service.histories import LoggedHistories, merge_histories
from market.service.reasons import explain
from market.service.settings import Settings

if TYPE_CHECKING:
    from market.predict import Predictor

FAULT: dict[str, Any] = {"model": schemas.Fault}
# A photo of 50 megapixels takes 150 MB for a moment: not many at a time.
DECODING = BoundedSemaphore(2)
PREDICTING = Lock()  # encoders' tokenizers are for one thread at a time
NO_STORE = (sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError)
RETRY = {"Retry-After": "5"}  # for a part that does not answer: it may take a while
EVENT_BYTES = 100_000  # of an event's body, which has a few hundred: read as JSON it grows tenfold
WRITERS = 8  # events written at once; the store has 15 connections, for searches too


class Counters:
    """What is counted besides requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def count(name: str, about: str, label: str) -> Counter:
            return Counter(f"search_{name}", about, [label], registry=registry)

        self.events = count("events", "Events kept, by kind.", "event")
        self.refused = count("refused", "Requests that found no room, by queue.", "queue")
        self.reloads = count("reloads", "Reloads of the index, by outcome.", "outcome")

        def level(name: str, about: str) -> Gauge:
            return Gauge(f"search_{name}", about, ["queue"], registry=registry)

        self.under_way = level("under_way", "Requests that have their turn, by queue.")
        self.held = level("body_bytes", "Bytes of requests' bodies in memory, by queue.")


@dataclass
class Service:
    """What the endpoints share. A reload replaces the whole: each request keeps to the one that it
    began with."""

    engine: Engine
    photos: PhotoStore
    version: str  # of the photos: a URL that names it always means the same photo
    former: dict[str, PhotoStore]  # by version: for pages that were open before a reload
    photo_limits: dict[str, Any]  # of decode_photo, as stage clean has them
    events: EventStore
    settings: Settings
    counters: Counters
    queues: dict[str, Queue]
    logged: LoggedHistories  # from before the index was made; `events` has the later ones
    predictor: Predictor | None = None  # loaded when first asked

    def history(self, user_id: str) -> pd.DataFrame:
        """The last events of a user, from the log and the event store, in order of time."""
        last = self.settings.history_events
        return merge_histories(self.logged.of(user_id), self.events.history(user_id, last), last)


async def _service(request: Request) -> Service:
    return request.app.state.service


def queues(settings: Settings, counters: Counters) -> dict[str, Queue]:
    """One for each kind of work, so that none waits for another."""
    upload = int(settings.max_upload_mb * 1e6)
    kinds = {
        "search": (settings.max_at_once, upload),
        "predict": (1, upload),
        "events": (WRITERS, min(EVENT_BYTES, upload)),
    }

    def queue(name: str, at_once: int, max_bytes: int) -> Queue:
        refused = counters.refused.labels(name)
        bodies, turns = (
            Admission(places, settings.max_waiting, settings.max_wait_seconds, refused)
            for places in (settings.max_uploads, at_once)
        )
        counters.under_way.labels(name).set_function(lambda: turns.under_way)
        queue = Queue(bodies, turns, max_bytes)
        counters.held.labels(name).set_function(lambda: queue.bytes_held)
        return queue

    return {name: queue(name, *limits) for name, limits in kinds.items()}


async def _once(request: Request) -> None:
    """Refuse what is given more than once: one of its values would be ignored in silence."""
    names = [name for name, _ in request.query_params.multi_items()]
    if request.method == "POST":  # it was read before, where it is a form
        names += [name for name, _ in (await request.form()).multi_items()]
    counts = Counts(name for name in names if name not in schemas.LISTS)
    if repeated := [name for name, count in counts.items() if count > 1]:
        raise HTTPException(422, f"{repeated[0]}: given more than once")


Serving = Annotated[Service, Depends(_service)]
BUSY: dict[str, Any] = {
    **FAULT,
    "description": "Too much at once, or a part that does not answer: try again.",
    "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
}
UPLOAD: dict[int | str, dict[str, Any]] = {code: FAULT for code in (400, 408, 413, 415)}
router = APIRouter(prefix="/api", dependencies=[Depends(_once)], responses={422: FAULT})
# What waits for its turn, by queue; all other endpoints answer at once.
finding, telling, foretelling = (
    APIRouter(tags=[tag], route_class=admitted_to(queue), responses={503: BUSY})
    for tag, queue in (("find", "search"), ("tell", "events"), ("predict", "predict"))
)
health_router = APIRouter()  # for whom no key is needed


# --- In words -------------------------------------------------------------------------------------
def _asked(service: Service, page: schemas.Page, user: str | None) -> dict[str, Any]:
    """The arguments that all of the engine's questions share."""
    filters = Filters(
        price_min=page.price_min,
        price_max=page.price_max,
        category=page.category or None,
        near=page.near or None,
        radius_km=page.radius_km,
        flagged=page.flagged,
    )
    history = None if user is None else service.history(user)
    return {"history": history, "filters": filters, "limit": page.limit, "offset": page.offset}


def _number(value: float | None) -> float | None:
    """JSON knows no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)


def _photos(service: Service, numbers: list[int]) -> list[str]:
    return [f"api/photos/{number}?v={service.version}" for number in numbers]


def _card(service: Service, product_id: str) -> dict[str, Any]:
    """The fields of schemas.Product; raises KeyError for a product that is not there."""
    listing = service.engine.listing(product_id)
    photos = _photos(service, listing["photos"])
    return {
        **listing,
        "price": _number(listing["price"]),
        "price_flag": listing["price_flag"] or None,
        "price_expected": _number(listing["price_expected"]),
        "photo": photos[0] if photos else None,
        "photos": photos,
    }


def _results(
    service: Service, answer: Answer, asked: dict[str, Any], words: dict[str, str]
) -> schemas.Results:
    """`asked` is what _asked gave, `words` those of signals that mean something special here."""
    history, near = asked["history"], asked["filters"].near
    newcomer = history is None or history.empty
    return schemas.Results(
        hits=[
            schemas.Hit(
                **_card(service, hit.product_id),
                score=hit.score,
                why=explain(hit.why, words, newcomer=newcomer, near=near),
                distance_km=_number(hit.distance_km),
            )
            for hit in answer.hits
        ],
        total=answer.total,
        understood=answer.understood,
        unplaced=answer.unplaced,
    )


# --- Find -----------------------------------------------------------------------------------------
@finding.get(
    "/search",
    summary="Search in words",
)
def search(service: Serving, query: Annotated[schemas.Query, Query()]) -> schemas.Results:
    """Listings that match the words, ranked for the user where one is named.

    Typing errors are mended, and the answer says so (`understood`). Without words, all listings
    that pass the filters.
    """
    asked = _asked(service, query, query.user)
    return _results(service, service.engine.search(query.q, **asked), asked, SEARCH_TEXTS)


@finding.post(
    "/search/photo",
    summary="Search by photo, and words",
    responses=UPLOAD,
)
def search_photo(
    service: Serving,
    query: Annotated[schemas.PhotoQuery, Form(media_type="multipart/form-data")],
) -> schemas.Results:
    """Listings that look like the photo; with `q`, that match its words too."""
    asked = _asked(service, query, query.user)
    photo = _decode(service, query.photo.file.read())
    return _results(service, service.engine.search(query.q, photo=photo, **asked), asked, {})


def _decode(service: Service, data: bytes) -> Image.Image:
    with DECODING:
        try:
            picture, _, _ = decode_photo(data, **service.photo_limits)
        except UnusablePhoto as reason:
            raise HTTPException(422, f"photo: {reason}") from None
    return picture


@finding.get(
    "/similar/{product_id:path}",
    summary="Listings like this one",
    responses={404: FAULT},
)
def similar(
    service: Serving,
    product_id: schemas.ProductId,
    query: Annotated[schemas.Similar, Query()],
) -> schemas.Results:
    """By text and photo, never the same product or a copy of it."""
    asked = _asked(service, query, query.user)
    try:
        answer = service.engine.similar(product_id, **asked)
    except KeyError:
        raise _unknown(product_id) from None
    return _results(service, answer, asked, SIMILAR_TEXTS)


@finding.get(
    "/recommend/{user_id:path}",
    summary="Listings for a user",
)
def recommend(
    service: Serving, user_id: schemas.UserId, query: Annotated[schemas.Page, Query()]
) -> schemas.Results:
    """From what the user did so far, in the log and since; a user without events gets a mix."""
    asked = _asked(service, query, user_id)
    return _results(service, service.engine.recommend(**asked), asked, {})


router.include_router(finding)


# --- Look -----------------------------------------------------------------------------------------
@router.get(
    "/products/{product_id:path}", tags=["look"], summary="One listing", responses={404: FAULT}
)
def product(service: Serving, product_id: schemas.ProductId) -> schemas.Product:
    try:
        return schemas.Product(**_card(service, product_id))
    except KeyError:
        raise _unknown(product_id) from None


def _unknown(product_id: str) -> HTTPException:
    return HTTPException(404, f"there is no product {product_id!r}")


@router.get(
    "/photos/{number}",
    tags=["look"],
    summary="A photo",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 404: FAULT},
)
def photo(
    service: Serving,
    number: Annotated[int, Path(ge=0, le=10**9)],
    v: Annotated[str, Query(max_length=50, description="As in a listing's URLs.")] = "",
) -> Response:
    """With `v` it never changes, and is gone some time after a reload; without, it is the present
    one of this number."""
    stores = {**service.former, service.version: service.photos, "": service.photos}
    try:
        content = stores[v][number]
    except LookupError:
        raise HTTPException(404, f"there is no photo {number}") from None
    # Only whoever has the key may have it from a cache.
    whose = "public" if service.settings.api_key is None else "private"
    caching = f"{whose}, max-age=31536000, immutable" if v else "no-cache"
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": caching})


@router.get("/categories", tags=["look"], summary="All categories")
def categories(service: Serving) -> list[schemas.Category]:
    """Every category of every level."""
    return [schemas.Category(path=path, count=count) for path, count in service.engine.categories()]


@router.get("/places", tags=["look"], summary="Places to search near")
def places(service: Serving) -> list[str]:
    """Where listings are, the commonest first; `near` knows other towns too."""
    return service.engine.places()


# --- Tell -----------------------------------------------------------------------------------------
@telling.post(
    "/events",
    summary="Something a user did",
    status_code=201,
    responses={**UPLOAD, 404: FAULT},
)
def event(service: Serving, new: schemas.NewEvent) -> schemas.Kept:
    """Kept for good once it is answered, and part of the user's very next answer."""
    try:
        service.engine.listing(new.product_id)
    except KeyError:
        raise _unknown(new.product_id) from None
    number = service.events.add(new.user_id, new.product_id, new.event, new.timestamp)
    service.counters.events.labels(new.event).inc()
    return schemas.Kept(id=number)


router.include_router(telling)


# --- Predict --------------------------------------------------------------------------------------
@foretelling.post(
    "/predict",
    summary="Category and price of a new listing",
    responses=UPLOAD,
)
def predict(
    service: Serving,
    new: Annotated[schemas.NewListing, Form(media_type="multipart/form-data")],
) -> schemas.Prediction:
    """By the models of `stages/predict.py`, from whatever is given: text, photos, or both.

    They load at the first request, which takes some seconds longer.
    """
    given = {
        "id": "new",
        "product_name": new.name.strip(),
        "product_description": new.description.strip(),
        "location": new.location.strip(),
        "price": "" if new.price is None else f"{new.price:.2f}",
    }
    # As read_table gives a row of Products.csv: what is empty is missing.
    rows = pd.DataFrame({name: [text or pd.NA] for name, text in given.items()}, dtype="str")
    photos = [photo.file.read() for photo in new.photos]
    with PREDICTING:
        if service.predictor is None:
            from market.predict import Predictor  # it brings what a search has no use for

            service.predictor = Predictor(set_up_torch(seed=0))
        table, reasons = service.predictor(rows, pd.Series(["new"] * len(photos)), photos)
    found = table.iloc[0]
    return schemas.Prediction(
        **{name: found[name] for name in ("category", "price", "price_low", "price_high")},
        coverage=service.predictor.price_model.coverage,
        price_flag=found["price_flag"] or None,
        probabilities={name: found[f"p_{name}"] for name in service.predictor.classes},
        unusable=[
            schemas.Unusable(photo=number, reason=reason)
            for number, reason in enumerate(reasons, start=1)
            if reason is not None
        ],
    )


router.include_router(foretelling)


# --- Run ------------------------------------------------------------------------------------------
@health_router.get("/healthz", tags=["run"], summary="Whether it works", responses={503: BUSY})
def health(service: Serving) -> schemas.Health:
    """200 where the index is loaded and the event store answers."""
    try:
        service.events.check()
    except NO_STORE:
        raise HTTPException(503, "the event store does not answer", RETRY) from None
    return schemas.Health(status="ok")
