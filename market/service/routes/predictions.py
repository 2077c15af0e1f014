"""Predictions for a new listing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form

from market.service import schemas
from market.service.queues import queued_route
from market.service.routes.dependencies import State
from market.service.routes.responses import BODY_ERRORS, UNAVAILABLE

router = APIRouter(
    tags=["predictions"], route_class=queued_route("predict", "read"), responses={503: UNAVAILABLE}
)


@router.post("/predict", summary="Category and price of a new listing", responses=BODY_ERRORS)
def predict(
    state: State,
    new: Annotated[schemas.NewListing, Form(media_type="multipart/form-data")],
) -> schemas.Prediction:
    """Return what `stages/predict.py` predicts from the text, the photos, or both.

    The models load with the first request, which takes a few seconds longer.
    """
    return state.predictor.predict(new)
