"""Error answers: every error is JSON with one line, {"error": "..."}."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from market.core.errors import MarketError
from market.service.database import STORE_ERRORS
from market.service.security import SECURITY_HEADERS

RETRY_LATER = {"Retry-After": "5"}  # seconds, while a part of the service is unavailable
log = logging.getLogger("uvicorn.error")


def add_error_handlers(app: FastAPI) -> None:
    """Make the app answer every error with one line of JSON."""
    app.add_exception_handler(RequestValidationError, _handle_invalid)
    app.add_exception_handler(HTTPException, _handle_http)
    for error in STORE_ERRORS:
        app.add_exception_handler(error, _handle_store)
    app.add_exception_handler(MarketError, _handle_market)
    app.add_exception_handler(Exception, _handle_unexpected)


def one_line(error: BaseException) -> str:
    """Return the message of an error as one line; its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def _error(status: int, line: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": line}, status, headers)


async def _handle_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return _error(422, describe_faults(error.errors(), skipped=1))


def describe_faults(faults: Iterable[Any], *, skipped: int = 0) -> str:
    """Return the faults that Pydantic found as one line.

    Parameters
    ----------
    faults
        From the `errors()` of its exception.
    skipped
        The number of parts of a fault's place that do not name a field, such as "query".
    """
    lines = []
    for fault in faults:
        field = ".".join(str(part) for part in fault["loc"][skipped:])
        message = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{field}: {message}" if field else message)
    return "; ".join(lines)


async def _handle_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, error.detail, error.headers)


async def _handle_store(_: Request, error: Exception) -> JSONResponse:
    log.error("event store: %s", " ".join(str(error).split()))
    return _error(503, "the event store does not answer: try again later", RETRY_LATER)


async def _handle_market(_: Request, error: Exception) -> JSONResponse:
    return _error(503, str(error), RETRY_LATER)  # such as models that do not exist


async def _handle_unexpected(_: Request, error: Exception) -> JSONResponse:
    # Starlette sends this answer outside of all middleware, so it adds the headers itself.
    return _error(500, "internal error: the log of the service has the details", SECURITY_HEADERS)
