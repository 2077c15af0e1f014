"""The storage of user events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path

from market.service import schemas
from market.service.queues import queued_route
from market.service.routes.dependencies import State, find_listing
from market.service.routes.responses import BODY_ERRORS, ERROR, UNAVAILABLE

router = APIRouter(
    tags=["events"], route_class=queued_route("events", "events"), responses={503: UNAVAILABLE}
)


@router.post(
    "/events",
    summary="Store a user event",
    status_code=201,
    responses={**BODY_ERRORS, 404: ERROR},
)
def event(state: State, new: schemas.NewEvent) -> schemas.StoredEvent:
    """Store an event durably. It affects the user's very next results."""
    find_listing(state, new.product_id)
    event_id = state.events.add(
        new.user_id,
        new.product_id,
        new.event,
        new.timestamp,
        search_id=new.search_id,
        dwell_seconds=new.dwell_seconds,
    )
    state.metrics.events.labels(new.event).inc()
    if new.search_id is not None:
        state.counters.count_event(event_id, new.user_id, new.search_id, new.product_id, new.event)
    return schemas.StoredEvent(id=event_id)


@router.post(
    "/events/{event_id}/dwell",
    summary="Add to a view how long it lasted",
    status_code=204,
    responses={**BODY_ERRORS, 404: ERROR},
)
def dwell(
    state: State, event_id: Annotated[int, Path(ge=1, lt=2**63)], dwell: schemas.Dwell
) -> None:
    """Store how long the user of an event looked at the listing; a later value replaces it."""
    if not state.events.set_dwell(event_id, dwell.user_id, dwell.dwell_seconds):
        raise HTTPException(404, f"this user has no event {event_id}")
