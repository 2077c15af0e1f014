"""Requests and answers of the API, with their types, limits and descriptions."""

from market.service.schemas.catalogue import (
    BulkLine,
    BulkResult,
    ChangedListing,
    Duplicate,
    ListingFields,
)
from market.service.schemas.events import ErasedUser, NewEvent, StoredEvent
from market.service.schemas.fields import LIST_FIELDS, Error, ProductId, UserId
from market.service.schemas.filters import Filters, Page, PhotoQuery, SearchQuery, SimilarQuery
from market.service.schemas.health import Health
from market.service.schemas.listings import (
    AttributeCounts,
    AttributeDescription,
    AttributeValue,
    Category,
    ListingSummary,
    MarketplaceSettings,
    Product,
)
from market.service.schemas.predictions import NewListing, Prediction, UnusablePhoto
from market.service.schemas.results import (
    BatchResults,
    CategoryCount,
    DistanceCount,
    Explanation,
    FacetCounts,
    HighlightedText,
    Highlights,
    Hit,
    Obstacle,
    PriceCount,
    Reason,
    Redirect,
    SearchBatch,
    SearchResults,
)
from market.service.schemas.suggestions import Suggestion, Suggestions, SuggestQuery

__all__ = [
    "LIST_FIELDS",
    "AttributeCounts",
    "AttributeDescription",
    "AttributeValue",
    "BatchResults",
    "BulkLine",
    "BulkResult",
    "Category",
    "CategoryCount",
    "ChangedListing",
    "DistanceCount",
    "Duplicate",
    "ErasedUser",
    "Error",
    "Explanation",
    "FacetCounts",
    "Filters",
    "Health",
    "HighlightedText",
    "Highlights",
    "Hit",
    "ListingFields",
    "ListingSummary",
    "MarketplaceSettings",
    "NewEvent",
    "NewListing",
    "Obstacle",
    "Page",
    "PhotoQuery",
    "Prediction",
    "PriceCount",
    "Product",
    "ProductId",
    "Reason",
    "Redirect",
    "SearchBatch",
    "SearchQuery",
    "SearchResults",
    "SimilarQuery",
    "StoredEvent",
    "SuggestQuery",
    "Suggestion",
    "Suggestions",
    "UnusablePhoto",
    "UserId",
]
