"""The endpoints: each checks its input, asks the engine, and puts the answer into words.

Handlers are plain functions, which FastAPI runs in threads: a search computes for milliseconds and
must not keep other requests waiting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
import sqlalchemy.exc
from fastapi import APIRouter, Depends, Form, HTTPException, Path, Query, Request, Response
from PIL import Image
from prometheus_client import CollectorRegistry, Counter

from search import schemas
from search.events import EventStore
from search.reasons import OF_LISTING, OF_WORDS, explain
from search.settings import Settings
from shared.engine import Answer, Engine, Filters
from shared.photo_store import PhotoStore
from shared.photos import UnusablePhoto, decode_photo
from shared.torch_setup import set_up_torch

if TYPE_CHECKING:
    from predict import Predictor

FAULT: dict[str, Any] = {"model": schemas.Fault}
# A photo of 50 megapixels takes 150 MB for a moment: not many at a time.
DECODING = BoundedSemaphore(2)
PREDICTING = Lock()  # encoders' tokenizers are for one thread at a time


@dataclass
class Service:
    """What the endpoints share."""

    engine: Engine
    photos: PhotoStore
    events: EventStore
    settings: Settings
    photo_size: int  # side of the square that a photo is searched by
    photo_limits: dict[str, Any]  # min_side, max_megapixels
    # Photos are numbered anew when the index is built, and the service keeps to the one it began
    # with: a URL that names the start always means the same photo.
    version: str
    registry: CollectorRegistry
    predictor: Predictor | None = None  # loaded when first asked
    kept: Counter = field(init=False)

    def __post_init__(self) -> None:
        self.kept = Counter(
            "search_events", "Events kept, by kind.", ["event"], registry=self.registry
        )


async def _service(request: Request) -> Service:
    return request.app.state.service


Serving = Annotated[Service, Depends(_service)]
router = APIRouter(responses={422: FAULT})


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
    history = None
    if user is not None:
        history = service.events.history(user, service.settings.history_events)
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
@router.get("/api/search", tags=["find"], summary="Search in words")
def search(service: Serving, query: Annotated[schemas.Query, Query()]) -> schemas.Results:
    """Listings that match the words, ranked for the user where one is named.

    Typing errors are mended, and the answer says so (`understood`). Without words, all listings
    that pass the filters.
    """
    asked = _asked(service, query, query.user)
    return _results(service, service.engine.search(query.q, **asked), asked, OF_WORDS)


@router.post(
    "/api/search/photo",
    tags=["find"],
    summary="Search by photo, and words",
    responses={413: FAULT},
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
            picture, _, _ = decode_photo(data, size=service.photo_size, **service.photo_limits)
        except UnusablePhoto as reason:
            raise HTTPException(422, f"photo: {reason}") from None
    return picture


@router.get(
    "/api/similar/{product_id}",
    tags=["find"],
    summary="Listings like this one",
    responses={404: FAULT},
)
def similar(
    service: Serving,
    product_id: Annotated[str, schemas.PRODUCT_ID],
    query: Annotated[schemas.Similar, Query()],
) -> schemas.Results:
    """By text and photo, never the same product or a copy of it."""
    asked = _asked(service, query, query.user)
    try:
        answer = service.engine.similar(product_id, **asked)
    except KeyError:
        raise _unknown(product_id) from None
    return _results(service, answer, asked, OF_LISTING)


@router.get("/api/recommend/{user_id}", tags=["find"], summary="Listings for a user")
def recommend(
    service: Serving, user_id: schemas.UserId, query: Annotated[schemas.Page, Query()]
) -> schemas.Results:
    """From what the user did so far; a user without events gets a mix."""
    asked = _asked(service, query, user_id)
    return _results(service, service.engine.recommend(**asked), asked, {})


# --- Look -----------------------------------------------------------------------------------------
@router.get(
    "/api/products/{product_id}", tags=["look"], summary="One listing", responses={404: FAULT}
)
def product(service: Serving, product_id: Annotated[str, schemas.PRODUCT_ID]) -> schemas.Product:
    try:
        return schemas.Product(**_card(service, product_id))
    except KeyError:
        raise _unknown(product_id) from None


def _unknown(product_id: str) -> HTTPException:
    return HTTPException(404, f"there is no product {product_id!r}")


@router.get(
    "/api/photos/{number}",
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
    try:
        content = service.photos[number]
    except IndexError:
        raise HTTPException(404, f"there is no photo {number}") from None
    lasting = "public, max-age=31536000, immutable"
    caching = lasting if v == service.version else "no-cache"
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": caching})


@router.get("/api/categories", tags=["look"], summary="All categories")
def categories(service: Serving) -> list[schemas.Category]:
    """Every category of every level."""
    return [schemas.Category(path=path, count=count) for path, count in service.engine.categories()]


@router.get("/api/places", tags=["look"], summary="Places to search near")
def places(service: Serving) -> list[str]:
    """Where listings are, the commonest first; `near` knows other towns too."""
    return service.engine.places()


# --- Tell -----------------------------------------------------------------------------------------
@router.post(
    "/api/events",
    tags=["tell"],
    summary="Something a user did",
    status_code=201,
    responses={404: FAULT, 503: FAULT},
)
def event(service: Serving, new: schemas.NewEvent) -> schemas.Kept:
    """Kept for good once it is answered, and part of the user's very next answer."""
    try:
        service.engine.listing(new.product_id)
    except KeyError:
        raise _unknown(new.product_id) from None
    number = service.events.add(new.user_id, new.product_id, new.event, new.timestamp)
    service.kept.labels(new.event).inc()
    return schemas.Kept(id=number)


# --- Predict --------------------------------------------------------------------------------------
@router.post(
    "/api/predict",
    tags=["predict"],
    summary="Category and price of a new listing",
    responses={413: FAULT},
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
            from predict import Predictor  # it brings what a search has no use for

            service.predictor = Predictor(set_up_torch(seed=0))
        table, reasons = service.predictor(rows, pd.Series(["new"] * len(photos)), photos)
    found = table.iloc[0]
    return schemas.Prediction(
        **{name: found[name] for name in ("category", "price", "price_low", "price_high")},
        price_flag=found["price_flag"] or None,
        probabilities={name: found[f"p_{name}"] for name in service.predictor.classes},
        unusable=[
            schemas.Unusable(photo=number, reason=reason)
            for number, reason in enumerate(reasons, start=1)
            if reason is not None
        ],
    )


# --- Run ------------------------------------------------------------------------------------------
@router.get("/healthz", tags=["run"], summary="Whether it works", responses={503: FAULT})
def health(service: Serving) -> schemas.Health:
    """200 where the index is loaded and the event store answers."""
    try:
        service.events.check()
    except sqlalchemy.exc.DBAPIError:
        raise HTTPException(503, "the event store does not answer") from None
    return schemas.Health(status="ok")
