"""Requests and answers of the API, with their types, limits and descriptions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import UploadFile
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from market.data.ids import ID_PATTERN, ID_RULES, LONGEST_ID
from market.data.photo_formats import FORMAT_NAMES, FORMATS_DESCRIPTION
from market.search.attributes import MAX_VALUES
from market.service.attribute_parameters import is_attribute_parameter


def _check_id(text: str) -> str:
    for message, rule in ID_RULES.items():
        if not rule.fullmatch(text):
            raise ValueError(message)
    return text


# Stage clean applies the same rules with the same messages. The pattern only describes them.
_ID: dict[str, Any] = {
    "min_length": 1,
    "max_length": LONGEST_ID,
    "json_schema_extra": {"pattern": ID_PATTERN},
}
USER_ID = Field(
    **_ID,
    description="A user id, chosen by the caller, e.g. a random UUID.",
    examples=["anna"],
)
PRODUCT_ID = Field(**_ID, description="Id of a listing.")
UserId = Annotated[str, USER_ID, AfterValidator(_check_id)]
ProductId = Annotated[str, PRODUCT_ID, AfterValidator(_check_id)]
LIST_FIELDS = {"photos"}  # fields that may be given more than once
MAX_CLOCK_SKEW = timedelta(minutes=5)
# Earlier timestamps are mistakes, such as 20240105, which is read as seconds since 1970.
EARLIEST_EVENT = datetime(1990, 1, 1, tzinfo=UTC)


def _without_null(schema: dict[str, Any]) -> None:
    """Describe fields of a form or a URL: optional, but never null, which neither can hold."""
    for field in schema["properties"].values():
        kinds = [kind for kind in field.get("anyOf", []) if kind != {"type": "null"}]
        if len(kinds) == 1:
            del field["anyOf"]
            field |= kinds[0]


def _as_form(schema: dict[str, Any]) -> None:
    """Describe fields of a form: optional fields may also be empty, as browsers send them."""
    _without_null(schema)
    annotations = {"title", "description", "default", "examples"}
    for name, field in schema["properties"].items():
        is_free = field.get("type") == "string" and "minLength" not in field
        if name in schema.get("required", []) or field.get("type") == "array" or is_free:
            continue
        kind = {key: field.pop(key) for key in [*field] if key not in annotations}
        field["anyOf"] = [kind, {"type": "string", "maxLength": 0}]


class Error(BaseModel):
    """Every error: one line that says what is wrong."""

    error: str = Field(examples=["price_min is above price_max"])


class Filters(BaseModel):
    """Filters of listings. They are strict: results are never padded with non-matches."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_without_null)

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

    model_config = ConfigDict(extra="forbid", json_schema_extra=_as_form)

    photo: UploadFile = Field(description=f"{FORMATS_DESCRIPTION} file.")


class SimilarQuery(Page):
    """A search for similar listings."""

    limit: int = Field(12, ge=1, le=100, description="Number of results to return.")
    user: UserId | None = Field(
        None, description="A user id. Their past events personalise the results."
    )


class Reason(BaseModel):
    """The contribution of one feature to a score."""

    feature: str = Field(examples=["bm25"])
    text: str = Field(description="The reason for users.", examples=["matches your words"])
    contribution: float = Field(description="Part of the score.", examples=[0.42])


class AttributeDescription(BaseModel):
    """An attribute that listings have."""

    name: str = Field(description="Name, as in `attr.NAME`.", examples=["brand"])
    label: str = Field(description="Name for users.", examples=["Brand"])
    type: Literal["text", "category", "number", "boolean", "date"]
    unit: str = Field(description="Of numbers, such as cm; empty if unknown.", examples=[""])


class AttributeValue(BaseModel):
    """A value of an attribute."""

    value: bool | str
    count: int = Field(description="Exact number of listings that have it.")


class AttributeCounts(AttributeDescription):
    """An attribute, and its values among some listings.

    A search counts each attribute without the search's own condition on it.
    """

    listings: int = Field(description="Number of listings that have a value.")
    values: list[AttributeValue] = Field(
        description="Of category and boolean: the commonest values, at most "
        f"{MAX_VALUES}. Empty for other types."
    )
    distinct: int = Field(description="Of category and boolean: number of different values.")
    minimum: float | str | None = Field(description="Of number, and of date (YYYY-MM-DD).")
    maximum: float | str | None = Field(description="Of number, and of date (YYYY-MM-DD).")


class ListingSummary(BaseModel):
    """A listing in short."""

    product_id: str
    name: str
    price: float | None = Field(description="Asking price, in `currency`.")
    currency: str = Field(description="ISO 4217 code of the prices.", examples=["GBP"])
    price_flag: str | None = Field(
        description='"placeholder"; "far below" or "far above" the usual price; or null.'
    )
    price_expected: float | None = Field(description="Predicted price, in `currency`.")
    location: str
    category: list[str] = Field(description="Category path, from the top level down.")
    photo: str | None = Field(
        description="URL of the first photo, relative to the root of the service.",
        examples=["api/photos/12?v=1"],
    )
    attributes: dict[str, bool | float | str] = Field(
        description="Values by the name of the attribute; dates as YYYY-MM-DD.",
        examples=[{"brand": "Sony"}],
    )
    available: bool = Field(description="False if the listing is sold, reserved or inactive.")
    seller_id: str | None = Field(description="Id of the seller, if the listings state it.")


