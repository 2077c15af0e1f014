"""The answer to a search."""

from __future__ import annotations

from pydantic import BaseModel, Field

from market.service.schemas.listings import AttributeCounts, ListingSummary


class Reason(BaseModel):
    """The contribution of one feature to a score."""

    feature: str = Field(examples=["bm25"])
    text: str = Field(description="The reason for users.", examples=["matches your words"])
    contribution: float = Field(description="Part of the score.", examples=[0.42])


class Hit(ListingSummary):
    """A listing among the results."""

    score: float = Field(description="Sum of all contributions.")
    why: list[Reason] = Field(description="Reasons for the score, the largest first.")
    distance_km: float | None = Field(
        description="Distance from `near` in kilometres; null without `near` or an unknown place."
    )


class Redirect(BaseModel):
    """Where a rule of the shop says that a search leads instead."""

    rule: str = Field(description="Name of the rule.", examples=["sale"])
    path: str | None = Field(
        description="A page of the shop; null if `filters` say where the search leads.",
        examples=["/sale"],
    )
    filters: dict[str, str] = Field(
        description="Parameters of `GET /api/search` without `q`.",
        examples=[{"category": "Sofas", "price_max": "100"}],
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
    redirect: Redirect | None = Field(
        None, description="Where a rule leads the search; the hits are those without it."
    )
    attributes: list[AttributeCounts] | None = Field(
        default=None, description="The attributes of all results with `facets`, else null."
    )
