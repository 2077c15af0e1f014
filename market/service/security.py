"""Access and browser security: the API key, and the security headers of every answer."""

from __future__ import annotations

import hmac

from starlette._utils import get_route_path
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    """Answer 401 under /api/ to requests without the key, before their body is read.

    Clients send the key as `X-API-Key: KEY` or `Authorization: Bearer KEY`.
    """

    def __init__(self, app: ASGIApp, key: str) -> None:
        self.app = app
        self.key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The router matches the same path, so no other spelling reaches an endpoint unchecked.
        if scope["type"] != "http" or not get_route_path(scope).startswith("/api/"):
            return await self.app(scope, receive, send)
        # Constant time: the duration does not reveal how much of the key is right.
        if hmac.compare_digest(_sent_key(Headers(scope=scope)).encode(), self.key):
            return await self.app(scope, receive, send)
        error = "an API key is needed: send it as X-API-Key, or as Authorization: Bearer"
        refusal = JSONResponse({"error": error}, 401, {"WWW-Authenticate": "Bearer"})
        await refusal(scope, receive, send)


def _sent_key(headers: Headers) -> str:
    key = headers.get("x-api-key")
    if key is not None:
        return key
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


class SecurityHeadersMiddleware:
    """Add SECURITY_HEADERS and Cache-Control to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

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
                # API answers are personal and change with every event. The page's files change
                # with every deployment.
                caching = "no-store" if path.startswith("/api/") else "no-cache"
                headers.setdefault("Cache-Control", caching)
            await send(message)

        await self.app(scope, receive, send_with_headers)
