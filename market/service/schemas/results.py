"""The answer to a search."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from market.service.schemas.fields import Error, RequestFields
from market.service.schemas.listings import AttributeCounts, ListingSummary

MAX_BATCH = 50  # searches


class Reason(BaseModel):
    """The contribution of one feature to a score."""

    feature: str = Field(examples=["bm25"])
    text: str = Field(description="The reason for users.", examples=["matches your words"])
    contribution: float = Field(description="Part of the score.", examples=[0.42])


Span = Annotated[list[int], Field(min_length=2, max_length=2)]


class HighlightedText(BaseModel):
    """A part of a text, and where the words of the query stand in it."""

    text: str = Field(description="Plain text, never HTML; at most 200 characters.")
    spans: list[Span] = Field(
        description="Start and end (exclusive) in characters, that is in Unicode code points."
    )


class Highlights(BaseModel):
    """Where the words of the query stand in a listing."""

    name: list[Span] = Field(description="As `spans`, in `name`.", examples=[[[4, 10]]])
    description: HighlightedText = Field(
        description="The part of the description with most of the words, or its beginning."
    )


class Hit(ListingSummary):
    """A listing among the results."""

    score: float = Field(description="Sum of all contributions.")
    why: list[Reason] = Field(description="Reasons for the score, the largest first.")
    distance_km: float | None = Field(
        description="Distance from the place of the search in kilometres; null without one, or if "
        "the place of the listing is unknown."
    )
    copies: int | None = Field(
        default=None,
        description="With `collapse`: number of other matches that are copies of this product.",
    )
    contributions: dict[str, float] | None = Field(
        default=None, description="With `explain`: every contribution to the score by feature."
    )
    highlights: Highlights | None = Field(
        default=None, description="Where the words of the query stand; null without any."
    )


class CategoryCount(BaseModel):
    """A category of any level among the results."""

    value: str = Field(
        description="Path, as the filter `category` takes it.", examples=["Home & Garden / Garden"]
    )
    count: int = Field(description="Exact number of listings.")


class PriceCount(BaseModel):
    """A price bucket; both bounds are included, and buckets do not overlap."""

    minimum: float | None = Field(description="As `price_min`; null for no bound.", examples=[50])
    maximum: float | None = Field(
        description="As `price_max`; null for no bound.", examples=[99.99]
    )
    count: int = Field(description="Exact number of listings.")


class DistanceCount(BaseModel):
    """Listings within a distance."""

    maximum_km: float = Field(description="As `radius_km`.", examples=[10])
    count: int = Field(description="Exact number of listings.")


class FacetCounts(BaseModel):
    """Counts among all results, each without the search's own filter on it.

    They count listings, with all copies and all listings of a seller.
    """

    categories: list[CategoryCount] = Field(description="Of each level, the commonest first.")
    prices: list[PriceCount] = Field(description="Round bounds that suit the prices found.")
    distances: list[DistanceCount] = Field(
        description="From the nearest, up to the first that holds all; empty without a place."
    )


class Obstacle(BaseModel):
    """A reason why a listing is not shown."""

    code: str = Field(
        description="A filter that the listing fails, or what else stands against it.",
        examples=["price_max"],
    )
    text: str = Field(examples=["the price £120 is above price_max (£100)"])


class Explanation(BaseModel):
    """Why a search shows a listing, or does not."""

    product_id: str
    shown: bool
    rank: int | None = Field(description="Place among all hits, from 1; null if not shown.")
    obstacles: list[Obstacle] = Field(description="Every reason why it is not shown.")


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

    search_id: str = Field(
        description="Id of this answer, for the events and the searches that follow from it.",
        examples=["01939b6f-7c3a-7d4e-8a51-5f0c6a3e9b42"],
    )
    variant: str = Field(description="Name of the ranking that made this answer.", examples=["A"])
    hits: list[Hit]
    total: int = Field(
        description="Exact number of listings that match and pass the filters. Offsets up to it "
        "return each of them once. `similar`, `recommend` and `collapse` count a listing and its "
        "copies once; with `max_per_seller` it counts the listings that remain."
    )
    corrected_query: str | None = Field(
        description="The query after spelling correction, if that changed it. Empty if it has no "
        "searchable word (“the”, “🔥”): the results are then those without a query."
    )
    unknown_place: str | None = Field(
        description="`near`, if no such place is known; there are no results then."
    )
    empty_place: str | None = Field(
        description="The place of the search, if it is known, but no listing lies within "
        "`radius_km` of it, or no listing has a known place at all."
    )
    redirect: Redirect | None = Field(
        None, description="Where a rule leads the search; the hits are those without it."
    )
    attributes: list[AttributeCounts] | None = Field(
        default=None, description="The attributes of all results with `facets`, else null."
    )
    related: list[Hit] = Field(
        default=[],
        description="On the page where the hits end: listings below the cut-off of relevance, "
        "which `total` leaves out.",
    )
    understood: dict[str, float] | None = Field(
        default=None,
        description="Filters that come from the words of the query, such as “sofa under £100”, "
        "else null. A filter on the price in the request takes precedence.",
        examples=[{"price_max": 100.0}],
    )
    remaining_query: str | None = Field(
        default=None,
        description="With `understood`: the words without that phrase. A search for them has no "
        "such filter.",
        examples=["sofa"],
    )
    next_cursor: str | None = Field(
        default=None, description="`cursor` of the next page of a search; null on the last page."
    )
    facets: FacetCounts | None = Field(
        default=None, description="Counts among all results with `facets`, else null."
    )
    explanation: Explanation | None = Field(
        default=None, description="With `explain` and `listing`, else null."
    )


class SearchBatch(RequestFields):
    """Several searches."""

    searches: list[dict[str, Any]] = Field(
        min_length=1,
        max_length=MAX_BATCH,
        description="Each with the parameters of `GET /api/search`. Parameters that can be given "
        "more than once take a list.",
        examples=[[{"q": "oak table", "price_max": 100}, {"q": "lamp", "sort": "newest"}]],
    )


class BatchResults(BaseModel):
    """The answer to several searches."""

    results: list[SearchResults | Error] = Field(
        description="For each search, in order: its results, or the error that it would give."
    )
