"""What the service does when more is asked of it than it can do: wrk at 1 to 4 times its capacity.

    python benchmarks/load.py --seconds 30

Run it in the project's folder after `make run`; it starts the service itself. Debian's wrk asks for
searches in words that differ, a fifth of them for shoppers by name. Capacity is what is answered a
second over as many connections as the service searches at once. Then many connections offer a
multiple of it, each pausing between its requests. Beside them one more person asks twice a second,
tells an event each time, and asks /healthz: the table says what they are answered and how soon (the
median / the 99th percentile in milliseconds, and of how many answers).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from tabulate import tabulate

REPO = Path(__file__).parent.parent
CONNECTIONS = 256
PAUSE = 0.5  # seconds between the questions of the one person
SCRIPT = """
local counts = {}
local threads = {}
function setup(thread) thread:set("number", #threads); table.insert(threads, thread) end
function init(args)
  math.randomseed(tonumber(args[1]) + number)
  pause = tonumber(args[2])
  ok, refused, other, unsaid = 0, 0, 0, 0
  words = {"oak", "table", "lamp", "laptop", "bike", "sofa", "red", "blue", "large", "vintage",
    "wooden", "new", "garden", "chair", "phone", "guitar", "kids", "mirror", "black", "solid",
    "leather", "camera", "desk", "shelf", "metal", "box", "pair", "set", "small", "shoes"}
end
function delay() return math.floor(2 * pause * math.random()) end
function request()
  local said = {}
  for place = 1, math.random(2, 4) do said[place] = words[math.random(#words)] end
  local path = "/api/search?q=" .. table.concat(said, "+") .. "+" .. math.random(9999)
  if math.random(5) == 1 then path = path .. "&user=shopper-" .. math.random(50) end
  return wrk.format("GET", path)
end
function response(status, headers, body)
  if status == 200 then ok = ok + 1
  elseif status == 503 then
    refused = refused + 1
    if not headers["retry-after"] then unsaid = unsaid + 1 end
  else other = other + 1 end
end
function done(summary, latency, requests)
  local sum = {ok = 0, refused = 0, other = 0, unsaid = 0}
  for _, thread in ipairs(threads) do
    for name in pairs(sum) do sum[name] = sum[name] + thread:get(name) end
  end
  local e = summary.errors
  print(string.format('{"ok": %d, "refused": %d, "other": %d, "unsaid": %d, "seconds": %f, ' ..
    '"slowest": %f, "broken": %d}', sum.ok, sum.refused, sum.other, sum.unsaid,
    summary.duration / 1e6, latency.max / 1e6, e.connect + e.read + e.write + e.timeout))
end
"""


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
    }
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(REPO / "stages"),
               "search.app:create_app", "--factory"]  # fmt: skip
    site = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, env=environment) as service:
        try:
            while True:
                try:
                    httpx.get(f"{site}/healthz", timeout=60)
                    break
                except httpx.TransportError:
                    if service.poll() is not None:
                        raise click.ClickException("the service did not start") from None
                    time.sleep(0.2)
            yield site
        finally:
            service.terminate()


def wrk(site: str, script: Path, connections: int, seconds: int, pause: float) -> dict[str, Any]:
    """Counts and the slowest answer; `pause` is the mean between a connection's requests, ms."""
    command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--timeout=60s", "-s",
               str(script), site, "--", "1", f"{pause:.0f}"]  # fmt: skip
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(said.splitlines()[-1])


class Person:
    """Searches, tells, and looks after the service's health, until stopped."""

    def __init__(self, site: str, product: str) -> None:
        self.took: dict[tuple[str, int], list[float]] = {}
        self._site, self._product = site, product
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def _live(self) -> None:
        event = {"user_id": "probe", "product_id": self._product, "event": "view"}
        number = 0
        with httpx.Client(base_url=self._site, timeout=60) as client:
            while not self._stop.wait(PAUSE):
                number += 1
                for name, ask in (
                    ("search", lambda: client.get(f"/api/search?q=lamp+{number}&user=probe")),  # noqa: B023
                    ("event", lambda: client.post("/api/events", json=event)),
                    ("health", lambda: client.get("/healthz")),
                ):
                    started = time.perf_counter()
                    status = ask().status_code
                    took = time.perf_counter() - started
                    self.took.setdefault((name, status), []).append(took)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def said(self, name: str, status: int) -> str:
        """p50 / p99 in milliseconds, and how many."""
        took = self.took.get((name, status), [])
        if not took:
            return "–"
        middle, late = np.percentile(took, [50, 99]) * 1000
        return f"{middle:.0f} / {late:.0f} ({len(took)})"


def memory(site: str) -> float:
    """What the service takes, in GB."""
    told = httpx.get(f"{site}/metrics", timeout=60).text
    families = {family.name: family for family in text_string_to_metric_families(told)}
    return families["process_resident_memory_bytes"].samples[0].value / 1e9


@click.command(help=__doc__)
@click.option("--seconds", default=30, show_default=True, help="Of each load.")
@click.option("--times", default=(1.0, 2.0, 3.0, 4.0), multiple=True, help="Capacity offered.")
def main(seconds: int, times: tuple[float, ...]) -> None:
    if shutil.which("wrk") is None:
        raise click.ClickException("wrk is not there: install Debian's package wrk")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        script = Path(name) / "search.lua"
        script.write_text(SCRIPT, encoding="utf-8")
        with serve(Path(name)) as site:
            at_once = int(os.environ.get("MAX_AT_ONCE", os.cpu_count() or 1))
            wrk(site, script, at_once, 5, 0)  # warm
            alone = wrk(site, script, at_once, seconds, 0)
            capacity = alone["ok"] / alone["seconds"]
            click.echo(f"capacity: {capacity:.1f} searches a second, {at_once} at once")
            product = httpx.get(f"{site}/api/search", timeout=60).json()["hits"][0]["product_id"]
            for factor in times:
                # Of an answer that waits for its turn the pause is already part.
                pause = max(0.0, CONNECTIONS / (factor * capacity) - 0.3) * 1000
                person = Person(site, product)
                found = wrk(site, script, CONNECTIONS, seconds, pause)
                person.stop()
                every = found["ok"] + found["refused"] + found["other"]
                rows.append(
                    {
                        "asked": f"{factor:g}×",
                        "offered/s": every / found["seconds"],
                        "200/s": found["ok"] / found["seconds"],
                        "503/s": found["refused"] / found["seconds"],
                        "without Retry-After": found["unsaid"],
                        "other": found["other"] + found["broken"],
                        "slowest, s": found["slowest"],
                        "200": person.said("search", 200),
                        "503": person.said("search", 503),
                        "event 201": person.said("event", 201),
                        "event 503": person.said("event", 503),
                        "health 200": person.said("health", 200),
                        "memory, GB": memory(site),
                    }
                )
    click.echo(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".1f"))


if __name__ == "__main__":
    main()
