"""What goes in and out of the API, typed, bounded and described."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import UploadFile
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from market.data.ids import ID_PATTERN, ID_RULES, LONGEST_ID


def _check_id(text: str) -> str:
    for fault, rule in ID_RULES.items():
        if not rule.fullmatch(text):
            raise ValueError(fault)
    return text


# As `clean` checks them, in its words. The pattern describes the same to callers.
_ID: dict[str, Any] = {
    "min_length": 1,
    "max_length": LONGEST_ID,
    "json_schema_extra": {"pattern": ID_PATTERN},
}
USER_ID = Field(
    **_ID,
    description="Who asks: any name the caller chooses, e.g. a random UUID.",
    examples=["anna"],
)
PRODUCT_ID = Field(**_ID, description="A listing's id.")
UserId = Annotated[str, USER_ID, AfterValidator(_check_id)]
ProductId = Annotated[str, PRODUCT_ID, AfterValidator(_check_id)]
LISTS = {"photos"}  # the fields that may be given more than once
CLOCK_SKEW = timedelta(minutes=5)
# Of an event: whatever lies before is a slip, as 20240105 is, which is read as seconds since 1970.
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


def _without_null(schema: dict[str, Any]) -> None:
    """Describe fields as a form or an address can hold them: left out, but never null."""
    for field in schema["properties"].values():
        kinds = [kind for kind in field.get("anyOf", []) if kind != {"type": "null"}]
        if len(kinds) == 1:
            del field["anyOf"]
            field |= kinds[0]


def _of_a_form(schema: dict[str, Any]) -> None:
    """Describe that in a form what may be left out may also be empty, as browsers send it."""
    _without_null(schema)
    about = {"title", "description", "default", "examples"}
    for name, field in schema["properties"].items():
        is_free = field.get("type") == "string" and "minLength" not in field
        if name in schema.get("required", []) or field.get("type") == "array" or is_free:
            continue
        kind = {key: field.pop(key) for key in [*field] if key not in about}
        field["anyOf"] = [kind, {"type": "string", "maxLength": 0}]


class Fault(BaseModel):
    """Every error: one line that says what is wrong."""

    error: str = Field(examples=["price_min is above price_max"])


class Within(BaseModel):
    """Which listings may answer. Filters are strict: nothing that fails one is shown."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_without_null)

    price_min: float | None = Field(None, ge=0, le=1e9, description="Pounds.")
    price_max: float | None = Field(None, ge=0, le=1e9, description="Pounds.")
    category: str | None = Field(
        None,
        max_length=300,
        description='A category of any level, or a path, "A / B".',
        examples=["Home & Garden"],
    )
    near: str | None = Field(
        None, max_length=100, description="A town.", examples=["Reading, Berkshire"]
    )
    radius_km: float | None = Field(
        None, gt=0, le=2000, description="At most so far from `near`, in kilometres."
    )
    flagged: bool = Field(False, description="Let listings in whose price is flagged as odd.")

    @model_validator(mode="after")
    def _agree(self) -> Within:
        low, high = self.price_min, self.price_max
        if low is not None and high is not None and low > high:
            raise ValueError("price_min is above price_max")
        if self.radius_km is not None and not self.near:
            raise ValueError("radius_km needs near: the town to measure from")
        return self


class Page(Within):
    limit: int = Field(20, ge=1, le=100, description="How many to answer.")
    offset: int = Field(0, ge=0, le=10_000_000, description="How many to skip, up to `total`.")


class Query(Page):
    q: str = Field("", max_length=300, description="Words.", examples=["oak bedside table"])
    user: UserId | None = Field(None, description="Whose former events count.")


class PhotoQuery(Query):
    model_config = ConfigDict(extra="forbid", json_schema_extra=_of_a_form)

    photo: UploadFile = Field(description="JPEG, PNG, WebP, GIF or BMP.")


class Similar(Page):
    limit: int = Field(12, ge=1, le=100, description="How many to answer.")
    user: UserId | None = Field(None, description="Whose former events count.")


