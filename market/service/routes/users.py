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
    """Return all events and searches of a user as NDJSON, a line for each, and an opt-out.

    `source` says where a line is from: `log`, `store`, `searches` or `opt-out`.
    """
    lines = export_user(user_id, state.user_data)
    return Response("".join(lines), media_type="application/x-ndjson")


@router.put("/users/{user_id:path}/opt-out", summary="Record no searches of a user")
def opt_out(state: State, user_id: schemas.UserId) -> schemas.OptOut:
    """Record no search of the user from now on, until the opt-out is deleted."""
    state.user_data.opt_out(user_id)
    return schemas.OptOut(opted_out=True)


# Above the route that erases a user, which would match too.
@router.delete("/users/{user_id:path}/opt-out", summary="Record the searches of a user again")
def opt_in(state: State, user_id: schemas.UserId) -> schemas.OptOut:
    """Delete the opt-out of a user; without one, nothing changes."""
    state.user_data.opt_in(user_id)
    return schemas.OptOut(opted_out=False)


@router.delete("/users/{user_id:path}", summary="Erase the data of a user")
def erase_user(state: State, user_id: schemas.UserId) -> schemas.ErasedUser:
    """Delete all events and recorded searches of a user durably.

    From now on no result uses the log's events of the user either. Later events and searches are
    new data. The next `dvc repro` leaves the user out of the log and
    of all models.
    """
    return schemas.ErasedUser(events=state.user_data.erase(user_id))
