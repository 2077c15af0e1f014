"""The command of `make serve` under load: kills, shutdowns and reloads.

A few concurrent requests here; `pytest -m campaign` repeats it with many.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from cluster import Cluster
from repository import REPO

from market.service.app import create_app
from market.service.events import EventStore

PATIENCE = 180  # seconds: the machine may be busy
pytestmark = pytest.mark.xdist_group("events")  # share one PostgreSQL


@pytest.fixture
def project(ran: Path, tmp_path: Path) -> Path:
    """A project in which every stage has run, with its own events and replaceable models."""
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    for name in ("market", "stages"):
        (project / name).symlink_to(REPO / name)
    for name in ("params.yaml", "rules.yaml", "data/clean", "data/price"):
        (project / name).symlink_to(ran / name)
    (project / "models").mkdir()
    for model in (ran / "models").iterdir():
        (project / "models" / model.name).symlink_to(model)
    return project


def serve_command() -> list[str]:
    """Return the command of `make serve` for an installed .venv."""
    printed = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--assume-old=.venv/.installed", "serve"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = printed.stdout.splitlines()
    return shlex.split(line)


@dataclass
class Served:
    """A running service and its log."""

    site: str
    process: subprocess.Popen[bytes]
    log: Path

    def count_lines(self, text: str) -> int:
        """Return the number of log lines that contain `text`."""
        return sum(text in line for line in self.log.read_text(encoding="utf-8").splitlines())

    def wait_for(self, text: str, times: int = 1) -> None:
        until = time.monotonic() + PATIENCE
        while self.count_lines(text) < times:
            assert time.monotonic() < until, self.log.read_text(encoding="utf-8")
            time.sleep(0.05)


@contextlib.contextmanager
def serving(project: Path, **settings: str) -> Iterator[Served]:
    """Run the service over a project while the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "UVICORN_PORT": str(port), "UVICORN_ACCESS_LOG": "0", **settings}
    for name in ("PYTHONPATH", "UVICORN_HOST"):
        environment.pop(name, None)
    log = project / "log"
    with (
        log.open("w") as written,
        subprocess.Popen(serve_command(), cwd=project, env=environment, stderr=written) as process,
    ):
        served = Served(f"http://127.0.0.1:{port}", process, log)
        try:
            until = time.monotonic() + PATIENCE
            while True:
                try:
                    health = httpx.get(f"{served.site}/healthz")
                    break
                except httpx.TransportError:
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < until
                    time.sleep(0.1)
            assert health.json() == {"status": "ok", "version": "latest"}
            yield served
        finally:
            process.kill()


class Load:
    """Concurrent clients that send requests until `stop`, and the answers.

    Each calls `send(client, number of the client, turn)` again and again; a connection error ends
    it.
    """

    def __init__(
        self, site: str, clients: int, send: Callable[[httpx.Client, int, int], httpx.Response]
    ) -> None:
        self.answers: list[tuple[httpx.Response, float]] = []
        self.failed: list[Exception] = []
        self._send, self._site = send, site
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number,)) for number in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        with httpx.Client(base_url=self._site, timeout=PATIENCE) as client:
            turn = 0
            while not self._stop.is_set():
                started = time.monotonic()
                try:
                    answer = self._send(client, number, turn)
                except httpx.TransportError as error:
                    self.failed.append(error)
                    return
                self.answers.append((answer, time.monotonic() - started))
                turn += 1

    def count(self, status: int) -> int:
        return sum(answer.status_code == status for answer, _ in list(self.answers))

    def wait_for(self, answers: int, status: int) -> None:
        until = time.monotonic() + PATIENCE
        while self.count(status) < answers:
            assert time.monotonic() < until and any(thread.is_alive() for thread in self._threads)
            time.sleep(0.01)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def search(client: httpx.Client, number: int, turn: int) -> httpx.Response:
    return client.get("/api/search", params={"q": f"oak table {number} {turn}", "limit": 5})


def record_events(served: Served, clients: int) -> Load:
    """Start clients that each send one event after another."""
    product = httpx.get(f"{served.site}/api/search").json()["hits"][0]["product_id"]

    def send(client: httpx.Client, number: int, turn: int) -> httpx.Response:
        event = {"user_id": f"load-{number}", "product_id": product, "event": "save"}
        return client.post("/api/events", json=event)

    return Load(served.site, clients, send)


def kill_under_load(served: Served, url: str, *, clients: int, after: int) -> tuple[int, int]:
    """SIGKILL the service once it has answered `after` events of `clients`.

    Return the numbers of events answered with 201 and stored. Fail if one is lost.
    """
    searchers, recorders = Load(served.site, 4, search), record_events(served, clients)
    recorders.wait_for(after, 201)
    served.process.kill()
    for load in (searchers, recorders):
        load.stop()
    answered, kept = check_no_event_is_lost(recorders, url)
    assert answered >= after
    return answered, kept


