"""Suggestions while a user types."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from market.service.schemas.fields import RECORD, RequestFields, UserId


class SuggestQuery(RequestFields):
    """What a user has typed."""

    q: str = Field("", max_length=300, description="The text so far.", examples=["lapt"])
    user: UserId | None = Field(
        None, description="A user id, which is recorded; the suggestions do not depend on it."
    )
    record: bool = RECORD
    limit: int = Field(8, ge=1, le=20, description="Largest number of suggestions.")


class Suggestion(BaseModel):
    """A query to search for, a category to filter by, or a listing to open."""

    kind: Literal["query", "category", "listing"]
    text: str = Field(description="What to show; of a query, what to search for.")
    category: str | None = Field(
        description="Path of a category and of a listing, as `category` filters by it.",
        examples=["Computers / Laptops"],
    )
    product_id: str | None = Field(description="Id of a listing.")
    photo: str | None = Field(description="URL of a listing's first photo.")


class Suggestions(BaseModel):
    """Suggestions: first queries, then categories, then listings."""

    search_id: str = Field(
        description="Id of this answer: `suggest_id` of the search that the user starts from it.",
        examples=["01939b6f-7c3a-7d4e-8a51-5f0c6a3e9b42"],
    )
    suggestions: list[Suggestion]