class Hit(ListingSummary):
    """A listing among the results."""

    score: float = Field(description="Sum of all contributions.")
    why: list[Reason] = Field(description="Reasons for the score, the largest first.")
    distance_km: float | None = Field(
        description="Distance from `near` in kilometres; null without `near` or an unknown place."
    )


class SearchResults(BaseModel):
    """A page of results."""

    hits: list[Hit]
    total: int = Field(
        description="Exact number of listings that match and pass the filters. Offsets up to it "
        "return each of them once. `similar` and `recommend` count a listing and its copies once."
    )
    corrected_query: str | None = Field(
        description="The query after spelling correction, if that changed it. Empty if it has no "
        "searchable word (“the”, “🔥”): the results are then those without a query."
    )
    unknown_place: str | None = Field(
        description="`near`, if no such place is known; there are no results then."
    )
    empty_place: str | None = Field(
        description="`near`, if the place is known, but no listing lies within `radius_km` of it, "
        "or no listing has a known place at all."
    )
    attributes: list[AttributeCounts] | None = Field(
        default=None, description="The attributes of all results with `facets`, else null."
    )


class Product(ListingSummary):
    """A listing with all details."""

    description: str
    photos: list[str] = Field(description="URLs relative to the root of the service.")
    created: str | None = Field(description="Date of the listing, YYYY-MM-DD.")


class Category(BaseModel):
    """A category of any level."""

    path: str = Field(examples=["Home & Garden / Garden & Patio"])
    count: int = Field(description="Number of listings in it and in its subcategories.")


class NewEvent(BaseModel):
    """A user event."""

    model_config = ConfigDict(extra="forbid")

    user_id: UserId
    product_id: ProductId
    event: Literal["view", "save", "message", "buy"]
    timestamp: datetime | None = Field(
        None, description="ISO 8601 or Unix seconds; UTC without a time zone. Defaults to now."
    )

    @model_validator(mode="after")
    def _check_timestamp(self) -> NewEvent:
        if self.timestamp is not None:
            time = self.timestamp
            aware = time if time.tzinfo else time.replace(tzinfo=UTC)
            if aware > datetime.now(UTC) + MAX_CLOCK_SKEW:
                raise ValueError("timestamp is in the future")
            # The comparison also works for times without an equivalent in UTC, such as the first
            # hour of the year 1 in a zone ahead of UTC.
            if aware < EARLIEST_EVENT:
                raise ValueError(f"timestamp is before {EARLIEST_EVENT.year}")
        return self


class NewListing(BaseModel):
    """A new listing. Every field is optional."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_as_form)

    name: str = Field("", max_length=500, examples=["Oak bedside table"])
    description: str = Field("", max_length=20_000)
    location: str = Field("", max_length=200, examples=["Reading, Berkshire"])
    price: float | None = Field(
        None,
        ge=0,
        le=1e9,
        description="Asking price in the currency of the listings, to check for plausibility.",
    )
    photos: list[UploadFile] = Field([], max_length=10, description=f"{FORMATS_DESCRIPTION} files.")


class UnusablePhoto(BaseModel):
    """A photo that could not be used."""

    photo: int = Field(description="Position of the photo, from 1.")
    reason: str = Field(examples=[f"not one of {FORMAT_NAMES}"])


class Prediction(BaseModel):
    """The predicted category and price of a new listing.

    They are null if the models had no categories or no prices to learn from.
    """

    category: str | None = Field(description="Most probable category.", examples=["Home & Garden"])
    probabilities: dict[str, float] = Field(
        description="Probability of every category. They add up to 1; empty without categories."
    )
    price: float | None = Field(description="Predicted price, in the currency of the listings.")
    price_low: float | None = Field(description="Lower end of the prediction interval.")
    price_high: float | None = Field(description="Upper end of the prediction interval.")
    coverage: float = Field(
        description="Target share of prices within the interval.", examples=[0.8]
    )
    price_flag: str | None = Field(
        description='Of the asking price: "placeholder", "far below" or "far above"; or null.'
    )
    unusable: list[UnusablePhoto]


class StoredEvent(BaseModel):
    """A stored event."""

    id: int = Field(description="Id of the event.")


class MarketplaceSettings(BaseModel):
    """How the marketplace writes money, distances and dates, and what its listings have."""

    currency: str = Field(description="ISO 4217 code of all prices.", examples=["GBP"])
    currency_symbol: str = Field(examples=["£"])
    language: str = Field(description="ISO 639-1 code of the listings.", examples=["en"])
    country: str = Field(description="ISO 3166 code of the listings.", examples=["GB"])
    language_tag: str = Field(
        description="Language and country for `Intl` and `lang`.", examples=["en-GB"]
    )
    distance_unit: Literal["km", "mi"] = Field(
        description="What people use in the country. The API itself always uses kilometres."
    )
    fields: list[str] = Field(
        description="What at least one listing has, of category, description, location, photo, "
        "place, price, seller_id and status. `place` is a location on the map, which `near` "
        "needs; `status` means that some listings are not available."
    )
    attributes: list[AttributeDescription] = Field(description="What `attr.NAME` filters by.")


class Health(BaseModel):
    """The health of the service."""

    status: Literal["ok"]