def check_no_event_is_lost(recorders: Load, url: str) -> tuple[int, int]:
    """Return the numbers of events answered with 201 and stored. Fail if one is lost."""
    answered = [answer.json()["id"] for answer, _ in recorders.answers if answer.status_code == 201]
    store = EventStore(url)
    with store._engine.connect() as connection:
        kept = set(connection.exec_driver_sql("SELECT id FROM events").scalars())
    store.close()
    assert len(set(answered)) == len(answered)
    assert not set(answered) - kept, "an event answered with 201 is lost"
    return len(answered), len(kept)


def test_make_serve_listens_locally_and_survives_a_kill(project: Path) -> None:
    with serving(project) as served:
        assert "<!doctype html>" in httpx.get(served.site).text
        assert served.count_lines("Uvicorn running on http://127.0.0.1:") == 1
        port = int(served.site.rpartition(":")[2])
        # All of 127/8 is this machine: a service bound to all addresses would answer here.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=5)
        kill_under_load(served, f"sqlite:///{project}/data/events.sqlite", clients=6, after=60)


def test_index_reloads_under_load_and_shutdown_finishes_requests(project: Path, ran: Path) -> None:
    with serving(project, MAX_AT_ONCE="1", MAX_WAITING="100", MAX_WAIT_SECONDS="100") as served:
        load = Load(served.site, 4, search)
        before = httpx.get(f"{served.site}/api/search", params={"limit": 100}).json()["total"]
        hidden = hide_half(project, ran)
        assert recommended_to(served, "new-in-the-log") == recommended_to(served, "a-stranger")
        extend_log(project, ran, "new-in-the-log")
        served.process.send_signal(signal.SIGHUP)
        served.wait_for("Reload done")
        after = httpx.get(f"{served.site}/api/search", params={"limit": 100}).json()
        assert 0 < after["total"] < before
        assert not hidden & {hit["product_id"] for hit in after["hits"]}
        assert recommended_to(served, "new-in-the-log") != recommended_to(served, "a-stranger")

        (project / "models/index").rename(project / "models/gone")
        served.process.send_signal(signal.SIGHUP)
        served.wait_for("Reload failed, the old index still serves: models/index not found")
        again = httpx.get(f"{served.site}/api/search", params={"limit": 100}).json()
        assert {**again, "search_id": ""} == {**after, "search_id": ""}
        metrics = httpx.get(f"{served.site}/metrics").text
        for outcome in ("done", "failed"):
            assert f'search_reloads_total{{outcome="{outcome}"}} 1.0' in metrics

        load.stop()
        assert {answer.status_code for answer, _ in load.answers} == {200} and not load.failed

        waiting = [send_search(served.site, number) for number in range(30)]
        httpx.get(f"{served.site}/metrics")  # sent last, so all searches have arrived
        served.process.terminate()
        for connection in waiting:
            with connection, connection.makefile("rb") as answer:
                head, _, body = answer.read().partition(b"\r\n\r\n")
            assert b" 200 OK" in head and {"hits", "total"} <= set(json.loads(body))
        assert served.process.wait(PATIENCE) == -signal.SIGTERM


def send_search(site: str, number: int) -> socket.socket:
    """Send a search without waiting for its answer."""
    host, _, port = site.removeprefix("http://").rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
    line = f"GET /api/search?q=lamp+{number} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    connection.sendall(line.encode())
    return connection


def hide_half(project: Path, ran: Path) -> set[str]:
    """Replace the prices by some with half of the listings flagged; return their ids."""
    folder = project / "data/price"
    folder.unlink()
    folder.mkdir()
    prices = pd.read_parquet(ran / "data/price/expected.parquet")
    half = np.arange(len(prices)) % 2 == 0
    prices.loc[half, "price_flag"] = "far above"
    prices.to_parquet(folder / "expected.parquet", index=False)
    return set(prices.loc[half, "product_id"])


def recommended_to(served: Served, user: str) -> list[str]:
    """Return the ids of the listings recommended to a user."""
    answer = httpx.get(f"{served.site}/api/recommend/{user}").json()
    return [hit["product_id"] for hit in answer["hits"]]


