"""Load test of the service at 1 to 4 times its capacity.

    python benchmarks/load.py --seconds 30

Run it in the project's folder after `make run`; it starts the service itself. Debian's wrk sends
random searches, a fifth of them with a user. The capacity is the number of searches answered a
second with as many connections as the service runs searches at once, each sending its next search
at once. Then 256 independent connections with random pauses offer a multiple of the capacity.
Meanwhile a probe sends an event and a health check twice a second. Times are in milliseconds:
median / 99th percentile / maximum, with the number of answers in brackets.
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
from command import BenchmarkCommand
from prometheus_client.parser import text_string_to_metric_families
from tabulate import tabulate

REPO = Path(__file__).parent.parent
CONNECTIONS = 256
PROBE_PAUSE = 0.5  # seconds between the events of the probe
# One thread for each connection, so that an answer belongs to its thread's last request.
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
function delay()  -- a Poisson process, independent of the time of the last answer
  due = due - pause * math.log(1 - math.random())
  return math.max(0, math.floor(1000 * (due - now())))
end
function request()
  local query = {}
  for place = 1, math.random(2, 4) do query[place] = words[math.random(#words)] end
  local path = "/api/search?q=" .. table.concat(query, "+") .. "+" .. math.random(9999)
  if math.random(5) == 1 then path = path .. "&user=user-" .. math.random(50) end
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
    """Answers to the requests of one run of wrk.

    Attributes
    ----------
    seconds
        Duration of the run.
    failures
        Failed connections by what they were doing.
    statuses, durations, has_retry
        For each answer (n,): HTTP status, seconds, and whether it had Retry-After.
    """

    seconds: float
    failures: dict[str, int]
    statuses: np.ndarray
    durations: np.ndarray
    has_retry: np.ndarray

    def per_second(self, status: int) -> float:
        """Return the rate of answers with a status."""
        return float((self.statuses == status).sum() / self.seconds)


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Run the service over this project with its events in `folder`; yield its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "UVICORN_PORT": str(port),
        "EVENTS_URL": os.environ.get("EVENTS_URL", f"sqlite:///{folder}/events.sqlite"),
        "UVICORN_LOG_LEVEL": "error",
        "UVICORN_ACCESS_LOG": "false",
        # By default uvicorn closes idle connections after 5 seconds. wrk would count each closed
        # connection as a read error, and pause again.
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
                        raise click.ClickException(
                            "the service did not start: see its error above"
                        ) from None
                    time.sleep(0.2)
            yield site
        finally:
            service.terminate()


def wrk(site: str, script: Path, connections: int, seconds: int, pause: float) -> Answers:
    """Run wrk.

    Parameters
    ----------
    site
        URL of the service.
    script
        File with SCRIPT.
    connections
        Number of connections.
    seconds
        Duration of the run.
    pause
        Mean seconds between the requests of a connection.
    """
    command = ["wrk", f"-t{connections}", f"-c{connections}", f"-d{seconds}s", "--timeout=60s",
               "-s", str(script), site, "--", "1", f"{pause:f}"]  # fmt: skip
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    head, *lines = output[output.index("answers\t") :].splitlines()
    _, duration, *failures = head.split()
    table = np.array([line.split() for line in lines], dtype=float).reshape(-1, 3)
    return Answers(
        seconds=float(duration),
        failures=dict(
            zip(("connect", "read", "write", "timeout"), map(int, failures), strict=True)
        ),
        statuses=table[:, 0].astype(int),
        durations=table[:, 1],
        has_retry=table[:, 2].astype(bool),
    )


class Probe:
    """Sends events and health checks until stopped.

    Parameters
    ----------
    site
        URL of the service.
    product
        Id of the product of the events.
    """

    def __init__(self, site: str, product: str) -> None:
        self._durations: dict[tuple[str, str], list[float]] = {}
        self._site, self._product = site, product
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        event = {"user_id": "probe", "product_id": self._product, "event": "view"}
        with httpx.Client(base_url=self._site, timeout=60) as client:
            while not self._stop.wait(PROBE_PAUSE):
                for name, send in (
                    ("event", lambda: client.post("/api/events", json=event)),
                    ("health", lambda: client.get("/healthz")),
                ):
                    started = time.perf_counter()
                    try:
                        status = str(send().status_code)
                    except httpx.TransportError as error:
                        status = type(error).__name__
                    duration = time.perf_counter() - started
                    self._durations.setdefault((name, status), []).append(duration)

    def stop(self) -> None:
        """Stop after the requests under way."""
        self._stop.set()
        self._thread.join()

    def summary(self, name: str) -> str:
        """Return the durations of "event" or "health" requests by status or connection error."""
        return ", ".join(
            f"{status}: {quantiles(np.array(durations))}"
            for (request, status), durations in sorted(self._durations.items())
            if request == name
        )


def quantiles(durations: np.ndarray) -> str:
    """Return median / 99th percentile / maximum in milliseconds, and the number of durations."""
    if not len(durations):
        return "–"
    median, late = np.percentile(durations, [50, 99]) * 1000
    return f"{median:.0f} / {late:.0f} / {durations.max() * 1000:.0f} ({len(durations)})"


def memory(site: str) -> float:
    """Return the memory of the service, in GB."""
    text = httpx.get(f"{site}/metrics", timeout=60).text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    return families["process_resident_memory_bytes"].samples[0].value / 1e9


@click.command(cls=BenchmarkCommand, help=__doc__)
@click.option("--seconds", default=30, show_default=True, help="Duration of each load.")
@click.option(
    "--times",
    "factors",
    default=(1.0, 2.0, 3.0, 4.0),
    multiple=True,
    help="Multiples of the capacity.",
)
def main(seconds: int, factors: tuple[float, ...]) -> None:
    if shutil.which("wrk") is None:
        raise click.ClickException("wrk not found: install Debian's package wrk")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        script = Path(name) / "search.lua"
        script.write_text(SCRIPT, encoding="utf-8")
        with serve(Path(name)) as site:
            at_once = int(os.environ.get("MAX_AT_ONCE", joblib.cpu_count()))
            wrk(site, script, at_once, 5, 0)  # warm up
            capacity = wrk(site, script, at_once, seconds, 0).per_second(200)
            click.echo(f"capacity: {capacity:.1f} searches a second, {at_once} at once")
            product = httpx.get(f"{site}/api/search", timeout=60).json()["hits"][0]["product_id"]
            for factor in factors:
                probe = Probe(site, product)
                pause = CONNECTIONS / (factor * capacity)
                answers = wrk(site, script, CONNECTIONS, seconds, pause)
                probe.stop()
                accepted, refused = (answers.statuses == status for status in (200, 503))
                others = Counter(answers.statuses[~accepted & ~refused].tolist())
                rows.append(
                    {
                        "load": f"{factor:g}×",
                        "offered/s": len(answers.statuses) / answers.seconds,
                        "200/s": answers.per_second(200),
                        "503/s": answers.per_second(503),
                        "without Retry-After": int((refused & ~answers.has_retry).sum()),
                        "other statuses": dict(others) or 0,
                        "failed connections": {name: n for name, n in answers.failures.items() if n}
                        or 0,
                        "200, ms": quantiles(answers.durations[accepted]),
                        "503, ms": quantiles(answers.durations[refused]),
                        "events, ms": probe.summary("event"),
                        "/healthz, ms": probe.summary("health"),
                        "memory, GB": memory(site),
                    }
                )
    click.echo(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".1f"))


if __name__ == "__main__":
    main()
