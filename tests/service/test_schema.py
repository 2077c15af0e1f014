"""The API keeps to its own description: what it says of requests and answers is so.

schemathesis makes requests from /openapi.json, right ones and wrong ones, and checks every answer:
no fault of the service, no status, type or body that is not described, nothing accepted that the
description forbids, nothing refused that it allows. A few here; EXAMPLES for each endpoint, by
default 500, with `pytest -m campaign`, or fewer at a time, each time with another SEED.
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

from market.data.photo_store import PhotoStore
from market.search.engine import Engine
from market.service.app import PHOTOS, make_app
from market.service.events import EventStore
from market.service.settings import Settings

pytestmark = pytest.mark.xdist_group("search_api")  # one engine and one predictor for all of them
PATIENCE = 120  # seconds: a busy machine takes its time
# The description cannot say these: a range whose ends are in order, a distance without a place, a
# time that is past, a file that is a photo.
BEYOND_WORDS = ("is above price_max", "needs near", "lies in the future", "lies before", "photo: ")


@pytest.fixture(scope="module")
def described(ran: Path, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The schema, bound to the app."""
    folder = tmp_path_factory.mktemp("schema")
    engine.search("warm up", photo=Image.new("RGB", (8, 8)), limit=1)  # as the service does
    with contextlib.chdir(ran):
        store = EventStore(f"sqlite:///{folder}/events.sqlite")
        app = make_app(engine, PhotoStore(PHOTOS), store, Settings(max_upload_mb=1))
        yield schemathesis.openapi.from_asgi("/openapi.json", app)


def ask_all(described: Any, engine: Engine, examples: int, drawn_from: int) -> Counter:
    """Ask every endpoint `examples` times rightly and wrongly; return how often what was said.

    `drawn_from` is the seed: another one, other requests.
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
        # Ids that are there are rarely guessed. False, the simplest, is drawn first. Of a wrong
        # request the id may be what is wrong: it stays.
        if not is_unknown and case.meta.generation.mode is GenerationMode.POSITIVE:
            for given_ids in (case.path_parameters, case.body):
                if isinstance(given_ids, dict) and "product_id" in given_ids:
                    given_ids["product_id"] = product
        answer = case.call(timeout=PATIENCE)
        statuses[case.operation.label, answer.status_code] += 1
        said = answer.json()["error"] if answer.status_code == 422 else ""
        beyond = any(words in said for words in BEYOND_WORDS)
        excluded = [positive_data_acceptance] if beyond else []
        # On the wire a wrong item of `photos` is a file like any other, and the answer names it.
        if answer.status_code == 200 and "/predict" in case.path and answer.json()["unusable"]:
            excluded.append(negative_data_rejection)
        case.validate_response(answer, excluded_checks=excluded)

    for found in described.get_all_operations():
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            cases = found.ok().as_strategy(generation_mode=mode)
            ask = given(case=cases, product=known, is_unknown=st.booleans())(check)
            # Of what takes nothing there is no wrong request.
            with contextlib.suppress(Unsatisfiable):
                seed(drawn_from)(bounds(ask))()
    return statuses


def test_a_few_requests_to_every_endpoint(described: Any, engine: Engine) -> None:
    statuses = ask_all(described, engine, 8, drawn_from=1)
    assert {status for _, status in statuses} <= {200, 201, 400, 404, 422}
    for label in (found.ok().label for found in described.get_all_operations()):
        # Nobody guesses the bytes of a photo, or which ids there are.
        if not label.endswith("/photo") and "{" not in label:
            assert any(statuses[label, status] for status in (200, 201)), label


@pytest.mark.campaign
def test_campaign_of_requests(described: Any, engine: Engine) -> None:
    examples = int(os.environ.get("EXAMPLES", "500"))
    drawn_from = int(os.environ.get("SEED", "1"))
    statuses = ask_all(described, engine, examples, drawn_from)
    print(f"\n{sum(statuses.values())} requests:")
    for (label, status), count in sorted(statuses.items()):
        print(f"{label} {status}: {count}")
