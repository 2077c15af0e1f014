"""The API keeps to its OpenAPI description.

schemathesis makes valid and invalid requests from /openapi.json, and checks every answer: no
internal error, no undescribed status, type or body, no invalid request accepted, and no valid
request refused. A few run here; `pytest -m campaign` runs EXAMPLES for each endpoint (default 500)
from another SEED.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from market.core.paths import PHOTOS
from market.data.photo_store import PhotoStore
from market.search.engine import Engine
from market.service.app import make_app
from market.service.events import EventStore
from market.service.settings import Settings

pytestmark = pytest.mark.xdist_group("search_api")  # share one engine and one predictor

PATIENCE = 120  # seconds: the machine may be busy


# Errors of rules that OpenAPI cannot express: ordered prices, one complete place, a distance with a
# place, one place among the pages, a cursor of an answer, a past time, a period in order and of a
# year at most, a file that is a photo.
BEYOND_SCHEMA = (
    "is above price_max", "needs near", "belong together", "both name a place", "needs a place",
    "cursor is damaged", "listing needs explain", "is in the future", "is before", "photo: ",
    "is after", "at most 366 days",
    # Of changes of listings: values that stage clean checks, and versions.
    "name: is missing", "cannot be read", "category is missing", "price is ", "photos: is ",
    "give both or neither", "no such attribute", "is not between", "has changed: ",
    "there is already", "there is no listing",
)  # fmt: skip


@pytest.fixture(scope="module")
def described(ran: Path, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The schema, bound to the app."""
    folder = tmp_path_factory.mktemp("schema")
    engine.search("warm up", photo=Image.new("RGB", (8, 8)), limit=1)  # as at its start
    with contextlib.chdir(ran):
        store = EventStore(f"sqlite:///{folder}/events.sqlite")
        app = make_app(engine, PhotoStore(PHOTOS), store, Settings(max_upload_mb=1))
        # test_catalogue_schema.py requests the changes of listings.
        yield schemathesis.openapi.from_asgi("/openapi.json", app).exclude(tag="catalogue")


def request_all(described: Any, engine: Engine, examples: int, random_seed: int) -> Counter:
    """Send valid and invalid requests to every endpoint; return the counts of statuses.

    `examples` is the number of requests of each kind, `random_seed` their seed.
    """
    statuses: Counter[tuple[str, int]] = Counter()
    known = st.sampled_from(engine.listings["product_id"].tolist())
    bounds = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )

    def check(case: Any, product: str, is_unknown: bool) -> None:
        # Random ids rarely exist, so valid requests get a real one. Hypothesis draws False
        # first. Invalid requests keep their id, which may be the invalid part.
        if not is_unknown and case.meta.generation.mode is GenerationMode.POSITIVE:
            for given_ids in (case.path_parameters, case.body):
                if isinstance(given_ids, dict) and "product_id" in given_ids:
                    given_ids["product_id"] = product
        answer = case.call(timeout=PATIENCE)
        statuses[case.operation.label, answer.status_code] += 1
        error = answer.json()["error"] if answer.status_code in (412, 422) else ""
        is_beyond_schema = any(text in error for text in BEYOND_SCHEMA)
        excluded = [positive_data_acceptance] if is_beyond_schema else []
        # An invalid item of `photos` is sent like any file, and the answer reports it.
        if answer.status_code == 200 and "/predict" in case.path and answer.json()["unusable"]:
            excluded.append(negative_data_rejection)
        case.validate_response(answer, excluded_checks=excluded)

    for operation in described.get_all_operations():
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            cases = operation.ok().as_strategy(generation_mode=mode)
            send = given(case=cases, product=known, is_unknown=st.booleans())(check)
            # An endpoint without parameters has no invalid requests.
            with contextlib.suppress(Unsatisfiable):
                seed(random_seed)(bounds(send))()
    return statuses


def test_a_few_requests_to_every_endpoint(described: Any, engine: Engine) -> None:
    statuses = request_all(described, engine, 8, random_seed=1)
    assert {status for _, status in statuses} <= {200, 201, 204, 400, 404, 422}
    for label in (operation.ok().label for operation in described.get_all_operations()):
        # Random bytes are no photo, and random ids do not exist.
        if not label.endswith("/photo") and "{" not in label:
            assert any(statuses[label, status] for status in (200, 201)), label


@pytest.mark.campaign
def test_campaign_of_requests(described: Any, engine: Engine) -> None:
    examples = int(os.environ.get("EXAMPLES", "500"))
    random_seed = int(os.environ.get("SEED", "1"))
    statuses = request_all(described, engine, examples, random_seed)
    print(f"\n{sum(statuses.values())} requests:")
    for (label, status), count in sorted(statuses.items()):
        print(f"{label} {status}: {count}")
