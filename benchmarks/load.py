"""What the service does when more is asked of it than it can do: wrk at 1 to 4 times its capacity.

    python benchmarks/load.py --seconds 30

Run it in the project's folder after `make run`; it starts the service itself. Debian's wrk asks for
searches in words that differ, a fifth of them for shoppers by name. Capacity is what is answered a
second over as many connections as the service searches at once, each of which asks again as soon as
it is answered. Then people who do not know of one another (256 connections, each with pauses of
random length) offer a multiple of it. Beside them one more person tells an event twice a second and
asks /healthz. Times are in milliseconds: the median, the 99th percentile, the slowest, and in
brackets of how many answers.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import httpx
import joblib
import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from tabulate import tabulate

from market.core.errors import MarketError

REPO = Path(__file__).parent.parent
CONNECTIONS = 256
PAUSE = 0.5  # seconds between the events of the one person
# wrk makes a thread for each connection, so that a thread's last request is the one answered.
SCRIPT = """
local ffi = require("ffi")
ffi.cdef("typedef struct {long s; long ns;} moment; int clock_gettime(int, moment *);")
local moment = ffi.new("moment")
local function now()
  ffi.C.clock_gettime(1, moment)  -- CLOCK_MONOTONIC
  return tonumber(moment.s) + tonumber(moment.ns) / 1e9
end
local threads = {}
local words = {"oak", "table", "lamp", "laptop", "bike", "sofa", "red", "blue", "large", "vintage",
  "wooden", "new", "garden", "chair", "phone", "guitar", "kids", "mirror", "black", "solid",
  "leather", "camera", "desk", "shelf", "metal", "box", "pair", "set", "small", "shoes"}
