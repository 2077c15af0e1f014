"""Random changes of listings, restarts and kills, against a dictionary of what must be found.

A short run here; `pytest -m campaign` makes EXAMPLES runs of STEPS steps.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from live_engine import WORDS, SimulatedPredictor, base_listings, live_service, make_index

from market.service import predictions
from market.service.loaded_index import Index

IDS = st.sampled_from(["b0", "b1", "b2", "new", "a/b", "café 🔥"])
NAMES = st.sampled_from(WORDS)
PAST, FUTURE = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"


@dataclass
class Expected:
    """What the oracle knows of a listing."""

    word: str
    price: float | None
    is_sold: bool = False
    is_expired: bool = False


@pytest.fixture(autouse=True)
def simulated_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "_load_predictor", SimulatedPredictor)


class CatalogueMachine(RuleBasedStateMachine):
    """A service whose listings change, and a dictionary with the same listings."""

    index: Index

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.expected = {
            row["product_id"]: Expected(row["name"].split()[1], row["price"])
            for _, row in base_listings(3).iterrows()
        }
        self.deleted: set[str] = set()
        self.tags: dict[str, str] = {}
        self._begin()

    def _begin(self) -> None:
        self.running = contextlib.ExitStack()
        url = f"sqlite:///{self.folder}/events.sqlite"
        _, self.client = self.running.enter_context(live_service(self.index, url))
        assert isinstance(self.client, TestClient)

    def teardown(self) -> None:
        if hasattr(self, "running"):
            self.running.close()
            shutil.rmtree(self.folder)

    def _send(self, method: str, product_id: str, ending: str = "", **options: Any) -> Any:
        return self.client.request(method, f"/api/listings/{product_id}{ending}", **options)

    @rule(product_id=IDS, word=NAMES, price=st.integers(1, 99), has_expired=st.booleans())
    def put(self, product_id: str, word: str, price: int, has_expired: bool) -> None:
        fields = {"name": f"Fine {word}", "price": price,
                  "expires_at": PAST if has_expired else FUTURE}  # fmt: skip
        answer = self._send("PUT", product_id, json=fields)
        assert answer.status_code == (200 if product_id in self.expected else 201), answer.text
        self.expected[product_id] = Expected(word, price, is_expired=has_expired)
        again = self._send("PUT", product_id, json=fields)
        assert again.headers["ETag"] == answer.headers["ETag"] and again.status_code == 200
        self.tags[product_id] = answer.headers["ETag"]

    @rule(product_id=IDS, word=NAMES)
    def patch(self, product_id: str, word: str) -> None:
        answer = self._send("PATCH", product_id, json={"name": f"Fine {word}", "description": None})
        assert answer.status_code == (200 if product_id in self.expected else 404), answer.text
        if product_id in self.expected:
            self.expected[product_id].word = word

    @rule(product_id=IDS)
    def patch_an_old_version(self, product_id: str) -> None:
        answer = self._send("PATCH", product_id, json={"name": "lost"}, headers={"If-Match": '"0"'})
        assert answer.status_code == 412

    @rule(product_id=IDS)
    def sell(self, product_id: str) -> None:
        answer = self._send("POST", product_id, "/sold")
        assert answer.status_code == (200 if product_id in self.expected else 404), answer.text
        if product_id in self.expected:
            self.expected[product_id].is_sold = True

    @rule(product_id=IDS)
    def expire(self, product_id: str) -> None:
        answer = self._send("PATCH", product_id, json={"expires_at": PAST})
        assert answer.status_code == (200 if product_id in self.expected else 404), answer.text
        if product_id in self.expected:
            self.expected[product_id].is_expired = True

    @rule(product_id=IDS)
    def delete(self, product_id: str) -> None:
        is_known = product_id in self.expected or product_id in self.deleted
        assert self._send("DELETE", product_id).status_code == (204 if is_known else 404)
        if is_known:
            self.deleted.add(product_id)
        self.expected.pop(product_id, None)

    @rule()
    def restart(self) -> None:
        self.running.close()
        self._begin()

    @rule(product_id=IDS)
    def kill(self, product_id: str) -> None:
        """Leave the service as a kill does: without an end, and within a transaction."""
        state = self.client.app.state.service  # type: ignore[attr-defined]
        with contextlib.suppress(ZeroDivisionError), state.catalogue.store.write() as writer:
            listing = writer.listing(product_id)
            if listing is not None:
                writer.save(listing, {})
            raise ZeroDivisionError
        self._begin()

    @rule(word=NAMES)
    def search(self, word: str) -> None:
        assert self._found(q=word) == {
            product_id for product_id, one in self.expected.items()
            if one.word == word and not one.is_sold and not one.is_expired
        }  # fmt: skip

    @invariant()
    def all_that_exist_are_found(self) -> None:
        if not hasattr(self, "client"):
            return
        shown = {each for each, one in self.expected.items() if not one.is_expired}
        assert self._found(include_unavailable=True) == shown
        for product_id in ("b0", "new"):
            answer = self.client.get(f"/api/products/{product_id}")
            assert answer.status_code == (200 if product_id in shown else 404)
            if product_id in shown:
                listing, one = answer.json(), self.expected[product_id]
                assert one.word in listing["name"] and listing["price"] == one.price
                assert listing["available"] is not one.is_sold

    def _found(self, **params: Any) -> set[str]:
        answer = self.client.get("/api/search", params={"limit": 100, **params}).json()
        found = [hit["product_id"] for hit in answer["hits"]]
        assert len(found) == len({*found}) == answer["total"]
        return {*found}


def run(folder: Path, examples: int, steps: int, derandomize: bool) -> None:
    CatalogueMachine.index = make_index(folder, count=3)
    bounds = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=derandomize,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(CatalogueMachine, settings=bounds)


def test_random_changes_match_a_dictionary(tmp_path: Path) -> None:
    run(tmp_path / "photos", examples=1, steps=8, derandomize=True)


@pytest.mark.campaign
def test_campaign_of_random_changes(tmp_path: Path) -> None:
    examples, steps = int(os.environ.get("EXAMPLES", "60")), int(os.environ.get("STEPS", "40"))
    started = time.monotonic()
    run(tmp_path / "photos", examples, steps, derandomize=False)
    seconds = time.monotonic() - started
    print(f"\n{examples} runs of up to {steps} changes agree with a dictionary, in {seconds:.0f} s")