def extend_log(project: Path, ran: Path, user: str) -> None:
    """Replace the log by one in which `user` repeats the events of the first user of `ran`."""
    clean = project / "data/clean"
    clean.unlink()
    clean.mkdir()
    (clean / "photos").symlink_to(ran / "data/clean/photos")
    log = pd.read_parquet(ran / "data/clean/interactions.parquet")
    some = log[log["user_id"] == log["user_id"].iloc[0]].assign(user_id=user)
    pd.concat([log, some]).to_parquet(clean / "interactions.parquet", index=False)


# --- Campaigns: run by hand with `python -m pytest -m campaign -s` --------------------------------
@pytest.mark.campaign
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_campaign_of_kills(project: Path, kind: str, request: pytest.FixtureRequest) -> None:
    """Kill the service under load KILLS times for each database."""
    url = f"sqlite:///{project}/data/events.sqlite"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres").url
    rng = np.random.default_rng(0)
    answered = kept = 0
    kills = int(os.environ.get("KILLS", "5"))
    starts = []
    for _ in range(kills):
        started = time.monotonic()
        with serving(project, EVENTS_URL=url) as served:
            starts.append(time.monotonic() - started)
            newly_answered, kept = kill_under_load(
                served, url, clients=16, after=int(rng.integers(20, 400))
            )
            answered += newly_answered
    print(
        f"\n{kind}: {kills} kills, {answered} events answered 201, {kept} kept, none lost; "
        f"it answered {min(starts):.0f} to {max(starts):.0f} s after its start"
    )


@pytest.mark.campaign
def test_campaign_of_database_kills(project: Path, postgres: Cluster) -> None:
    """Kill and restart PostgreSQL under load KILLS times while the service runs."""
    rng = np.random.default_rng(0)
    kills = int(os.environ.get("KILLS", "5"))
    with serving(project, EVENTS_URL=postgres.url) as served:
        recorders = record_events(served, 16)

        for _ in range(kills):
            recorders.wait_for(recorders.count(201) + int(rng.integers(20, 400)), 201)
            postgres.kill()
            time.sleep(float(rng.uniform(0, 3)))
            postgres.start()
        recorders.wait_for(recorders.count(201) + 100, 201)
        recorders.stop()
    assert not recorders.failed
    statuses = Counter(answer.status_code for answer, _ in recorders.answers)
    assert statuses.keys() <= {201, 503}
    assert all(answer.headers.get("retry-after") for answer, _ in recorders.answers
               if answer.status_code == 503)  # fmt: skip
    answered, kept = check_no_event_is_lost(recorders, postgres.url)
    print(
        f"\n{kills} kills of PostgreSQL, {answered} events answered 201, {statuses[503]} answered "
        f"503, {kept} kept, none lost; slowest {max(took for _, took in recorders.answers):.1f} s"
    )


@pytest.mark.campaign
def test_campaign_of_reloads(project: Path, ran: Path) -> None:
    """Reload alternating indexes RELOADS times under load: no request fails, and memory stays."""
    reloads = int(os.environ.get("RELOADS", "20"))
    with serving(project, MAX_WAITING="100", MAX_WAIT_SECONDS="100") as served:

        def memory() -> float:
            text = httpx.get(f"{served.site}/metrics").text
            match = re.search(r"^process_resident_memory_bytes (\S+)", text, re.MULTILINE)
            assert match is not None
            return float(match[1]) / 1e6

        load = Load(served.site, 8, search)
        took = [memory()]
        for number in range(reloads):
            prices = project / "data/price"
            if number % 2 == 0:
                hide_half(project, ran)
            else:
                shutil.rmtree(prices)
                prices.symlink_to(ran / "data/price")
            served.process.send_signal(signal.SIGHUP)
            served.wait_for("Reload done", number + 1)
            took.append(memory())
        load.stop()
    statuses = [answer.status_code for answer, _ in load.answers]
    seconds = sorted(seconds for _, seconds in load.answers)
    late = seconds[int(0.99 * len(seconds))]
    print(
        f"\n{reloads} reloads, {len(statuses)} searches meanwhile: {set(statuses)}, "
        f"p50 {seconds[len(seconds) // 2]:.2f} s, p99 {late:.2f} s, slowest {seconds[-1]:.2f} s; "
        f"memory in MB, before and after each: {[round(each) for each in took]}"
    )
    assert set(statuses) == {200} and not load.failed
    assert took[-1] < took[reloads // 2] * 1.2


# --- Missing outputs ------------------------------------------------------------------------------
def test_missing_log_gives_a_one_line_error(
    ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data/clean").mkdir(parents=True)
    for name in ("models", "params.yaml", "data/clean/photos"):
        (tmp_path / name).symlink_to(ran / name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        create_app()
    message = "Error: data/clean/interactions.parquet not found: run `dvc repro` or `dvc pull`"
    assert ended.value.code == message
