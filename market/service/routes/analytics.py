"""What became of searches: rates of clicks and conversions, and queries without results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import pandas as pd
from fastapi import APIRouter, HTTPException, Query, Request, Response

from market.search.analytics_tables import nest_means
from market.search.unmet_queries import add_hints
from market.service import schemas
from market.service.daily_outcomes import PeriodError
from market.service.queues import queued_route
from market.service.routes.dependencies import State
from market.service.routes.responses import UNAVAILABLE
from market.service.spreadsheets import to_csv

CSV = "text/csv"

router = APIRouter(
    prefix="/analytics",
    tags=["analytics"],
    route_class=queued_route("analytics", "analytics"),
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}, 503: UNAVAILABLE},
)


@router.get("", summary="Rates of searches", response_model=schemas.Analytics)
def rates(
    state: State, request: Request, query: Annotated[schemas.AnalyticsQuery, Query()]
) -> schemas.Analytics | Response:
    """Return CTR, conversion, mean place of the first click, and more, by kind of search.

    Every rate has its n and a 95 % interval. docs/serve.md defines them.
    """
    min_users = state.settings.analytics_min_users
    with _refusing_long_periods():
        table = state.analytics.rates(query.first, query.last, query.by, min_users)
    if query.kind is not None:
        table = table[table["kind"] == query.kind]
    by_kind = table.groupby("kind")
    table = by_kind.tail(query.limit) if query.by == "day" else by_kind.head(query.limit)
    if _wants_csv(query, request):
        return _csv(table)
    return schemas.Analytics.model_validate(
        _period(query, min_users) | {"rows": [nest_means(row) for row in table.to_dict("records")]}
    )


@router.get(
    "/no-results", summary="Queries without results", response_model=schemas.QueriesWithoutResults
)
def no_results(
    state: State, request: Request, query: Annotated[schemas.UnmetQuery, Query()]
) -> schemas.QueriesWithoutResults | Response:
    """Return the most frequent queries that found nothing, and what the listings have instead."""
    min_users = state.settings.analytics_min_users
    with _refusing_long_periods():
        table = state.analytics.queries_without_results(query.first, query.last, min_users)
    table = add_hints(table.head(query.limit), state.engine)
    if _wants_csv(query, request):
        return _csv(table)
    rows = table.to_dict("records")
    return schemas.QueriesWithoutResults.model_validate(_period(query, min_users) | {"rows": rows})


@contextmanager
def _refusing_long_periods() -> Iterator[None]:
    try:
        yield
    except PeriodError as error:
        raise HTTPException(422, str(error)) from None


def _period(query: schemas.Period, min_users: int) -> dict[str, Any]:
    return {"from": query.first, "to": query.last, "min_users": min_users}


def _wants_csv(period: schemas.Period, request: Request) -> bool:
    if period.format is not None:
        return period.format == "csv"
    accepted = request.headers.get("accept", "")
    return CSV in accepted and "application/json" not in accepted


def _csv(table: pd.DataFrame) -> Response:
    return Response(to_csv(table), media_type=CSV)
