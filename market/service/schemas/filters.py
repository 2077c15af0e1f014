"""Filters of listings and the requests of searches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from fastapi import UploadFile
from pydantic import ConfigDict, Field, model_validator

from market.core.errors import MarketError
from market.data.photo_formats import FORMATS_DESCRIPTION
from market.search.cursor import LONGEST_CURSOR
from market.search.filters import check_place
from market.search.match_order import Sort, check_sort
from market.service.attribute_parameters import is_attribute_parameter
from market.service.schemas.fields import (
    RECORD,
    ProductId,
    RequestFields,
    SearchId,
    UserId,
    as_form,
    without_null,
)

MAX_EXCLUDED = 200
Seller = Annotated[str, Field(min_length=1, max_length=300)]


def _as_value_error(check: Callable[..., None], *values: Any, **options: Any) -> None:
    """Run a check of the engine; Pydantic reports ValueError, and no MarketError."""
    try:
        check(*values, **options)
    except MarketError as error:
        raise ValueError(str(error)) from None


class Filters(RequestFields):
    """Filters of listings. They are strict: results are never padded with non-matches."""

    model_config = ConfigDict(json_schema_extra=without_null)
    instead: ClassVar[str] = "filter by an attribute with attr.{name}"

    price_min: float | None = Field(
        None, ge=0, le=1e9, description="Lowest price, in the currency of the listings."
    )
    price_max: float | None = Field(
        None, ge=0, le=1e9, description="Highest price, in the currency of the listings."
    )
    category: str | None = Field(
        None,
        max_length=300,
        description='A category of any level, or a path such as "A / B".',
        examples=["Home & Garden"],
    )
    near: str | None = Field(
        None,
        max_length=100,
        description='A place, such as "Leeds", "Austin, TX" or "52.52, 13.40".',
        examples=["Reading, Berkshire"],
    )
    radius_km: float | None = Field(
        None, gt=0, le=2000, description="Largest distance from the place, in kilometres."
    )
    latitude: float | None = Field(
        None, ge=-90, le=90, description="With `longitude`: the place, instead of `near`."
    )
    longitude: float | None = Field(
        None, ge=-180, le=180, description="With `latitude`: the place, instead of `near`."
    )
    flagged: bool = Field(False, description="Include listings with an implausible price.")
    seller_id: str | None = Field(None, max_length=300, description="Only listings of this seller.")
    exclude: list[ProductId] = Field(
        [], max_length=MAX_EXCLUDED, description="Leave out these listings; repeatable."
    )
    exclude_seller: list[Seller] = Field(
        [], max_length=MAX_EXCLUDED, description="Leave out these sellers; repeatable."
    )
    include_unavailable: bool = Field(
        False, description="Include listings that are sold, reserved or inactive."
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_out_attributes(cls, fields: Any) -> Any:
        """Leave out the parameters attr.NAME, which `routes.dependencies.Conditions` reads."""
        if not isinstance(fields, dict):
            return fields
        return {name: value for name, value in fields.items() if not is_attribute_parameter(name)}

    @model_validator(mode="after")
    def _check_together(self) -> Filters:
        low, high = self.price_min, self.price_max
        if low is not None and high is not None and low > high:
            raise ValueError("price_min is above price_max")
        _as_value_error(check_place, self.near, self.latitude, self.longitude, self.radius_km)
        return self


class Page(Filters):
    """Filters, and the part of the results to return."""

    limit: int = Field(20, ge=1, le=100, description="Number of results to return.")
    offset: int = Field(
        0, ge=0, le=10_000_000, description="Number of results to skip, up to `total`."
    )
    record: bool = RECORD
    variant: Literal["A", "B"] | None = Field(
        None,
        description="The ranking to use, for a test outside of the experiment; it needs a key of "
        "the scope catalogue. Without it the experiment chooses.",
    )


class SearchQuery(Page):
    """A search in text."""

    facets: bool = Field(
        False,
        description="Count categories, prices, distances and attributes among all results, each "
        "without its own filter, as `facets` and `attributes`.",
    )
    q: str = Field("", max_length=300, description="Query.", examples=["oak bedside table"])
    user: UserId | None = Field(
        None, description="A user id. Their past events personalise the results."
    )
    sort: Sort = Field(
        "relevance",
        description="Order of all results. Unknown prices, dates and distances come last, equal "
        "ones in order of relevance.",
    )
    suggest_id: SearchId | None = Field(
        None, description="`search_id` of the suggestions from which the user started this search."
    )
    cursor: str | None = Field(
        None,
        max_length=LONGEST_CURSOR,
        description="`next_cursor` of the last page, with the same parameters, instead of "
        "`offset`. It repeats and loses no listing while the catalogue changes.",
    )
    collapse: bool = Field(
        False, description="Show the first of the copies of one product, with their number."
    )
    max_per_seller: int | None = Field(
        None, ge=1, le=1000, description="Largest number of one seller's listings in all results."
    )
    explain: bool = Field(
        False, description="Add all contributions to the hits, and with `listing` an explanation."
    )
    listing: ProductId | None = Field(
        None, description="With `explain`: the listing whose rank or absence to explain."
    )

    @model_validator(mode="after")
    def _check_page(self) -> SearchQuery:
        has_place = bool(self.near) or self.latitude is not None
        _as_value_error(check_sort, self.sort, has_place=has_place)
        if self.cursor and self.offset:
            raise ValueError("cursor and offset both name a place: give one of them")
        if self.listing is not None and not self.explain:
            raise ValueError("listing needs explain=true")
        return self


class PhotoQuery(SearchQuery):
    """A search by photo, and optionally in text."""

    model_config = ConfigDict(json_schema_extra=as_form)

    photo: UploadFile = Field(description=f"{FORMATS_DESCRIPTION} file.")


class SimilarQuery(Page):
    """A search for similar listings."""

    limit: int = Field(12, ge=1, le=100, description="Number of results to return.")
    user: UserId | None = Field(
        None, description="A user id. Their past events personalise the results."
    )
