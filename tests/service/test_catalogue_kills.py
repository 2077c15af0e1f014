"""Kills of the service, and of the hand-over, while listings change: nothing acknowledged is lost.

All are campaigns: python -m pytest -m campaign -s tests/service/test_catalogue_kills.py
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from repository import REPO

from market.data.catalogue_changes import CatalogueChanges

pytestmark = [pytest.mark.campaign, pytest.mark.xdist_group("events")]
KILLS = int(os.environ.get("KILLS", "12"))
WRITERS = 4
SERVICE = textwrap.dedent("""
    import sys
    from pathlib import Path
    import uvicorn
    from live_engine import SimulatedPredictor, make_index
    from market.service import predictions
    from market.service.app import serve_index
    from market.service.events import EventStore
    from market.service.settings import Settings
    predictions._load_predictor = SimulatedPredictor
    index = make_index(Path(sys.argv[1]))
    app = serve_index(index, EventStore(sys.argv[2]), Settings(max_waiting=100))
    uvicorn.run(app, port=int(sys.argv[3]), log_level="error")
""")
FOLD = textwrap.dedent("""
    import sys
    from pathlib import Path
    from raw_input import input_settings
    from market.service.folding import fold
    fold(sys.argv[1], input_settings(), Path(sys.argv[2]))
""")


def start(program: str, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": f"{REPO}:{REPO / 'tests'}", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=REPO, env=environment)


@contextlib.contextmanager
def serving(folder: Path, url: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the service as a process; yield its address. It is killed at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = start(SERVICE, str(folder), url, str(port))
    site = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 120
        while True:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{site}/healthz").raise_for_status()
                break
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.1)
        yield site, process
    finally:
        process.kill()
        process.wait()


class Writer(threading.Thread):
    """Changes its own listings until the service is gone, and notes what was acknowledged.

    `known` has the last acknowledged price of each listing (None: deleted), `open` the change whose
    answer did not arrive, which may or may not be stored.
    """

    def __init__(self, number: int, site: str, known: dict[str, int | None], seed: int) -> None:
        super().__init__()
        self.number, self.site, self.known = number, site, known
        self.open: tuple[str, int | None] | None = None
        self.answers = 0
        self._rng = np.random.default_rng([seed, number])

    def run(self) -> None:
        with httpx.Client(base_url=self.site, timeout=60) as client:
            while True:
                product_id = f"w{self.number}-{self._rng.integers(5)}"
                price = int(self._rng.integers(1, 10**6))
                is_deletion = self.known.get(product_id) is not None and self._rng.random() < 0.2
                self.open = (product_id, None if is_deletion else price)
                try:
                    if is_deletion:
                        answer = client.delete(f"/api/listings/{product_id}")
                    else:
                        fields = {"name": f"kettle {product_id}", "price": price}
                        answer = client.put(f"/api/listings/{product_id}", json=fields)
                except httpx.TransportError:
                    return
                if answer.is_success:
                    self.known[product_id] = None if is_deletion else price
                    self.answers += 1
                self.open = None


def prices(site: str, product_ids: list[str]) -> dict[str, int | None]:
    """Return the price of each listing, None for one that does not exist."""
    found: dict[str, int | None] = {}
    with httpx.Client(base_url=site, timeout=60) as client:
        for product_id in product_ids:
            answer = client.get(f"/api/products/{product_id}")
            found[product_id] = answer.json()["price"] if answer.is_success else None
    return found


def test_campaign_of_kills_while_listings_change(url: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    known: list[dict[str, int | None]] = [{} for _ in range(WRITERS)]
    answers = 0
    writers: list[Writer] = []  # of the round before
    for kill in range(KILLS):
        with serving(tmp_path / f"photos-{kill}", url) as (site, process):
            if kill:
                check(site, writers, known)
            writers = [Writer(n, site, known[n], seed=kill) for n in range(WRITERS)]
            for writer in writers:
                writer.start()
            time.sleep(float(rng.uniform(0.5, 3)))
            process.send_signal(signal.SIGKILL)
            for writer in writers:
                writer.join()
            answers += sum(writer.answers for writer in writers)
    with serving(tmp_path / "photos-last", url) as (site, _):
        check(site, writers, known)
    print(f"\n{url.partition(':')[0]}: {KILLS} kills, {answers} changes acknowledged, none lost")


def check(site: str, writers: list[Writer], known: list[dict[str, int | None]]) -> None:
    """Compare the service with what was acknowledged; an open change may be stored or not."""
    for writer, expected in zip(writers, known, strict=True):
        unanswered = {} if writer.open is None else dict([writer.open])
        stored = prices(site, [*{**expected, **unanswered}])
        for product_id, price in stored.items():
            allowed = {expected.get(product_id), *unanswered.values()} if (
                product_id in unanswered
            ) else {expected.get(product_id)}  # fmt: skip
            assert price in allowed, (product_id, price, allowed)
            expected[product_id] = price
    answer = httpx.get(f"{site}/api/search", params={"q": "kettle", "limit": 100}).json()
    shown = {hit["product_id"] for hit in answer["hits"]}
    assert shown == {each for one in known for each, price in one.items() if price is not None}


def test_campaign_of_kills_during_the_hand_over(url: str, tmp_path: Path) -> None:
    """A fold that is killed leaves the former set of changes, or the whole new one."""
    rng = np.random.default_rng(1)
    folder = tmp_path / "changes"
    throughs, kills = [0], 0
    known: dict[str, int | None] = {}
    with serving(tmp_path / "photos", url) as (site, process):
        writer = Writer(0, site, known, seed=7)
        writer.start()
        for _ in range(KILLS):
            folding = start(FOLD, url, str(folder))
            time.sleep(float(rng.uniform(1, 9)))
            kills += folding.poll() is None
            folding.kill()
            folding.wait()
            throughs.append(CatalogueChanges.load(folder).through)
        process.kill()
        writer.join()
    assert start(FOLD, url, str(folder)).wait() == 0
    changes = CatalogueChanges.load(folder)
    assert throughs == sorted(throughs)
    stored = dict(zip(changes.listings["id"], map(float, changes.listings["price"]), strict=True))
    assert len(stored) == len(changes.listings) and not {*stored} & changes.removed
    unanswered = writer.open[0] if writer.open else None
    for product_id, price in known.items():
        if product_id != unanswered:
            assert stored.get(product_id) == price
    print(f"\n{url.partition(':')[0]}: {kills} folds killed, {writer.answers} changes, none lost")
