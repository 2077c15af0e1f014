"""Scopes: each route declares what a key must be allowed to do, and refuses other keys."""

from __future__ import annotations

from typing import ClassVar

from fastapi import APIRouter, HTTPException
from fastapi.routing import APIRoute
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from market.service.keys import ApiKey, Scope

KEY = "api_key"  # under which ApiKeyMiddleware puts the key into the state of a request


class ScopedRoute(APIRoute):
    """A route that refuses keys without its scope, before it reads the body."""

    needs: ClassVar[Scope] = "catalogue"

    async def handle(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer a request, or raise HTTPException 403."""
        key: ApiKey | None = scope.get("state", {}).get(KEY)
        if key is not None and self.needs not in key.scopes:
            raise HTTPException(403, f"the key {key.name!r} lacks the scope {self.needs!r}")
        await super().handle(scope, receive, send)


class ReadRoute(ScopedRoute):
    """A route that shows what the service has."""

    needs = "read"


def check_declared(router: APIRouter) -> APIRouter:
    """Return a router all of whose routes declare a scope.

    Raises
    ------
    TypeError
        If one does not: it would be open to every key.
    """
    for route in router.routes:
        if not isinstance(route, ScopedRoute):
            path = getattr(route, "path", route)
            raise TypeError(f"{path} declares no scope: see market.service.scopes")
    return router
