"""Changes of listings: put, patch, sold, delete, photos, and many at once."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Response

from market.service import schemas
from market.service.duplicates import find_duplicates
from market.service.listing_bodies import (
    BULK_BODY,
    NDJSON,
    PATCH_BODY,
    PHOTOS_BODY,
    PUT_BODY,
    Lines,
    Listing,
    Photos,
)
from market.service.listing_editor import Edited
from market.service.listing_edits import Edit, EditRefused, etag
from market.service.queues import queued_route
from market.service.routes.dependencies import State
from market.service.routes.responses import BODY_ERRORS, ERROR, UNAVAILABLE
from market.service.state import ServiceState

LINES_AT_ONCE = 64  # of a bulk request: predicted, encoded and stored together

router = APIRouter(
    prefix="/listings",
    tags=["catalogue"],
    route_class=queued_route("catalogue", "catalogue"),
    responses={412: ERROR, 503: UNAVAILABLE},
)
IfMatch = Annotated[
    str | None, Header(description="Change the listing only if it has one of these versions.")
]
IfNoneMatch = Annotated[
    str | None, Header(description="`*`: store the listing only if there is none with this id.")
]


@router.put(
    "/{product_id:path}",
    summary="Store or replace a listing",
    openapi_extra=PUT_BODY,
    # 404: an id with a line break matches no route.
    responses={201: {"model": schemas.ChangedListing}, **BODY_ERRORS, 404: ERROR},
)
def put(
    state: State,
    product_id: schemas.ProductId,
    body: Listing,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> schemas.ChangedListing:
    """Store a listing: 201 if it is new, 200 if it replaces one.

    The fields replace all former ones. The photos stay, unless a multipart form has `photos`. The
    same request again changes nothing.
    """
    edit = Edit(
        product_id, "put", body.fields, body.photos, _tags(if_match), _is_any(if_none_match)
    )
    return _answer(state, edit, response)


@router.patch(
    "/{product_id:path}",
    summary="Change fields of a listing",
    openapi_extra=PATCH_BODY,
    responses={**BODY_ERRORS, 404: ERROR},
)
def patch(
    state: State,
    product_id: schemas.ProductId,
    body: Listing,
    response: Response,
    if_match: IfMatch = None,
) -> schemas.ChangedListing:
    """Change the fields that the body states (RFC 7396); a null removes a field."""
    edit = Edit(product_id, "patch", body.fields, body.photos, _tags(if_match))
    return _answer(state, edit, response)


@router.delete(
    "/{product_id:path}", summary="Delete a listing", status_code=204, responses={404: ERROR}
)
def delete(state: State, product_id: schemas.ProductId, if_match: IfMatch = None) -> None:
    """Delete a listing with its photos. A listing that is already deleted stays so (204)."""
    _edit(state, Edit(product_id, "delete", if_match=_tags(if_match)))


@router.post(
    "/bulk",
    summary="Change many listings",
    openapi_extra=BULK_BODY,
    response_class=Response,
    responses={
        200: {"content": {NDJSON: {"schema": {"type": "string"}}},
              "description": "A result for each line, as JSON on a line."},
        **BODY_ERRORS,
    },
)  # fmt: skip
def bulk(state: State, lines: Lines) -> Response:
    """Carry out each line for itself: a faulty one does not stop the others.

    A line is a listing as for PUT, with its `product_id`, and optionally `action`: put (the
    default), patch, sold or delete. Answers have a line for each.
    """
    results: dict[int, schemas.BulkResult] = {}
    waiting: dict[int, Edit] = {}

    def carry_out() -> None:
        outcomes = state.editor.store([*waiting.values()])
        for (number, edit), outcome in zip(waiting.items(), outcomes, strict=True):
            results[number] = _result(number, edit, outcome)
        waiting.clear()

    for number, line, product_id in lines:
        if isinstance(line, str):
            results[number] = schemas.BulkResult(
                line=number, product_id=product_id, status=422, error=line
            )
            continue
        is_repeated = any(edit.product_id == line.product_id for edit in waiting.values())
        if is_repeated or len(waiting) >= LINES_AT_ONCE:
            carry_out()
        waiting[number] = Edit(line.product_id, line.action, line.stated())
    carry_out()
    state.catalogue.apply()
    written = [results[number].model_dump_json(exclude_none=True) for number in sorted(results)]
    return Response("\n".join(written) + "\n", media_type=NDJSON)


@router.post("/{product_id:path}/sold", summary="Mark a listing as sold", responses={404: ERROR})
def sold(
    state: State, product_id: schemas.ProductId, response: Response, if_match: IfMatch = None
) -> schemas.ChangedListing:
    """Mark a listing as sold: it is found only with `include_unavailable` from now on."""
    return _answer(state, Edit(product_id, "sold", if_match=_tags(if_match)), response)


@router.post(
    "/{product_id:path}/photos",
    summary="Add photos to a listing",
    openapi_extra=PHOTOS_BODY,
    responses={**BODY_ERRORS, 404: ERROR},
)
def photos(
    state: State,
    product_id: schemas.ProductId,
    body: Photos,
    response: Response,
    if_match: IfMatch = None,
) -> schemas.ChangedListing:
    """Add photos behind those that the listing has."""
    edit = Edit(product_id, "photos", photos=body.photos, if_match=_tags(if_match))
    return _answer(state, edit, response)


def _tags(header: str | None) -> frozenset[str] | None:
    """Return the entity tags of a header; a proxy that compresses marks them as weak."""
    if header is None:
        return None
    return frozenset(tag.strip().removeprefix("W/") for tag in header.split(","))


def _is_any(header: str | None) -> bool:
    return header is not None and header.strip() == "*"


def _edit(state: ServiceState, edit: Edit) -> Edited:
    (outcome,) = state.editor.edit([edit])
    if isinstance(outcome, EditRefused):
        raise HTTPException(outcome.status, str(outcome))
    return outcome


def _answer(state: ServiceState, edit: Edit, response: Response) -> schemas.ChangedListing:
    """Carry out an edit, and describe the listing after it."""
    outcome = _edit(state, edit)
    listing = outcome.listing
    current = state.with_view(state.catalogue.view)
    if outcome.is_new:
        response.status_code = 201
    response.headers["ETag"] = etag(listing)
    unusable = [schemas.UnusablePhoto(photo=n, reason=reason) for n, reason in outcome.unusable]
    prediction = None
    if listing.prediction is not None:
        prediction = schemas.Prediction(**{**listing.prediction, "unusable": unusable})
    return schemas.ChangedListing(
        product_id=listing.product_id,
        version=etag(listing),
        **_summary(outcome),
        prediction=prediction,
        unusable=unusable,
        photos=current.photo_urls(listing.product_id),
        expires_at=listing.expires_at,
        duplicates=[
            schemas.Duplicate(**copy._asdict())
            for copy in find_duplicates(current.engine, listing.product_id)
        ],
    )


def _summary(outcome: Edited) -> dict[str, Any]:
    """Return the category and the price, as users find them."""
    prediction = outcome.listing.prediction or {}
    levels, source = outcome.levels, "seller" if outcome.levels else None
    if not levels and (predicted := prediction.get("category")):
        levels, source = [predicted], "predicted"
    return {
        "category": levels,
        "category_source": source,
        "price_expected": prediction.get("price"),
        "price_flag": prediction.get("price_flag"),
    }


def _result(number: int, edit: Edit, outcome: Edited | EditRefused) -> schemas.BulkResult:
    if isinstance(outcome, EditRefused):
        return schemas.BulkResult(
            line=number, product_id=edit.product_id, status=outcome.status, error=str(outcome)
        )
    is_gone = edit.action == "delete"
    status = 204 if is_gone else 201 if outcome.is_new else 200
    summary = {} if is_gone else {**_summary(outcome), "version": etag(outcome.listing)}
    return schemas.BulkResult(line=number, product_id=edit.product_id, status=status, **summary)
