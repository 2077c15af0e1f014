"""Filters of listings and the requests of searches."""

from __future__ import annotations

from typing import Any

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field, model_validator

from market.data.photo_formats import FORMATS_DESCRIPTION
from market.service.attribute_parameters import is_attribute_parameter
from market.service.schemas.fields import UserId, as_form, without_null


class Filters(BaseModel):
    """Filters of listings. They are strict: results are never padded with non-matches."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=without_null)

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
        None, gt=0, le=2000, description="Largest distance from `near`, in kilometres."
    )
    flagged: bool = Field(False, description="Include listings with an implausible price.")
    seller_id: str | None = Field(None, max_length=300, description="Only listings of this seller.")
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
        if self.radius_km is not None and not self.near:
            raise ValueError("radius_km needs near, the town to measure from")
        return self


class Page(Filters):
    """Filters, and the part of the results to return."""

    limit: int = Field(20, ge=1, le=100, description="Number of results to return.")
    offset: int = Field(
        0, ge=0, le=10_000_000, description="Number of results to skip, up to `total`."
    )


class SearchQuery(Page):
    """A search in text."""

    facets: bool = Field(
        False, description="Count the values of attributes among all results, as `attributes`."
    )
    q: str = Field("", max_length=300, description="Query.", examples=["oak bedside table"])
    user: UserId | None = Field(
        None, description="A user id. Their past events personalise the results."
    )


class PhotoQuery(SearchQuery):
    """A search by photo, and optionally in text."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=as_form)

    photo: UploadFile = Field(description=f"{FORMATS_DESCRIPTION} file.")


class SimilarQuery(Page):
    """A search for similar listings."""

    limit: int = Field(12, ge=1, le=100, description="Number of results to return.")
    user: UserId | None = Field(
        None, description="A user id. Their past events personalise the results."
    )
