"""Bodies of requests that change listings: JSON, multipart forms with photos, and NDJSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, TypeVar

from fastapi import Depends, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile

from market.data.photo_formats import FORMATS_DESCRIPTION
from market.service.errors import describe_faults
from market.service.schemas import BulkLine, ListingFields
from market.service.schemas.fields import USE_KNOWN, describe_unknown

MAX_LINES = 10_000  # of a bulk request; `max_upload_mb` limits its size
MULTIPART = "multipart/form-data"
NDJSON = "application/x-ndjson"


Model = TypeVar("Model", bound=BaseModel)


class ListingBody(NamedTuple):
    """The fields that a request states, and the files of its photos; None if it has no photos."""

    fields: dict[str, Any]
    photos: tuple[bytes, ...] | None


def _content(*, with_listing: bool, json_types: tuple[str, ...]) -> dict[str, Any]:
    """Return the description of a body for the OpenAPI schema, by its media type."""
    fields = ListingFields.model_json_schema()
    photos = {
        "type": "array",
        "items": {"type": "string", "format": "binary"},
        "description": f"{FORMATS_DESCRIPTION} files.",
    }
    form: dict[str, Any] = {"type": "object", "properties": {"photos": photos},
                            "additionalProperties": False}  # fmt: skip
    encoding = {}
    if with_listing:
        form["properties"]["listing"] = fields
        encoding = {"encoding": {"listing": {"contentType": "application/json"}}}
    else:
        form["required"] = ["photos"]
    content: dict[str, Any] = {name: {"schema": fields} for name in json_types}
    content[MULTIPART] = {"schema": form, **encoding}
    return {"requestBody": {"required": True, "content": content}}


PUT_BODY = _content(with_listing=True, json_types=("application/json",))
PATCH_BODY = _content(
    with_listing=True, json_types=("application/json", "application/merge-patch+json")
)
PHOTOS_BODY = _content(with_listing=False, json_types=())
BULK_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            NDJSON: {"schema": {"type": "string", "description": "A listing on each line."}}
        },
    }
}


async def read_listing(request: Request) -> ListingBody:
    """Read the body of a request to put or to patch a listing.

    Raises
    ------
    RequestValidationError
        A field is unknown or of another type.
    HTTPException
        422: the body is not JSON, or the form has another field.
    """
    if not _is_multipart(request):
        return ListingBody(_validated(ListingFields, _parse(await request.body())).stated(), None)
    form = await request.form()
    _check_names(form, ("listing", "photos"))
    listing = form.get("listing", "{}")
    text = await listing.read() if isinstance(listing, UploadFile) else listing
    fields = _validated(ListingFields, _parse(text)).stated()
    return ListingBody(fields, await _files(form))


async def read_photos(request: Request) -> ListingBody:
    """Read the body of a request that adds photos.

    Raises
    ------
    HTTPException
        422: the form has no photo, or another field.
    """
    form = await request.form()
    _check_names(form, ("photos",))
    photos = await _files(form)
    if not photos:
        raise HTTPException(422, "photos: is missing")
    return ListingBody({}, photos)


async def read_lines(request: Request) -> list[tuple[int, BulkLine | str, str | None]]:
    """Read the lines of a bulk request.

    Returns
    -------
    list of tuple
        Of each line with content its number from 1, its listing or the reason why it cannot be
        read, and the id that it states, if there is one.

    Raises
    ------
    HTTPException
        413: there are too many lines. 422: there is none.
    """
    lines = [(number, line) for number, line in enumerate((await request.body()).split(b"\n"), 1)
             if line.strip()]  # fmt: skip
    if len(lines) > MAX_LINES:
        raise HTTPException(413, f"the request has {len(lines)} lines: send at most {MAX_LINES}")
    if not lines:
        raise HTTPException(422, "the request has no lines: send a JSON object on each")
    return [(number, *_read_line(line)) for number, line in lines]


def _read_line(line: bytes) -> tuple[BulkLine | str, str | None]:
    try:
        content = _parse(line)
    except HTTPException as error:
        return str(error.detail), None
    product_id = content.get("product_id") if isinstance(content, Mapping) else None
    shown = product_id if isinstance(product_id, str) else None
    try:
        return _validated(BulkLine, content), shown
    except RequestValidationError as error:
        return describe_faults(error.errors(), skipped=1), shown


Listing = Annotated[ListingBody, Depends(read_listing)]
Photos = Annotated[ListingBody, Depends(read_photos)]
Lines = Annotated[list[tuple[int, BulkLine | str, str | None]], Depends(read_lines)]


def _is_multipart(request: Request) -> bool:
    return request.headers.get("content-type", "").lower().startswith(MULTIPART)


def _parse(text: str | bytes) -> Any:
    try:
        content = json.loads(text)
        # JSON may escape half of a character, which no database and no encoder accepts.
        json.dumps(content, ensure_ascii=False).encode()
        return content
    except (ValueError, RecursionError) as error:  # a UnicodeError is a ValueError
        reason = " ".join(str(error).split())[:100]
        raise HTTPException(422, f"not valid JSON: {reason}") from None


def _validated(model: type[Model], content: Any) -> Model:
    if not isinstance(content, Mapping):
        raise HTTPException(422, "not a JSON object")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from None


def _check_names(form: FormData, known: tuple[str, ...]) -> None:
    for name in form:
        if name not in known:
            raise HTTPException(422, describe_unknown(name, known, USE_KNOWN))


async def _files(form: FormData) -> tuple[bytes, ...] | None:
    """Return the photos of a form; None without any."""
    if "photos" not in form:
        return None
    files = []
    for photo in form.getlist("photos"):
        if isinstance(photo, UploadFile):
            files.append(await photo.read())
        elif photo:
            raise HTTPException(422, "photos: is not a file")
    return tuple(files)
