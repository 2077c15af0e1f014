"""What several endpoints need: the shared state, a listing by its id, and a check of parameters."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request

from market.service.schemas import LIST_FIELDS
from market.service.state import ServiceState


async def get_state(request: Request) -> ServiceState:
    """Return the state of the service at the time of the request."""
    return request.app.state.service


State = Annotated[ServiceState, Depends(get_state)]


async def refuse_repeated_parameters(request: Request) -> None:
    """Refuse a parameter given more than once, because FastAPI would ignore all but one value.

    Raises
    ------
    HTTPException
        422 with the name of the parameter.
    """
    names = [name for name, _ in request.query_params.multi_items()]
    if request.method == "POST":  # FastAPI has parsed a form by now, and the request caches it
        names += [name for name, _ in (await request.form()).multi_items()]
    counts = Counter(name for name in names if name not in LIST_FIELDS)
    if repeated := [name for name, count in counts.items() if count > 1]:
        raise HTTPException(422, f"{repeated[0]}: given more than once")


def find_listing(state: ServiceState, product_id: str) -> dict[str, Any]:
    """Return a listing as the engine describes it.

    Raises
    ------
    HTTPException
        404: there is no such listing.
    """
    try:
        return state.engine.listing(product_id)
    except KeyError:
        raise HTTPException(404, f"there is no product {product_id!r}") from None
