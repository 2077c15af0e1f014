"""Changes of listings keep to their OpenAPI description, as test_api_schema.py tests the others."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
import schemathesis
from live_engine import SimulatedPredictor, make_index
from test_api_schema import request_all

from market.service import predictions
from market.service.app import serve_index
from market.service.events import EventStore
from market.service.settings import Settings


def request_catalogue(folder: Path, examples: int, random_seed: int) -> Counter:
    """Send requests to every endpoint that changes listings; return the counts of statuses."""
    index = make_index(folder / "photos")
    store = EventStore(f"sqlite:///{folder}/events.sqlite")
    app = serve_index(index, store, Settings(max_upload_mb=1))
    described = schemathesis.openapi.from_asgi("/openapi.json", app).include(tag="catalogue")
    described = described.exclude(path="/api/listings/bulk")  # any text is a valid body of it
    return request_all(described, index.engine, examples, random_seed)


def test_a_few_changes_of_listings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "_load_predictor", SimulatedPredictor)
    statuses = request_catalogue(tmp_path, 2, random_seed=1)
    assert {status for _, status in statuses} <= {200, 201, 204, 400, 404, 412, 415, 422}


@pytest.mark.campaign
def test_campaign_of_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "_load_predictor", SimulatedPredictor)
    examples = int(os.environ.get("EXAMPLES", "100"))
    statuses = request_catalogue(tmp_path, examples, int(os.environ.get("SEED", "1")))
    print(f"\n{sum(statuses.values())} requests:")
    for (label, status), count in sorted(statuses.items()):
        print(f"{label} {status}: {count}")
