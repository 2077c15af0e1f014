"""Listings, their attributes and categories, and how the marketplace writes them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from market.search.attributes import MAX_VALUES


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


class PhotoSizes(BaseModel):
    """A photo in two sizes, which are equal if it is small itself. It keeps its aspect."""

    url: str = Field(
        description="URL for a card, relative to the root of the service.",
        examples=["api/photos/12?v=1&size=480"],
    )
    width: int = Field(description="In pixels.", examples=[480])
    height: int = Field(description="In pixels.", examples=[360])
    url_large: str = Field(description="URL to zoom in.", examples=["api/photos/12?v=1&size=1200"])
    width_large: int = Field(description="In pixels.", examples=[1200])
    height_large: int = Field(description="In pixels.", examples=[900])


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
        examples=["api/photos/12?v=1&size=480"],
    )
    photo_sizes: list[PhotoSizes] = Field(
        description="All photos with their sizes, the first is `photo`.", default=[]
    )
    attributes: dict[str, bool | float | str] = Field(
        description="Values by the name of the attribute; dates as YYYY-MM-DD.",
        examples=[{"brand": "Sony"}],
    )
    available: bool = Field(description="False if the listing is sold, reserved or inactive.")
    seller_id: str | None = Field(description="Id of the seller, if the listings state it.")


class Product(ListingSummary):
    """A listing with all details."""

    description: str
    photos: list[str] = Field(description="URLs relative to the root of the service.")
    created: str | None = Field(description="Date of the listing, YYYY-MM-DD.")
    distance_km: float | None = Field(
        default=None, description="Kilometres from `near`; null without it, or if it is unknown."
    )


class Category(BaseModel):
    """A category of any level."""

    path: str = Field(examples=["Home & Garden / Garden & Patio"])
    count: int = Field(description="Number of listings in it and in its subcategories.")


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
