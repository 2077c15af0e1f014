"""Time from the 201 of a new listing until a search finds it, over HTTP.

It serves the project in the current folder (after `dvc repro`) with a database of its own, puts
listings one after another, and searches for each until it is found: in the process that stored it,
and in another one that only follows the store.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import click
import httpx
import numpy as np
from command import BenchmarkCommand

PATIENCE = 300  # seconds for the start of a service
WORDS = ("amber", "birch", "cobalt", "dusky", "elm", "fern", "granite", "hazel", "indigo", "jade")


@contextlib.contextmanager
def serving(url: str) -> Iterator[httpx.Client]:
    """Run a service over a database; yield a client of it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "uvicorn", "market.service.app:create_app", "--factory"]
    settings = {**os.environ, "EVENTS_URL": url, "UVICORN_PORT": port, "UVICORN_LOG_LEVEL": "error"}
    with (
        subprocess.Popen(command, env=settings) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client,
    ):
        try:
            until = time.monotonic() + PATIENCE
            while True:
                try:
                    client.get("/healthz").raise_for_status()
                    break
                except httpx.TransportError:
                    if process.poll() is not None or time.monotonic() > until:
                        raise
                    time.sleep(0.2)
            yield client
        finally:
            process.terminate()
            process.wait()


def seconds_until_found(client: httpx.Client, product_id: str, query: str) -> float:
    """Return the seconds until a search finds a listing; more than 10 count as 10."""
    started = time.monotonic()
    while time.monotonic() < started + 10:
        hits = client.get("/api/search", params={"q": query, "limit": 20}).json()["hits"]
        if any(hit["product_id"] == product_id for hit in hits):
            break
        time.sleep(0.005)
    return time.monotonic() - started


def shown(name: str, seconds: list[float]) -> str:
    p50, p99 = np.percentile(seconds, [50, 99])
    return f"{name:<38} p50 {1000 * p50:6.0f} ms   p99 {1000 * p99:6.0f} ms"


@click.command(cls=BenchmarkCommand, help=__doc__)
@click.option("--listings", default=100, show_default=True, help="Listings to put.")
def main(listings: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/events.sqlite"
        with serving(url) as writer, serving(url) as follower:
            for client in (writer, follower):  # loads the models
                client.put("/api/listings/warm-up", json={"name": "Warm up"}).raise_for_status()
            put, own, other = [], [], []
            for number in range(listings):
                name = f"{WORDS[number % len(WORDS)]} teapot number {number}"
                fields = {
                    "name": name,
                    "description": f"A {name}, hardly used",
                    "price": 5 + number,
                }
                started = time.monotonic()
                answer = writer.put(f"/api/listings/new-{number}", json=fields)
                put.append(time.monotonic() - started)
                assert answer.status_code == 201, answer.text
                own.append(seconds_until_found(writer, f"new-{number}", name))
                other.append(seconds_until_found(follower, f"new-{number}", name))
    click.echo(f"{listings} listings, one after another")
    click.echo(shown("PUT, with prediction and encoding", put))
    click.echo(shown("201 to found, same process", own))
    click.echo(shown("201 to found, another process", other))


if __name__ == "__main__":
    main()
