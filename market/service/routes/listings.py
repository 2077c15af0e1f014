"""Listings, their photos, and the values of the filters."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Response

from market.data.display_photos import SIZES
from market.search.filters import NO_FILTERS
from market.service import schemas
from market.service.results import listing_distance, listing_fields, to_counts, to_description
from market.service.routes.dependencies import State, find_listing
from market.service.routes.responses import ERROR
from market.service.scopes import ReadRoute
from market.service.state import ServiceState

router = APIRouter(tags=["listings"], route_class=ReadRoute)


@router.get("/products/{product_id:path}", summary="A listing", responses={404: ERROR})
def product(
    state: State,
    product_id: schemas.ProductId,
    response: Response,
    near: Annotated[
        str | None, Query(max_length=100, description="A place to measure the distance from.")
    ] = None,
) -> schemas.Product:
    """Return a listing with its description and all its photos; its version is in ETag."""
    if (version := state.version_of(product_id)) is not None:
        response.headers["ETag"] = version
    return describe_product(state, product_id, near)


def describe_product(state: ServiceState, product_id: str, near: str | None) -> schemas.Product:
    """Return a listing with its details, and its distance from a place. HTTPException if none."""
    fields = listing_fields(state, find_listing(state, product_id))
    return schemas.Product(**fields, distance_km=listing_distance(state, product_id, near))


@router.get(
    "/photos/live/{sha256}",
    summary="A photo of a changed listing",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 404: ERROR},
)
def live_photo(
    state: State,
    sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")],
    size: Annotated[int, Query(ge=1, le=10_000, description="Longest side in pixels.")] = SIZES[0],
) -> Response:
    """Return a photo as JPEG: of 480 pixels, or of 1,200 if `size` is larger.

    It is gone when no listing that is shown has it any more.
    """
    content = state.catalogue.store.shown_photo(sha256, "small" if size <= SIZES[0] else "large")
    numbers = state.photos.numbers_of(sha256)  # none until the engine has the change
    hidden = numbers and not any(state.engine.shows_photo(number) for number in numbers)
    if content is None or hidden:
        raise HTTPException(404, "there is no such photo")
    return _photo_response(state, content, "max-age=3600")


@router.get(
    "/photos/{number}",
    summary="A photo",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 404: ERROR},
)
def photo(
    state: State,
    number: Annotated[int, Path(ge=0, le=10**9)],
    v: Annotated[
        str, Query(max_length=50, description="Version of the photos, from a listing's URLs.")
    ] = "",
    size: Annotated[
        int | None,
        Query(ge=1, le=4096, description="Longest side in pixels at which the photo is shown."),
    ] = None,
) -> Response:
    """Return a photo as JPEG: without `size` the small one of two.

    With `v` the photo never changes, and is gone some time after a reload of the index. Without
    `v` it is the current photo with this number.
    """
    try:
        # The numbers of an earlier version are those of another index.
        if v in ("", state.photos.version) and not state.engine.shows_photo(number):
            raise LookupError
        content = state.photos.read(number, v, size)
    except LookupError:
        raise HTTPException(404, f"there is no photo {number}") from None
    return _photo_response(state, content, "max-age=31536000, immutable" if v else None)


def _photo_response(state: ServiceState, content: bytes, lifetime: str | None) -> Response:
    """Return a JPEG that caches may keep for its lifetime; None: they ask each time."""
    # With an API key, shared caches must not store photos: their users may not have the key.
    scope = "private" if state.settings.needs_key else "public"
    caching = "no-cache" if lifetime is None else f"{scope}, {lifetime}"
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": caching})


@router.get("/categories", summary="All categories")
def categories(state: State) -> list[schemas.Category]:
    """Return the categories of every level with their numbers of listings."""
    return [schemas.Category(path=path, count=count) for path, count in state.engine.categories()]


@router.get("/places", summary="Places of listings")
def places(state: State) -> list[str]:
    """Return the places of listings, the most frequent first. `near` knows other towns too."""
    return state.engine.places()


@router.get("/attributes", summary="Attributes of listings")
def attributes(state: State) -> list[schemas.AttributeCounts]:
    """Return the attributes of listings, such as brand, with the counts of their values.

    The counts are of all listings that a search without a query returns. `facets` counts those of
    another search.
    """
    shown = state.engine.allowed(NO_FILTERS)
    return [to_counts(facet) for facet in state.engine.catalogue.attributes.count(shown, {})]


@router.get("/settings", summary="Currency, language, country, and what listings have")
def settings(state: State) -> schemas.MarketplaceSettings:
    """Return how to write money, distances and dates: as in the index that is being served."""
    catalogue = state.engine.catalogue
    formats = state.engine.formats
    return schemas.MarketplaceSettings(
        **formats.as_dict(),
        currency_symbol=formats.symbol,
        language_tag=formats.language_tag,
        distance_unit=formats.distance_unit,
        fields=catalogue.fields(),
        attributes=[
            schemas.AttributeDescription(**to_description(column.attribute))
            for column in catalogue.attributes.values()
        ],
    )
