"""The health check."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from market.service import schemas
from market.service.database import STORE_ERRORS
from market.service.errors import RETRY_LATER
from market.service.routes.dependencies import State
from market.service.routes.responses import UNAVAILABLE

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Health of the service", responses={503: UNAVAILABLE})
def health(state: State) -> schemas.Health:
    """Return 200 if the index is loaded and the event store answers."""
    try:
        state.events.check()
    except STORE_ERRORS:
        raise HTTPException(503, "the event store does not answer", RETRY_LATER) from None
    return schemas.Health(status="ok", version=state.view.index.version)
