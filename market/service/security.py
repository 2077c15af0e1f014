"""Access and browser security: API keys, other origins, and the security headers of answers."""

from __future__ import annotations

from collections.abc import Sequence

from starlette._utils import get_route_path
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from market.service.keys import KeyRing
from market.service.scopes import KEY

# Strangers write the listings. Whatever they write, only the page's own scripts run, and trusted
# types forbid the page to turn text into HTML. blob: is for the photo to search by, and for photos
# fetched with a key.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
# Swagger UI has an inline script and draws icons from data: URLs. It shows no listing's text.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# What a page of another origin may send beside the headers that need no permission.
CLIENT_HEADERS = ["Authorization", "Content-Type", "If-Match", "If-None-Match", "X-API-Key"]
# The headers of OWASP's list that such a page needs. The proxy that ends TLS sends
# Strict-Transport-Security.
SECURITY_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class ApiKeyMiddleware:
    """Answer 401 under /api/ to requests without a key, and 429 over its limit.

    Both come before the body is read. Clients send a key as `X-API-Key: KEY` or
    `Authorization: Bearer KEY`. `market.service.scopes` checks what a key may do.
    """

    def __init__(self, app: ASGIApp, keys: KeyRing) -> None:
        self.app = app
        self.keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The router matches the same path, so no other spelling reaches an endpoint unchecked.
        if scope["type"] != "http" or not get_route_path(scope).startswith("/api/"):
            return await self.app(scope, receive, send)
        key = self.keys.find(_sent_key(Headers(scope=scope)))
        if key is None:
            error = "an API key is needed: send it as X-API-Key, or as Authorization: Bearer"
            refusal = JSONResponse({"error": error}, 401, {"WWW-Authenticate": "Bearer"})
            return await refusal(scope, receive, send)
        if seconds := self.keys.seconds_to_wait(key):
            error = f"the key {key.name!r} is limited to {key.limit}: try again in {seconds} s"
            refusal = JSONResponse({"error": error}, 429, {"Retry-After": str(seconds)})
            return await refusal(scope, receive, send)
        scope.setdefault("state", {})[KEY] = key
        await self.app(scope, receive, send)


def _sent_key(headers: Headers) -> str:
    key = headers.get("x-api-key")
    if key is not None:
        return key
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


class ApiCorsMiddleware:
    """Let pages of other origins call the API, and nothing else of the service.

    Cookies and HTTP logins are never allowed: a page sends its API key in a header.

    Parameters
    ----------
    origins
        Such as "https://shop.example"; "*" for all.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self.app = app
        self.api = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "If-Match",
                "If-None-Match",
                "X-API-Key",
            ],
            expose_headers=["ETag", "Retry-After"],
            max_age=600,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_api = scope["type"] == "http" and get_route_path(scope).startswith("/api/")
        await (self.api if is_api else self.app)(scope, receive, send)


class SecurityHeadersMiddleware:
    """Add SECURITY_HEADERS and Cache-Control to every answer.

    Parameters
    ----------
    shares_photos
        Whether pages of other origins may show photos. Browsers ask for images without CORS, so
        Cross-Origin-Resource-Policy cannot tell one origin from another.
    """

    def __init__(self, app: ASGIApp, *, shares_photos: bool = False) -> None:
        self.app = app
        self.shares_photos = shares_photos

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path = get_route_path(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                if path == "/docs":
                    headers["Content-Security-Policy"] = DOCS_POLICY
                if self.shares_photos and path.startswith("/api/photos/"):
                    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
                # API answers are personal and change with every event. The page's files change
                # with every deployment.
                caching = "no-store" if path.startswith("/api/") else "no-cache"
                headers.setdefault("Cache-Control", caching)
            await send(message)

        await self.app(scope, receive, send_with_headers)