function setup(thread) thread:set("number", #threads); table.insert(threads, thread) end
function init(args)
  math.randomseed(1000 * tonumber(args[1]) + number)
  pause, answers, due = tonumber(args[2]), "", now()
end
function delay()  -- a Poisson process: what is due does not wait for the former answer's time
  due = due - pause * math.log(1 - math.random())
  return math.max(0, math.floor(1000 * (due - now())))
end
function request()
  local said = {}
  for place = 1, math.random(2, 4) do said[place] = words[math.random(#words)] end
  local path = "/api/search?q=" .. table.concat(said, "+") .. "+" .. math.random(9999)
  if math.random(5) == 1 then path = path .. "&user=shopper-" .. math.random(50) end
  started = now()
  return wrk.format("GET", path)
end
function response(status, headers)
  local retry = headers["retry-after"] and 1 or 0
  answers = answers .. string.format("%d %f %d\\n", status, now() - started, retry)
end
function done(summary)
  local e = summary.errors
  print("answers", summary.duration / 1e6, e.connect, e.read, e.write, e.timeout)
  for _, thread in ipairs(threads) do io.write(thread:get("answers")) end
end
"""


@dataclass
class Answers:
    """What wrk was answered."""

    seconds: float  # of asking
    faults: dict[str, int]  # connections that failed, by what they did then
    statuses: np.ndarray
    took: np.ndarray  # seconds
    retries: np.ndarray  # whether there was a Retry-After

    def per_second(self, status: int) -> float:
        return float((self.statuses == status).sum() / self.seconds)


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The service over this project, with its events in `folder`: its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "UVICORN_PORT": str(port),
        "EVENTS_URL": os.environ.get("EVENTS_URL", f"sqlite:///{folder}/events.sqlite"),
        "UVICORN_LOG_LEVEL": "error",
        "UVICORN_ACCESS_LOG": "false",
        # By default uvicorn closes a connection that is silent for 5 seconds, as it may. wrk finds
        # it closed after its pause, calls that a read error, and pauses again.
        "UVICORN_TIMEOUT_KEEP_ALIVE": os.environ.get("UVICORN_TIMEOUT_KEEP_ALIVE", "3600"),
    }
    command = [sys.executable, "-m", "uvicorn", 
               "market.service.app:create_app", "--factory"]  # fmt: skip
    site = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, env=environment) as service:
        try:
            while True:
                try:
                    httpx.get(f"{site}/healthz", timeout=60)
                    break
                except httpx.TransportError:
                    if service.poll() is not None:
                        raise MarketError("the service did not start") from None
                    time.sleep(0.2)
            yield site
        finally:
            service.terminate()


def wrk(site: str, script: Path, connections: int, seconds: int, pause: float) -> Answers:
    """`pause`: seconds between a connection's requests, in the mean."""
    command = ["wrk", f"-t{connections}", f"-c{connections}", f"-d{seconds}s", "--timeout=60s",
               "-s", str(script), site, "--", "1", f"{pause:f}"]  # fmt: skip
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    head, *lines = said[said.index("answers\t") :].splitlines()
    _, duration, *faults = head.split()
    table = np.array([line.split() for line in lines], dtype=float).reshape(-1, 3)
    return Answers(
        seconds=float(duration),
        faults=dict(zip(("connect", "read", "write", "timeout"), map(int, faults), strict=True)),
        statuses=table[:, 0].astype(int),
        took=table[:, 1],
        retries=table[:, 2].astype(bool),
    )


class Person:
    """Tells events and looks after the service's health, until stopped."""

    def __init__(self, site: str, product: str) -> None:
        self.took: dict[tuple[str, str], list[float]] = {}
        self._site, self._product = site, product
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def _live(self) -> None:
        event = {"user_id": "probe", "product_id": self._product, "event": "view"}
        with httpx.Client(base_url=self._site, timeout=60) as client:
            while not self._stop.wait(PAUSE):
                for name, ask in (
                    ("event", lambda: client.post("/api/events", json=event)),
                    ("health", lambda: client.get("/healthz")),
                ):
                    started = time.perf_counter()
                    try:
                        status = str(ask().status_code)
                    except httpx.TransportError as fault:
                        status = type(fault).__name__
                    took = time.perf_counter() - started
                    self.took.setdefault((name, status), []).append(took)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def told(self, name: str) -> str:
        """How soon, by status, or by how the connection failed."""
        return ", ".join(
            f"{status}: {times(np.array(took))}"
            for (asked, status), took in sorted(self.took.items())
            if asked == name
        )


def times(took: np.ndarray) -> str:
    """p50 / p99 / the slowest, in milliseconds, and of how many."""
    if not len(took):
        return "–"
    middle, late = np.percentile(took, [50, 99]) * 1000
    return f"{middle:.0f} / {late:.0f} / {took.max() * 1000:.0f} ({len(took)})"


def memory(site: str) -> float:
    """What the service takes, in GB."""
    told = httpx.get(f"{site}/metrics", timeout=60).text
    families = {family.name: family for family in text_string_to_metric_families(told)}
    return families["process_resident_memory_bytes"].samples[0].value / 1e9


@click.command(help=__doc__)
@click.option("--seconds", default=30, show_default=True, help="Of each load.")
@click.option(
    "--times", "factors", default=(1.0, 2.0, 3.0, 4.0), multiple=True, help="Capacity offered."
)
def main(seconds: int, factors: tuple[float, ...]) -> None:
    if shutil.which("wrk") is None:
        raise MarketError("wrk is not there: install Debian's package wrk")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        script = Path(name) / "search.lua"
        script.write_text(SCRIPT, encoding="utf-8")
        with serve(Path(name)) as site:
            at_once = int(os.environ.get("MAX_AT_ONCE", joblib.cpu_count()))
            wrk(site, script, at_once, 5, 0)  # warm
            capacity = wrk(site, script, at_once, seconds, 0).per_second(200)
            click.echo(f"capacity: {capacity:.1f} searches a second, {at_once} at once")
            product = httpx.get(f"{site}/api/search", timeout=60).json()["hits"][0]["product_id"]
            for factor in factors:
                person = Person(site, product)
                found = wrk(site, script, CONNECTIONS, seconds, CONNECTIONS / (factor * capacity))
                person.stop()
                accepted, refused = (found.statuses == status for status in (200, 503))
                others = Counter(found.statuses[~accepted & ~refused].tolist())
                rows.append(
                    {
                        "asked": f"{factor:g}×",
                        "offered/s": len(found.statuses) / found.seconds,
                        "200/s": found.per_second(200),
                        "503/s": found.per_second(503),
                        "without Retry-After": int((refused & ~found.retries).sum()),
                        "other statuses": dict(others) or 0,
                        "faults": {name: n for name, n in found.faults.items() if n} or 0,
                        "200, ms": times(found.took[accepted]),
                        "503, ms": times(found.took[refused]),
                        "events, ms": person.told("event"),
                        "/healthz, ms": person.told("health"),
                        "memory, GB": memory(site),
                    }
                )
    click.echo(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".1f"))


if __name__ == "__main__":
    main()
