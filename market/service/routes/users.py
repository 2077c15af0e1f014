"""The data of one user, for the shop: all of it, and its erasure."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from market.service import schemas
from market.service.queues import queued_route
from market.service.routes.dependencies import State
from market.service.routes.responses import ERROR, UNAVAILABLE
from market.service.user_export import export_user

# Not the scope `events`: the page has that key, and a page's user could erase other users.
router = APIRouter(
    tags=["users"],
    route_class=queued_route("events", "catalogue"),
    responses={404: ERROR, 503: UNAVAILABLE},
)


@router.get(
    "/users/{user_id:path}/data",
    summary="All data of a user",
    response_class=Response,
    responses={200: {"content": {"application/x-ndjson": {}}}},
)
def user_data(state: State, user_id: schemas.UserId) -> Response:
    """Return all events of a user as NDJSON, a line for each: of the log and of the store."""
    lines = export_user(user_id, state.user_data)
    return Response("".join(lines), media_type="application/x-ndjson")


@router.delete("/users/{user_id:path}", summary="Erase the data of a user")
def erase_user(state: State, user_id: schemas.UserId) -> schemas.ErasedUser:
    """Delete all events of a user durably; from now on no result uses the log's events either.

    Events that are sent later are new data. The next `dvc repro` leaves the user out of the log and
    of all models.
    """
    return schemas.ErasedUser(events=state.user_data.erase(user_id))
