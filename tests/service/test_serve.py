"""`make serve`'s own command, under load: killed, told to end, and given a new index.

A few requests at once here; `pytest -m campaign` has many, again and again.
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
import sys
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

PATIENCE = 180  # seconds: a busy machine takes its time
pytestmark = pytest.mark.xdist_group("events")  # they share a PostgreSQL


@pytest.fixture
def project(ran: Path, tmp_path: Path) -> Path:
    """A project in which every stage has run, to write events and other models into."""
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    for name in ("market", "stages"):
        (project / name).symlink_to(REPO / name)
    for name in ("params.yaml", "data/clean", "data/price"):
        (project / name).symlink_to(ran / name)
    (project / "models").mkdir()
    for model in (ran / "models").iterdir():
        (project / "models" / model.name).symlink_to(model)
    return project


def serve_command() -> list[str]:
    """What `make serve` runs once .venv is there."""
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
    """A service that runs, and what it logs."""

    site: str
    process: subprocess.Popen[bytes]
    log: Path

    def said(self, text: str) -> int:
        """How many lines of the log have it."""
        return sum(text in line for line in self.log.read_text(encoding="utf-8").splitlines())

    def wait_for(self, text: str, times: int = 1) -> None:
        until = time.monotonic() + PATIENCE
        while self.said(text) < times:
            assert time.monotonic() < until, self.log.read_text(encoding="utf-8")
            time.sleep(0.05)


@contextlib.contextmanager
def serving(project: Path, **settings: str) -> Iterator[Served]:
    """The service over a project; it is killed at the end, if it still runs."""
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
            assert health.json() == {"status": "ok"}
            yield served
        finally:
            process.kill()


class Load:
    """People who ask at the same time, over and over, until `stop`; what they were answered.

    Each asks `ask(client, person, turn)`; an answer that fails (a closed connection) ends them.
    """

    def __init__(
        self, site: str, people: int, ask: Callable[[httpx.Client, int, int], httpx.Response]
    ) -> None:
        self.answers: list[tuple[httpx.Response, float]] = []
        self.failed: list[Exception] = []
        self._ask, self._site = ask, site
        self._stop = threading.Event()
        self._people = [threading.Thread(target=self._live, args=(one,)) for one in range(people)]
        for person in self._people:
            person.start()

    def _live(self, person: int) -> None:
        with httpx.Client(base_url=self._site, timeout=PATIENCE) as client:
            turn = 0
            while not self._stop.is_set():
                started = time.monotonic()
                try:
                    answer = self._ask(client, person, turn)
                except httpx.TransportError as fault:
                    self.failed.append(fault)
                    return
                self.answers.append((answer, time.monotonic() - started))
                turn += 1

    def count(self, status: int) -> int:
        return sum(answer.status_code == status for answer, _ in list(self.answers))

    def wait_for(self, answers: int, status: int) -> None:
        until = time.monotonic() + PATIENCE
        while self.count(status) < answers:
            assert time.monotonic() < until and any(one.is_alive() for one in self._people)
            time.sleep(0.01)

    def stop(self) -> None:
        self._stop.set()
        for person in self._people:
            person.join()


def search(client: httpx.Client, person: int, turn: int) -> httpx.Response:
    return client.get("/api/search", params={"q": f"oak table {person} {turn}", "limit": 5})


def tell_events(served: Served, people: int) -> Load:
    """So many people tell events, one after another."""
    product = httpx.get(f"{served.site}/api/search").json()["hits"][0]["product_id"]

    def tell(client: httpx.Client, person: int, turn: int) -> httpx.Response:
        event = {"user_id": f"load-{person}", "product_id": product, "event": "save"}
        return client.post("/api/events", json=event)

    return Load(served.site, people, tell)


def kill_under_load(served: Served, url: str, *, people: int, after: int) -> tuple[int, int]:
    """SIGKILL the service while `people` tell events, `after` of which were answered.

    Returns how many were answered with 201, and how many are kept; fails if one is missing.
    """
    searchers, tellers = Load(served.site, 4, search), tell_events(served, people)
    tellers.wait_for(after, 201)
    served.process.kill()
    for load in (searchers, tellers):
        load.stop()
    answered, kept = lost_nothing(tellers, url)
    assert answered >= after
    return answered, kept


def lost_nothing(tellers: Load, url: str) -> tuple[int, int]:
    """How many events were answered with 201, and how many are kept; fails if one is missing."""
    answered = [answer.json()["id"] for answer, _ in tellers.answers if answer.status_code == 201]
    store = EventStore(url)
    with store._engine.connect() as connection:
        kept = set(connection.exec_driver_sql("SELECT id FROM events").scalars())
    store.close()
    assert len(set(answered)) == len(answered)
    assert not set(answered) - kept, "an event was answered 201 and is lost"
    return len(answered), len(kept)


def test_make_serve_answers_at_home_only_and_loses_nothing_when_killed(project: Path) -> None:
    with serving(project) as served:
        assert "<!doctype html>" in httpx.get(served.site).text
        assert served.said("Uvicorn running on http://127.0.0.1:") == 1
        port = int(served.site.rpartition(":")[2])
        # The whole of 127/8 is this machine's: were it bound to all addresses, this would answer.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=5)
        kill_under_load(served, f"sqlite:///{project}/data/events.sqlite", people=6, after=60)


def test_an_index_is_swapped_under_load_and_requests_under_way_are_finished(
    project: Path, ran: Path
) -> None:
    with serving(project, MAX_AT_ONCE="1", MAX_WAITING="100", MAX_WAIT_SECONDS="100") as served:
        load = Load(served.site, 4, search)
        before = httpx.get(f"{served.site}/api/search", params={"limit": 100}).json()["total"]
        hidden = hide_half(project, ran)
        assert liked(served, "new-in-the-log") == liked(served, "a-stranger")
        log_more(project, ran, "new-in-the-log")
        served.process.send_signal(signal.SIGHUP)
        served.wait_for("Reload done")
        after = httpx.get(f"{served.site}/api/search", params={"limit": 100}).json()
        assert 0 < after["total"] < before
        assert not hidden & {hit["product_id"] for hit in after["hits"]}
        assert liked(served, "new-in-the-log") != liked(served, "a-stranger")

        (project / "models/index").rename(project / "models/gone")
        served.process.send_signal(signal.SIGHUP)
        served.wait_for("Reload failed, the former index goes on to serve: models/index is not")
        again = httpx.get(f"{served.site}/api/search", params={"limit": 100}).json()
        assert again == after
        metrics = httpx.get(f"{served.site}/metrics").text
        for outcome in ("done", "failed"):
            assert f'search_reloads_total{{outcome="{outcome}"}} 1.0' in metrics

        load.stop()
        assert {answer.status_code for answer, _ in load.answers} == {200} and not load.failed

        waiting = [ask_and_leave(served.site, number) for number in range(30)]
        httpx.get(f"{served.site}/metrics")  # it came after them, so they have all arrived
        served.process.terminate()
        for connection in waiting:
            with connection, connection.makefile("rb") as answer:
                head, _, body = answer.read().partition(b"\r\n\r\n")
            assert b" 200 OK" in head and json.loads(body)["hits"]
        assert served.process.wait(PATIENCE) == -signal.SIGTERM


def ask_and_leave(site: str, number: int) -> socket.socket:
    """Send a search, without waiting for its answer."""
    host, _, port = site.removeprefix("http://").rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
    line = f"GET /api/search?q=lamp+{number} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    connection.sendall(line.encode())
    return connection


def hide_half(project: Path, ran: Path) -> set[str]:
    """Put other prices in the project: half of the listings are flagged. Return their ids."""
    folder = project / "data/price"
    folder.unlink()
    folder.mkdir()
    prices = pd.read_parquet(ran / "data/price/expected.parquet")
    half = np.arange(len(prices)) % 2 == 0
    prices.loc[half, "price_flag"] = "far above"
    prices.to_parquet(folder / "expected.parquet", index=False)
    return set(prices.loc[half, "product_id"])


def liked(served: Served, user: str) -> list[str]:
    """The listings recommended to a user."""
    answer = httpx.get(f"{served.site}/api/recommend/{user}").json()
    return [hit["product_id"] for hit in answer["hits"]]


def log_more(project: Path, ran: Path, user: str) -> None:
    """Put another log in place, in which this user does what the first user of `ran` did."""
    clean = project / "data/clean"
    clean.unlink()
    clean.mkdir()
    (clean / "photos").symlink_to(ran / "data/clean/photos")
    log = pd.read_parquet(ran / "data/clean/interactions.parquet")
    some = log[log["user_id"] == log["user_id"].iloc[0]].assign(user_id=user)
    pd.concat([log, some]).to_parquet(clean / "interactions.parquet", index=False)


# --- Campaigns: by hand, `python -m pytest -m campaign -s` ----------------------------------------
@pytest.mark.campaign
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_campaign_of_kills(project: Path, kind: str, request: pytest.FixtureRequest) -> None:
    """The service is killed under load, again and again: KILLS times for each database."""
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
            found = kill_under_load(served, url, people=16, after=int(rng.integers(20, 400)))
            answered, kept = answered + found[0], found[1]
    print(
        f"\n{kind}: {kills} kills, {answered} events answered 201, {kept} kept, none lost; "
        f"it answered {min(starts):.0f} to {max(starts):.0f} s after its start"
    )


@pytest.mark.campaign
def test_campaign_of_database_kills(project: Path, postgres: Cluster) -> None:
    """PostgreSQL is killed under load and started again, KILLS times, while the service runs on."""
    rng = np.random.default_rng(0)
    kills = int(os.environ.get("KILLS", "5"))
    with serving(project, EVENTS_URL=postgres.url) as served:
        tellers = tell_events(served, 16)

        for _ in range(kills):
            tellers.wait_for(tellers.count(201) + int(rng.integers(20, 400)), 201)
            postgres.kill()
            time.sleep(float(rng.uniform(0, 3)))
            postgres.start()
        tellers.wait_for(tellers.count(201) + 100, 201)
        tellers.stop()
    assert not tellers.failed
    statuses = Counter(answer.status_code for answer, _ in tellers.answers)
    assert statuses.keys() <= {201, 503}
    assert all(answer.headers.get("retry-after") for answer, _ in tellers.answers
               if answer.status_code == 503)  # fmt: skip
    answered, kept = lost_nothing(tellers, postgres.url)
    print(
        f"\n{kills} kills of PostgreSQL, {answered} events answered 201, {statuses[503]} answered "
        f"503, {kept} kept, none lost; slowest {max(took for _, took in tellers.answers):.1f} s"
    )


@pytest.mark.campaign
def test_campaign_of_reloads(project: Path, ran: Path) -> None:
    """RELOADS reloads under load, every other of another index: no request fails, and the memory
    of the later ones is not above that of the earlier."""
    reloads = int(os.environ.get("RELOADS", "20"))
    with serving(project, MAX_WAITING="100", MAX_WAIT_SECONDS="100") as served:

        def memory() -> float:
            text = httpx.get(f"{served.site}/metrics").text
            found = re.search(r"^process_resident_memory_bytes (\S+)", text, re.MULTILINE)
            assert found is not None
            return float(found[1]) / 1e6

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


# --- What is missing or wrong ---------------------------------------------------------------------
def test_without_an_index_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        create_app()
    assert ended.value.code == ("Error: models/index not found: run `dvc repro` or `dvc pull`")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="it is Linux that has affinity")
def test_as_many_searches_at_once_as_cores_may_be_used() -> None:
    """Not as the machine has: a batch system or a container gives a process fewer."""
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from market.service.settings import Settings; print(Settings().max_at_once)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "1"


def test_without_the_log_one_line_says_what_to_do(
    ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data/clean").mkdir(parents=True)
    for name in ("models", "params.yaml", "data/clean/photos"):
        (tmp_path / name).symlink_to(ran / name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        create_app()
    assert str(ended.value.code).startswith("Error: data/clean/interactions.parquet is not there: ")
    assert "\n" not in str(ended.value.code)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HISTORY_EVENTS", "many", "HISTORY_EVENTS='many' is not a number"),
        ("MAX_UPLOAD_MB", "0", "MAX_UPLOAD_MB='0' must be above 0"),
        ("MAX_UPLOAD_SECONDS", "inf", "MAX_UPLOAD_SECONDS='inf' must be above 0 and finite"),
        ("MAX_WAIT_SECONDS", "nan", "MAX_WAIT_SECONDS='nan' must be above 0"),
        ("MAX_AT_ONCE", "0", "MAX_AT_ONCE='0' must be above 0"),
        ("MAX_UPLOADS", "0", "MAX_UPLOADS='0' must be above 0"),
        ("MAX_WAITING", "1.5", "MAX_WAITING='1.5' is not a number"),
        ("API_KEY", "", "API_KEY needs 16"),
        ("API_KEY", "open sesame, open sesame", "API_KEY needs 16"),
        ("API_KEY", "a secret\nkey of many words", "API_KEY needs 16"),
    ],
)
def test_a_wrong_setting_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=said) as ended:
        create_app()
    if name == "API_KEY" and value:
        assert value not in str(ended.value)
