"""Requests to the API, for its tests."""

from __future__ import annotations

import io
from typing import Any

from fastapi.testclient import TestClient
from PIL import Image


def get(client: TestClient, path: str, **params: Any) -> Any:
    """Return the JSON of a successful request."""
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(results: dict[str, Any]) -> list[str]:
    """Return the product ids of the hits."""
    return [hit["product_id"] for hit in results["hits"]]


def all_listings(client: TestClient, **filters: Any) -> list[dict[str, Any]]:
    """Return the hits of a search without a query."""
    return get(client, "/api/search", limit=100, **filters)["hits"]


def texts_of(results: dict[str, Any]) -> set[str]:
    """Return the texts of all reasons."""
    return {reason["text"] for hit in results["hits"] for reason in hit["why"]}


def record_event(
    client: TestClient, user: str, product: str, event: str = "view", **more: Any
) -> Any:
    body = {"user_id": user, "product_id": product, "event": event, **more}
    return client.post("/api/events", json=body)


def encoded(width: int, height: int, form: str) -> bytes:
    """Return a black image as a file of the format `form`."""
    out = io.BytesIO()
    Image.new("1", (width, height)).save(out, form)
    return out.getvalue()