class Reason(BaseModel):
    """One signal's part in a score."""

    signal: str = Field(examples=["bm25"])
    words: str = Field(description="The signal, as told to a person.", examples=["has your words"])
    contribution: float = Field(description="What it adds to the score.", examples=[0.42])


class Card(BaseModel):
    """A listing in short."""

    product_id: str
    name: str
    price: float | None = Field(description="Pounds, as asked.")
    price_flag: str | None = Field(
        description='"placeholder", "far below" or "far above" what such things cost; or null.'
    )
    price_expected: float | None = Field(description="Pounds, as the price model expects.")
    location: str
    category: list[str] = Field(description="From the top level down.")
    photo: str | None = Field(
        description="Of the first photo, from the service's root.", examples=["api/photos/12?v=1"]
    )


class Hit(Card):
    score: float = Field(description="The sum of all contributions.")
    why: list[Reason] = Field(description="The score's parts, the largest first.")
    distance_km: float | None = Field(description="From `near`, where it was given and is known.")


class Results(BaseModel):
    hits: list[Hit]
    total: int = Field(
        description="The exact number of listings that match and pass the filters; offsets up to "
        "it show each once. Of a product and its copies, `similar` and `recommend` count one."
    )
    understood: str | None = Field(
        description="The query after mending typing errors, where that changed it; empty where "
        "none of it can be searched for (“the”, “🔥”): the answer is one without words."
    )
    unplaced: str | None = Field(
        description="`near`, where no such place is known: nothing is near it then."
    )


class Product(Card):
    description: str
    photos: list[str] = Field(description="From the service's root.")
    created: str | None


class Category(BaseModel):
    path: str = Field(examples=["Home & Garden / Garden & Patio"])
    count: int = Field(description="Listings in it and below it.")


class NewEvent(BaseModel):
    """Something a user did."""

    model_config = ConfigDict(extra="forbid")

    user_id: UserId
    product_id: ProductId
    event: Literal["view", "save", "message", "buy"]
    timestamp: datetime | None = Field(
        None, description="ISO 8601 or Unix seconds; without a zone, UTC. By default now."
    )

    @model_validator(mode="after")
    def _past(self) -> NewEvent:
        if self.timestamp is not None:
            time = self.timestamp
            aware = time if time.tzinfo else time.replace(tzinfo=UTC)
            if aware > datetime.now(UTC) + CLOCK_SKEW:
                raise ValueError("timestamp lies in the future")
            # Also what has no equivalent in UTC: the year 1, an hour ahead of it.
            if aware < EARLIEST:
                raise ValueError(f"timestamp lies before {EARLIEST.year}")
        return self


class NewListing(BaseModel):
    """A listing that is not for sale yet; each of its fields may be left out."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_of_a_form)

    name: str = Field("", max_length=500, examples=["Oak bedside table"])
    description: str = Field("", max_length=20_000)
    location: str = Field("", max_length=200, examples=["Reading, Berkshire"])
    price: float | None = Field(None, ge=0, le=1e9, description="Pounds, as asked: to be flagged.")
    photos: list[UploadFile] = Field([], max_length=10, description="JPEG, PNG, WebP, GIF or BMP.")


class Unusable(BaseModel):
    """A photo that could not be used."""

    photo: int = Field(description="Which, counted from 1.")
    reason: str = Field(examples=["not one of JPEG, PNG, WEBP, GIF, BMP"])


class Prediction(BaseModel):
    category: str = Field(description="The likeliest.", examples=["Home & Garden"])
    probabilities: dict[str, float] = Field(description="Of every category; 1 in all.")
    price: float = Field(description="Pounds, as such things are usually asked.")
    price_low: float = Field(description="The interval that holds most such prices: from …")
    price_high: float = Field(description="… to.")
    coverage: float = Field(description="The share of such prices that it holds.", examples=[0.8])
    price_flag: str | None = Field(
        description='Of the price asked: "placeholder", "far below" or "far above"; or null.'
    )
    unusable: list[Unusable]


class Kept(BaseModel):
    id: int = Field(description="The event's number.")


class Health(BaseModel):
    status: Literal["ok"]
