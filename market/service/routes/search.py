"""Search in text and by photo, similar listings, and recommendations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Form, Query
from PIL import Image

from market.search.attributes import Condition
from market.search.facets import count_attributes
from market.search.ranker import SEARCH_TEXTS, SIMILAR_TEXTS
from market.search.ranking import SearchResult
from market.service import schemas
from market.service.queues import queued_route
from market.service.results import to_counts, to_engine_filters, to_search_results
from market.service.routes.dependencies import Conditions, State, find_listing
from market.service.routes.responses import BODY_ERRORS, ERROR, UNAVAILABLE
from market.service.state import ServiceState

router = APIRouter(
    tags=["search"], route_class=queued_route("search", "read"), responses={503: UNAVAILABLE}
)


@router.get("/search", summary="Search in text")
def search(
    state: State, conditions: Conditions, query: Annotated[schemas.SearchQuery, Query()]
) -> schemas.SearchResults:
    """Return listings that match the query, ranked for the user if one is given.

    Spelling is corrected; `corrected_query` then has the query that was used. Without a query, all
    listings that pass the filters match.
    """
    find = partial(state.engine.search, query.q)
    results = _answer(state, find, query, conditions, query.user, SEARCH_TEXTS)
    return _with_counts(results, state, query, conditions)


@router.post("/search/photo", summary="Search by photo", responses=BODY_ERRORS)
def search_by_photo(
    state: State,
    conditions: Conditions,
    query: Annotated[schemas.PhotoQuery, Form(media_type="multipart/form-data")],
) -> schemas.SearchResults:
    """Return listings with similar photos; with `q`, also listings that match the query."""
    photo = state.decoder.decode(query.photo.file.read())
    find = partial(state.engine.search, query.q, photo=photo)
    results = _answer(state, find, query, conditions, query.user)
    return _with_counts(results, state, query, conditions, photo)


@router.get("/similar/{product_id:path}", summary="Similar listings", responses={404: ERROR})
def similar(
    state: State,
    product_id: schemas.ProductId,
    conditions: Conditions,
    query: Annotated[schemas.SimilarQuery, Query()],
) -> schemas.SearchResults:
    """Return listings with similar text or photos, without the listing itself and its copies."""
    find_listing(state, product_id)
    find = partial(state.engine.similar, product_id)
    return _answer(state, find, query, conditions, query.user, SIMILAR_TEXTS)


# 404: an id with a line break matches no route.
@router.get(
    "/recommend/{user_id:path}", summary="Recommendations for a user", responses={404: ERROR}
)
def recommend(
    state: State,
    user_id: schemas.UserId,
    conditions: Conditions,
    query: Annotated[schemas.Page, Query()],
) -> schemas.SearchResults:
    """Return listings for a user, based on all their events so far.

    A user without events gets a mix of popular and new listings.
    """
    return _answer(state, state.engine.recommend, query, conditions, user_id)


def _answer(
    state: ServiceState,
    find: Callable[..., SearchResult],
    page: schemas.Page,
    conditions: Mapping[str, Condition],
    user_id: str | None,
    special_texts: Mapping[str, str] | None = None,
) -> schemas.SearchResults:
    """Run `find`, a method of the engine, with the filters, the page and the user's history.

    `special_texts` are the texts of reasons that mean something special in this search.
    """
    history = None if user_id is None else state.history(user_id)
    result = find(
        history=history,
        filters=to_engine_filters(page, conditions),
        limit=page.limit,
        offset=page.offset,
    )
    return to_search_results(
        state,
        result,
        special_texts or {},
        is_new_user=history is None or history.empty,
        near=page.near,
    )


def _with_counts(
    results: schemas.SearchResults,
    state: ServiceState,
    query: schemas.SearchQuery,
    conditions: Mapping[str, Condition],
    photo: Image.Image | None = None,
) -> schemas.SearchResults:
    """Add the counts of attributes to the results of a search, if it asks for them."""
    if not query.facets:
        return results
    text = query.q if results.corrected_query is None else results.corrected_query
    filters = to_engine_filters(query, conditions)
    facets = count_attributes(state.engine, text, photo=photo, filters=filters)
    return results.model_copy(update={"attributes": [to_counts(facet) for facet in facets]})
