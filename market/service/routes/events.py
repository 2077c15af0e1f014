"""The storage of user events."""

from __future__ import annotations

from fastapi import APIRouter

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
    event_id = state.events.add(new.user_id, new.product_id, new.event, new.timestamp)
    state.metrics.events.labels(new.event).inc()
    return schemas.StoredEvent(id=event_id)
