"""Changes of listings, and the answers to them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    PlainValidator,
    WithJsonSchema,
)

from market.service.schemas.fields import ProductId, RequestFields
from market.service.schemas.predictions import Prediction, UnusablePhoto

EARLIEST, LATEST = 1990, 2100  # years of a plausible time
MAX_VALUES = 200  # attributes of a listing, or levels of a category


def _number_or_text(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, str) and not (is_number and math.isfinite(value)):
        raise ValueError("must be a number or a text")
    return value


def _attribute(value: Any) -> Any:
    return value if value is None or isinstance(value, bool) else _number_or_text(value)


# One type with one message: pydantic's union would complain about each of its types.
Value = Annotated[
    Any,
    PlainValidator(_number_or_text),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]
AttributeValue = Annotated[
    Any,
    PlainValidator(_attribute),
    WithJsonSchema({"type": ["number", "string", "boolean", "null"]}),
]


def _plausible(time: datetime | None) -> datetime | None:
    """Return a time in UTC, without a time zone."""
    if time is None:
        return None
    if not EARLIEST <= time.year < LATEST:
        raise ValueError(f"is not between {EARLIEST} and {LATEST}")
    return (time.astimezone(UTC) if time.tzinfo else time).replace(tzinfo=None)


class ListingFields(RequestFields):
    """The fields of a listing; null and an empty text mean that it has none."""

    instead: ClassVar[str] = 'state it as an attribute: "attributes": {{"{name}": …}}'

    name: str | None = Field(None, examples=["Oak bedside table"])
    description: str | None = None
    category: str | Annotated[list[str], Field(max_length=MAX_VALUES)] | None = Field(
        None,
        description="A category path, or its levels. Without it, the listing gets the predicted "
        "category, marked as predicted.",
        examples=["Home & Garden / Furniture"],
    )
    price: Value | None = Field(
        None, description="Asking price in the currency of the listings.", examples=[40]
    )
    location: str | None = Field(None, examples=["Reading, Berkshire"])
    latitude: Value | None = Field(None, description="In degrees, with a longitude.")
    longitude: Value | None = None
    created: Value | None = Field(
        None, description="Date of the listing; by default the time of the first request."
    )
    status: str | None = Field(None, description="As sellers write it, such as active or reserved.")
    seller_id: str | None = None
    attributes: Annotated[dict[str, AttributeValue], Field(max_length=MAX_VALUES)] = Field(
        {}, description="Values of the attributes that `GET /api/settings` lists."
    )
    expires_at: Annotated[datetime | None, AfterValidator(_plausible)] = Field(
        None, description="From then on the listing is not shown; UTC without a time zone."
    )

    def stated(self) -> dict[str, Any]:
        """Return the fields that the request states."""
        return self.model_dump(exclude_unset=True)


class BulkLine(ListingFields):
    """A line of a bulk request: a listing to put, to mark as sold or to delete."""

    product_id: ProductId
    action: Literal["put", "patch", "sold", "delete"] = "put"

    def stated(self) -> dict[str, Any]:
        """Return the fields of the listing that the line states."""
        return self.model_dump(exclude_unset=True, exclude={"product_id", "action"})


class Duplicate(BaseModel):
    """Another listing with nearly the same text or photo."""

    product_id: str
    kind: Literal["text", "photo"] = Field(description="What the two have in common.")
    similarity: float = Field(description="From 0 to 1, which is an exact copy.")


class ChangedListing(BaseModel):
    """A listing after a change, with what the models say about it."""

    product_id: str
    version: str = Field(description="As in the header ETag, for `If-Match`.", examples=['"17"'])
    category: list[str] = Field(description="Category path under which the listing is found.")
    category_source: Literal["seller", "predicted"] | None = Field(
        description="Who chose the category; null without one."
    )
    price_expected: float | None = Field(description="Predicted price.")
    price_flag: str | None = Field(
        description='Of the price: "placeholder", "far below" or "far above"; or null.'
    )
    prediction: Prediction | None = Field(
        description="Category with probabilities and price with its interval; null if this machine "
        "lacks the models. Its `unusable` lists the uploaded photos that cannot be used."
    )
    unusable: list[UnusablePhoto] = Field(description="Uploaded photos that cannot be used.")
    photos: list[str] = Field(description="URLs relative to the root of the service.")
    expires_at: datetime | None = Field(description="UTC.")
    duplicates: list[Duplicate] = Field(
        description="Listings with nearly the same text or photo, the most similar first."
    )


class BulkResult(BaseModel):
    """The result of a line of a bulk request."""

    line: int = Field(description="Number of the line, from 1.")
    product_id: str | None
    status: int = Field(description="As for a single request: 200, 201, 204, 404 or 422.")
    error: str | None = None
    version: str | None = None
    category: list[str] = []
    category_source: Literal["seller", "predicted"] | None = None
    price_expected: float | None = None
    price_flag: str | None = None
