"""Analytics of searches."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from market.service.schemas.fields import RequestFields, without_null

DEFAULT_DAYS = 28
FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2999, 12, 31)


def _check_day(day: date) -> date:
    if day < FIRST_DAY:
        raise ValueError(f"is before {FIRST_DAY}")
    if day > LAST_DAY:
        raise ValueError(f"is after {LAST_DAY}")
    return day


Day = Annotated[date, AfterValidator(_check_day)]
ReportedKind = Literal["search", "recommendation", "similar", "suggest"]


class Period(RequestFields):
    """Days (UTC), and the form of the answer."""

    model_config = ConfigDict(json_schema_extra=without_null)

    start: Day | None = Field(
        None,
        alias="from",
        description=f"First day (UTC); by default {DEFAULT_DAYS} days up to `to`.",
        examples=["2026-03-01"],
    )
    end: Day | None = Field(None, alias="to", description="Last day; by default today.")
    format: Literal["json", "csv"] | None = Field(
        None, description="Form of the answer; by default JSON, or CSV for `Accept: text/csv`."
    )

    @property
    def first(self) -> date:
        """The first day."""
        return self.last - timedelta(days=DEFAULT_DAYS - 1) if self.start is None else self.start

    @property
    def last(self) -> date:
        """The last day."""
        return datetime.now(UTC).date() if self.end is None else self.end

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.first > self.last:
            raise ValueError(f"from ({self.first}) is after to ({self.last})")
        return self


class AnalyticsQuery(Period):
    """Which rates to report."""

    by: Literal["day", "query", "variant"] | None = Field(
        None, description="Groups of searches; by default there is a row for each kind."
    )
    kind: ReportedKind | None = Field(None, description="One kind of search; by default all.")
    limit: int = Field(
        100,
        ge=1,
        le=1000,
        description="Largest number of groups of a kind: the latest days, the commonest queries.",
    )


class UnmetQuery(Period):
    """Which queries without results to report."""

    limit: int = Field(20, ge=1, le=100, description="Largest number of queries.")


class Mean(BaseModel):
    """A share or a mean, with its 95 % interval; null if nothing was counted."""

    value: float | None
    n: int = Field(description="Number of searches or clicks that it counts.")
    low: float | None
    high: float | None


class AnalyticsRow(BaseModel):
    """Rates of a kind of search, or of one of its groups."""

    kind: str = Field(description="`search` has searches by photo too.")
    day: str | None = Field(None, description="The group, if `by` is day.")
    query: str | None = Field(None, description="The group, if `by` is query; normalised.")
    pooled: int | None = Field(
        None,
        description="If `by` is query: above 0 in the row `other`, the number of queries in it, "
        "each from fewer than `min_users` users.",
    )
    variant: str | None = Field(None, description="The group, if `by` is variant.")
    searches: int = Field(description="All pages of a search count once.")
    users: int = Field(description="Different users.")
    ctr: Mean = Field(description="Share of searches with a click on what they showed.")
    conversion: Mean = Field(description="Share with a message or a purchase on what they showed.")
    zero_results: Mean = Field(description="Share without results.")
    reformulation: Mean = Field(
        description="Share followed by another query of the same user within 5 minutes, without a "
        "click in between."
    )
    click_place: Mean = Field(description="Mean place of the first click, from 1.")


class Analytics(BaseModel):
    """Rates of the searches of a period."""

    start: date = Field(alias="from")
    end: date = Field(alias="to")
    min_users: int = Field(description="Queries of fewer users are pooled.")
    rows: list[AnalyticsRow]


class QueryWithoutResults(BaseModel):
    """A query without results, and what the listings have for it now."""

    query: str
    searches: int = Field(description="Searches for it without results.")
    users: int = Field(description="Different users of these.")
    last_seen: datetime = Field(description="Time of the last of these (UTC).")
    share: float = Field(description="Share of all searches for it.")
    with_filters: int = Field(
        description="How many of these had filters, which may be why they found nothing."
    )
    results_now: int = Field(description="Number of results of the query now, without filters.")
    corrected: str = Field(description="The query after spelling correction, if that changes it.")
    closest_words: str = Field(
        description="For each word that no listing has, the word that is spelt most like it."
    )
    category: str = Field(description="The category of the closest listings.")


class QueriesWithoutResults(BaseModel):
    """The most frequent queries without results."""

    start: date = Field(alias="from")
    end: date = Field(alias="to")
    min_users: int = Field(description="Queries of fewer users are left out.")
    rows: list[QueryWithoutResults]
