"""Suggestions while a user types."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from market.search.suggesting import suggest as find_suggestions
from market.search.suggestions import Suggestion
from market.service import schemas
from market.service.recording import record_suggestions
from market.service.routes.dependencies import AllowsRecording, State
from market.service.scopes import ReadRoute
from market.service.search_log import new_search_id
from market.service.state import ServiceState

router = APIRouter(tags=["search"], route_class=ReadRoute)


@router.get("/suggest", summary="Suggestions while typing")
def suggest(
    state: State,
    allows_recording: AllowsRecording,
    query: Annotated[schemas.SuggestQuery, Query()],
) -> schemas.Suggestions:
    """Return queries, categories and listings that continue a text, with typing errors."""
    found = find_suggestions(state.engine, query.q, query.limit)
    suggestions = [_to_schema(state, each) for each in found]
    answer = schemas.Suggestions(
        search_id=new_search_id(), suggestions=list(filter(None, suggestions))
    )
    if allows_recording and query.record:
        state.record(record_suggestions(query, answer))
    return answer


def _to_schema(state: ServiceState, suggestion: Suggestion) -> schemas.Suggestion | None:
    photo = None
    if suggestion.product_id is not None:
        try:
            numbers = state.engine.listing(suggestion.product_id)["photos"][:1]
        except KeyError:  # it has expired in the meantime
            return None
        photo = state.photos.addresses(numbers)[0].url if numbers else None
    category = suggestion.category
    return schemas.Suggestion(
        kind=suggestion.kind,
        text=suggestion.text,
        category=None if category is None else " / ".join(category),
        product_id=suggestion.product_id,
        photo=photo,
    )
