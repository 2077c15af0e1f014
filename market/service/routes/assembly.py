"""The routers of the API, put together from one module for each tag.

Handlers are plain functions, which FastAPI runs in threads: a search computes for milliseconds and
must not block other requests.
"""

from fastapi import APIRouter, Depends

from market.service.attribute_parameters import DESCRIPTION
from market.service.routes import (
    analytics,
    catalogue,
    events,
    experiments,
    health,
    listings,
    predictions,
    search,
    suggest,
    users,
)
from market.service.routes.dependencies import refuse_repeated_parameters
from market.service.routes.responses import ERROR
from market.service.scopes import check_declared

TAGS = [
    {
        "name": "search",
        "description": f"Search, similar listings, recommendations. {DESCRIPTION}",
    },
    {"name": "listings", "description": "Listings, their photos, categories and places."},
    {"name": "catalogue", "description": "Changes of listings, which users find within a second."},
    {"name": "events", "description": "What users do, which personalises their next results."},
    {"name": "users", "description": "All data of one user, and its erasure: for the shop."},
    {"name": "analytics", "description": "What became of searches: for the shop."},
    {"name": "predictions", "description": "Category and price of a new listing."},
    {"name": "health", "description": "For monitoring. `/metrics` has Prometheus metrics."},
]

api_router = APIRouter(
    prefix="/api",
    dependencies=[Depends(refuse_repeated_parameters)],
    responses={422: ERROR},
)
MODULES = (
    search, suggest, listings, catalogue, events, predictions, users, analytics, experiments,
)  # fmt: skip
for module in MODULES:
    api_router.include_router(check_declared(module.router))
health_router = health.router  # needs no key
