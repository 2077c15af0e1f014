"""Descriptions of error answers in the OpenAPI schema."""

from __future__ import annotations

from typing import Any

from market.service.schemas import Error

ERROR: dict[str, Any] = {"model": Error}
UNAVAILABLE: dict[str, Any] = {
    **ERROR,
    "description": "Too many requests at once, or a part of the service is away: try again.",
    "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
}
TOO_MANY: dict[str, Any] = {
    **UNAVAILABLE,
    "description": "The key has used up its limit: try again after the stated time.",
}
# Errors of a request with a body: cut off, too slow, too large, of another type.
BODY_ERRORS: dict[int | str, dict[str, Any]] = {code: ERROR for code in (400, 408, 413, 415)}
