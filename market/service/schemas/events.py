"""User events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from market.service.schemas.fields import ProductId, RequestFields, SearchId, UserId

MAX_DWELL_SECONDS = 86_400  # a day: a longer time is a forgotten tab
MAX_CLOCK_SKEW = timedelta(minutes=5)
# Earlier timestamps are mistakes, such as 20240105, which is read as seconds since 1970.
EARLIEST_EVENT = datetime(1990, 1, 1, tzinfo=UTC)


DwellSeconds = Annotated[
    float,
    Field(ge=0, le=MAX_DWELL_SECONDS, description="How long the user looked at the listing."),
]


class NewEvent(RequestFields):
    """A user event."""

    user_id: UserId
    product_id: ProductId
    event: Literal["view", "save", "message", "buy"]
    timestamp: datetime | None = Field(
        None, description="ISO 8601 or Unix seconds; UTC without a time zone. Defaults to now."
    )
    search_id: SearchId | None = Field(
        None, description="`search_id` of the answer from which the event follows."
    )
    dwell_seconds: DwellSeconds | None = None

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


class Dwell(RequestFields):
    """How long the user of an event looked at the listing."""

    user_id: UserId
    dwell_seconds: DwellSeconds


class StoredEvent(BaseModel):
    """A stored event."""

    id: int = Field(description="Id of the event.")


class OptOut(BaseModel):
    """Whether the searches of a user are left out of the recording."""

    opted_out: bool


class ErasedUser(BaseModel):
    """The erasure of a user's data."""

    events: int = Field(description="Number of stored events that were deleted.")
