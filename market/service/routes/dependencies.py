"""What several endpoints need: the shared state, a listing by its id, and a check of parameters."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request

from market.core.errors import MarketError
from market.search.attributes import Condition
from market.service.attribute_parameters import is_attribute_parameter, parse_conditions
from market.service.keys import ApiKey, Scope
from market.service.schemas import LIST_FIELDS
from market.service.scopes import KEY
from market.service.state import ServiceState

VARIANT_SCOPE: Scope = "catalogue"  # that may choose the ranking of a request
PRIVACY_HEADERS = ("Sec-GPC", "DNT")  # Global Privacy Control, Do Not Track


async def get_state(request: Request) -> ServiceState:
    """Return the state of the service at the time of the request."""
    return request.app.state.service


State = Annotated[ServiceState, Depends(get_state)]


async def get_conditions(request: Request, state: State) -> dict[str, Condition]:
    """Return the conditions on attributes that a request states as attr.NAME=VALUE.

    Raises
    ------
    HTTPException
        422: there is no such attribute, or a value is of another type.
    """
    parameters = await _parameters(request)
    try:
        return parse_conditions(parameters, state.engine.catalogue.attributes)
    except MarketError as error:
        raise HTTPException(422, str(error)) from None


Conditions = Annotated[dict[str, Condition], Depends(get_conditions)]


async def allows_recording(request: Request) -> bool:
    """Return whether the browser's privacy headers allow recording a search."""
    return all(request.headers.get(name, "").strip() != "1" for name in PRIVACY_HEADERS)


AllowsRecording = Annotated[bool, Depends(allows_recording)]


async def check_variant(request: Request) -> None:
    """Refuse a request that chooses its variant with a key that may not.

    Raises
    ------
    HTTPException
        403: the key lacks the scope.
    """
    key: ApiKey | None = request.scope.get("state", {}).get(KEY)
    if key is None or VARIANT_SCOPE in key.scopes:
        return
    if any(name == "variant" for name, _ in await _parameters(request)):
        raise HTTPException(403, f"variant: the key {key.name!r} lacks the scope {VARIANT_SCOPE!r}")


async def _parameters(request: Request) -> list[tuple[str, str]]:
    """Return the names and values of the query and of the form, without files."""
    parameters = request.query_params.multi_items()
    if request.method == "POST":  # FastAPI has parsed a form by now, and the request caches it
        form = await request.form()
        parameters += [(key, item) for key, item in form.multi_items() if isinstance(item, str)]
    return parameters


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
    counts = Counter(
        name for name in names if name not in LIST_FIELDS and not is_attribute_parameter(name)
    )
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
