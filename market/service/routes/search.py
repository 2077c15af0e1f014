"""Search in text and by photo, similar listings, and recommendations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Query

from market.core.errors import MarketError
from market.search.attributes import Condition
from market.search.cursor import Cursor
from market.search.engine import Engine
from market.search.exploration import seed_of
from market.search.feature_names import SEARCH_TEXTS, SIMILAR_TEXTS
from market.search.ranking import SearchResult
from market.service import schemas
from market.service.batches import parse_search
from market.service.cursors import identify_search, read_cursor
from market.service.queues import queued_route
from market.service.recording import SearchRequest
from market.service.results import to_engine_filters, to_search_results
from market.service.routes.dependencies import (
    AllowsRecording,
    Conditions,
    State,
    check_variant,
    find_listing,
)
from market.service.routes.responses import BODY_ERRORS, ERROR, UNAVAILABLE
from market.service.search_log import Kind, new_search_id
from market.service.state import ServiceState
from market.service.variants import explore, find_with_variant

router = APIRouter(
    tags=["search"],
    route_class=queued_route("search", "read"),
    responses={503: UNAVAILABLE},
    dependencies=[Depends(check_variant)],
)


@router.get("/search", summary="Search in text", responses={404: ERROR})
def search(
    state: State,
    conditions: Conditions,
    allows_recording: AllowsRecording,
    query: Annotated[schemas.SearchQuery, Query()],
) -> schemas.SearchResults:
    """Return listings that match the query, ranked for the user if one is given.

    Spelling is corrected; `corrected_query` then has the query that was used. Without a query, all
    listings that pass the filters match.
    """
    return _search(state, query, conditions, allows_recording)


@router.post("/search/photo", summary="Search by photo", responses={**BODY_ERRORS, 404: ERROR})
def search_by_photo(
    state: State,
    conditions: Conditions,
    allows_recording: AllowsRecording,
    query: Annotated[schemas.PhotoQuery, Form(media_type="multipart/form-data")],
) -> schemas.SearchResults:
    """Return listings with similar photos; with `q`, also listings that match the query."""
    return _search(state, query, conditions, allows_recording, query.photo.file.read())


@router.post("/search/batch", summary="Several searches", responses=BODY_ERRORS)
def search_batch(
    state: State, allows_recording: AllowsRecording, batch: schemas.SearchBatch
) -> schemas.BatchResults:
    """Return the results of each search, or the error that `GET /api/search` would give for it."""
    attributes = state.engine.catalogue.attributes
    searches: list[tuple[schemas.SearchQuery, dict[str, Condition]] | schemas.Error] = []
    for fields in batch.searches:
        try:
            searches.append(parse_search(fields, attributes))
        except MarketError as error:
            searches.append(schemas.Error(error=str(error)))
    state.engine.encode_ahead([each[0].q for each in searches if isinstance(each, tuple)])
    results: list[schemas.SearchResults | schemas.Error] = []
    for each in searches:
        if isinstance(each, schemas.Error):
            results.append(each)
            continue
        try:
            results.append(_search(state, *each, allows_recording))
        except HTTPException as error:
            results.append(schemas.Error(error=error.detail))
    return schemas.BatchResults(results=results)


@router.get("/similar/{product_id:path}", summary="Similar listings", responses={404: ERROR})
def similar(
    state: State,
    product_id: schemas.ProductId,
    conditions: Conditions,
    allows_recording: AllowsRecording,
    query: Annotated[schemas.SimilarQuery, Query()],
) -> schemas.SearchResults:
    """Return listings with similar text or photos, without the listing itself and its copies."""
    find_listing(state, product_id)

    def find(engine: Engine, **options: Any) -> SearchResult:
        return engine.similar(product_id, **options)

    request = SearchRequest(
        "similar", query, conditions, query.user, allows_recording, similar_to=product_id
    )
    return _answer(state, find, request, SIMILAR_TEXTS)


# 404: an id with a line break matches no route.
@router.get(
    "/recommend/{user_id:path}", summary="Recommendations for a user", responses={404: ERROR}
)
def recommend(
    state: State,
    user_id: schemas.UserId,
    conditions: Conditions,
    allows_recording: AllowsRecording,
    query: Annotated[schemas.Page, Query()],
) -> schemas.SearchResults:
    """Return listings for a user, based on all their events so far.

    A user without events gets a mix of popular and new listings.
    """
    request = SearchRequest("recommendation", query, conditions, user_id, allows_recording)
    return _answer(state, Engine.recommend, request)


def _search(
    state: ServiceState,
    query: schemas.SearchQuery,
    conditions: Mapping[str, Condition],
    allows_recording: bool,
    photo: bytes | None = None,
) -> schemas.SearchResults:
    """Search in text or, given the file of a photo, by photo.

    Raises
    ------
    HTTPException
        404: the listing to explain is unknown. 422: the cursor or the photo cannot be used.
    """
    if query.listing is not None and state.engine.catalogue.positions([query.listing])[0] < 0:
        raise HTTPException(404, f"there is no product {query.listing!r}")
    identity = identify_search(query, conditions, photo or b"")
    picture = None if photo is None else state.decoder.decode(photo)
    cursor = read_cursor(query.cursor, identity)

    def find(engine: Engine, **options: Any) -> SearchResult:
        fixed = {
            "photo": picture,
            "sort": query.sort,
            "cursor": cursor,
            "collapse": query.collapse,
            "max_per_seller": query.max_per_seller,
            "facets": query.facets,
            "explain": query.listing,
        }
        return engine.search(query.q, **fixed | options)

    kind: Kind = "search" if photo is None else "photo"
    request = SearchRequest(kind, query, conditions, query.user, allows_recording, query.q)
    texts = SEARCH_TEXTS if photo is None else {}
    return _answer(state, find, request, texts, identity=identity, cursor=cursor)


def _answer(
    state: ServiceState,
    find: Callable[..., SearchResult],
    request: SearchRequest,
    special_texts: Mapping[str, str] | None = None,
    *,
    identity: str = "",
    cursor: Cursor | None = None,
) -> schemas.SearchResults:
    """Run `find` with the engine of the user's variant, and record the answer.

    The engine gets the filters, the page and the user's history. `special_texts` are the texts of
    reasons that mean something special in this search. `identity` binds the next cursor to this
    search, and `cursor` is that of the request.
    """
    search_id = new_search_id()
    page, user_id = request.page, request.user_id
    history = None if user_id is None else state.history(user_id)
    filters = to_engine_filters(page, request.conditions)
    variant = state.variant_of(user_id, page.variant)
    answer = find_with_variant(
        partial(find, history=history, filters=filters),
        variant,
        limit=page.limit,
        offset=page.offset,
        cursor=cursor,
        can_mix=request.can_mix,
        seed=seed_of(variant.experiment or "", user_id or "", identity),
    )
    chance = state.settings.exploration
    if chance and request.is_by_relevance and not answer.teams:
        answer = explore(answer, chance, str(state.settings.exploration_seed), search_id)
    result = answer.result
    results = to_search_results(
        state,
        result,
        special_texts or {},
        is_new_user=history is None or history.empty,
        near=filters.place_name,
        search_id=search_id,
        variant=answer.variant.name,
        contributions=getattr(page, "explain", False),
    )
    if result.next_cursor is not None:
        results.next_cursor = result.next_cursor.encode(identity)
    if request.is_recorded:
        state.record(request.record(results, answer))
    return results
