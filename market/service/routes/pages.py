"""The pages: the start page with its results, and a page for each listing."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from market.core.errors import MarketError
from market.service import schemas
from market.service.attribute_parameters import parse_conditions
from market.service.page import PAGE_SIZE, given_parameters, render_listing, render_search
from market.service.page_texts import listing_url
from market.service.routes.dependencies import State
from market.service.routes.listings import describe_product
from market.service.routes.listings import settings as marketplace_settings
from market.service.routes.search import search, similar
from market.service.state import ServiceState

SIMILAR_LISTINGS = 12
# The script of a page asks for the same again with the user's id; that answer is recorded.
IS_RECORDED = False
router = APIRouter(include_in_schema=False)


@router.get("/")
async def start_page(request: Request, state: State) -> Response:
    """Return the start page, or the first page of the results that the address asks for."""
    given = given_parameters(request.query_params.multi_items())
    if "product" in given:  # an address from before listings had pages
        return RedirectResponse(listing_url(given["product"][0]), 308)
    if state.settings.needs_key:
        return HTMLResponse(render_search(None, None, given, None))
    try:
        async with state.queues["search"].turns.turn(request.is_disconnected):
            return await run_in_threadpool(_search_page, state, given)
    except HTTPException as refusal:  # too many requests at once: the page's script tries again
        page = await run_in_threadpool(_error_page, state, given, refusal.detail)
        return HTMLResponse(page, refusal.status_code, refusal.headers)


@router.get("/listing/{product_id:path}")
async def listing_page(request: Request, state: State, product_id: str) -> Response:
    """Return the page of a listing."""
    root = "../" * (1 + _raw_path(request).partition("/listing/")[2].count("/"))
    base_url = str(request.base_url)
    if state.settings.needs_key:
        page = render_listing(None, None, product_id, None, root=root, base_url=base_url)
        return HTMLResponse(page)
    try:
        async with state.queues["search"].turns.turn(request.is_disconnected):
            return await run_in_threadpool(
                _listing_page, state, product_id, request.query_params.get("near"), root, base_url
            )
    except HTTPException as refusal:
        settings = marketplace_settings(state)
        page = render_listing(state, settings, product_id, None, root=root, base_url=base_url)
        return HTMLResponse(page, refusal.status_code, refusal.headers)


def _search_page(state: ServiceState, given: dict[str, list[str]]) -> Response:
    """Return the page of a search: with its results, or with what is wrong with it."""
    fields = {name: values if len(values) > 1 else values[0] for name, values in given.items()}
    fields.pop("saved", None)  # what the user saved is known to the browser alone
    try:
        query = schemas.SearchQuery.model_validate({"limit": PAGE_SIZE, "facets": True} | fields)
        pairs = [(name, value) for name, values in given.items() for value in values]
        conditions = parse_conditions(pairs, state.engine.catalogue.attributes)
        results = search(state, conditions, IS_RECORDED, query)
    except ValidationError as error:
        faults = [fault["msg"].removeprefix("Value error, ") for fault in error.errors()]
        return HTMLResponse(_error_page(state, given, "; ".join(faults)), 422)
    except (MarketError, HTTPException) as error:
        status = getattr(error, "status_code", 422)
        message = getattr(error, "detail", str(error))
        return HTMLResponse(_error_page(state, given, message), status)
    return HTMLResponse(render_search(state, marketplace_settings(state), given, results))


def _error_page(state: ServiceState, given: dict[str, list[str]], error: str) -> str:
    return render_search(state, marketplace_settings(state), given, None, error)


def _listing_page(
    state: ServiceState, product_id: str, near: str | None, root: str, base_url: str
) -> Response:
    status, listing, neighbours = 200, None, None
    try:
        listing = describe_product(state, product_id, near)
        query = schemas.SimilarQuery.model_validate({"limit": SIMILAR_LISTINGS})
        neighbours = similar(state, product_id, {}, IS_RECORDED, query)
    except HTTPException as error:
        status = error.status_code
    settings = marketplace_settings(state)
    page = render_listing(
        state, settings, product_id, listing, root=root, base_url=base_url, similar=neighbours
    )
    return HTMLResponse(page, status)


def _raw_path(request: Request) -> str:
    """Return the path as the browser has it, in which a slash of an id is still %2F."""
    return request.scope.get("raw_path", request.scope["path"].encode()).decode("ascii", "replace")
