"""Cost of recording searches: the time of GET /api/search with and without it, in one run.

It serves the project in the current folder (after `dvc repro`) in two processes, each with its own
database; one of them records. Both answer the same searches in turns of a few seconds, longer than
the recorder takes between two writes. The ratios compare the times of all turns.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import click
import httpx
import numpy as np
from command import BenchmarkCommand
from live_catalogue_service import serving

USERS = 50
PERCENTILES = (50, 99)


def make_queries(client: httpx.Client, seed: int) -> Iterator[str]:
    """Yield queries of two words from the names of listings."""
    hits = client.get("/api/search", params={"limit": 100}).json()["hits"]
    words = sorted({word for hit in hits for word in hit["name"].split()})
    rng = np.random.default_rng(seed)
    while True:
        yield " ".join(rng.choice(words, 2))


def search(client: httpx.Client, query: str, user: int) -> float:
    """Return the seconds that a search takes."""
    started = time.perf_counter()
    parameters = {"q": query, "user": f"user {user}"}
    client.get("/api/search", params=parameters).raise_for_status()
    return time.perf_counter() - started


@click.command(cls=BenchmarkCommand, help=__doc__)
@click.option("--turns", default=20, show_default=True, help="Turns of each of the two services.")
@click.option("--searches", default=200, show_default=True, help="Searches in a turn.")
@click.option("--clients", default=2, show_default=True, help="Clients that search at once.")
@click.option("--seed", default=0, show_default=True)
def main(turns: int, searches: int, clients: int, seed: int) -> None:
    seconds: dict[str, list[float]] = {"false": [], "true": []}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        services = {}
        for setting in seconds:
            os.environ["RECORD_SEARCHES"] = setting
            url = f"sqlite:///{folder}/{setting}.sqlite"
            services[setting] = running.enter_context(serving(url))
        queries = make_queries(services["false"], seed)
        threads = running.enter_context(ThreadPoolExecutor(clients))
        for turn in range(-1, turns):  # the first turn warms up
            chosen = [next(queries) for _ in range(searches)]
            # Each service is first in every other turn.
            for setting in sorted(seconds, reverse=turn % 2 == 1):
                client = services[setting]
                times = threads.map(
                    lambda number, client=client, chosen=chosen: search(
                        client, chosen[number], number % USERS
                    ),
                    range(searches),
                )
                if turn >= 0:
                    seconds[setting] += times
                else:
                    list(times)
        metrics = services["true"].get("/metrics").text
    without, recorded = (np.percentile(seconds[name], PERCENTILES) for name in ("false", "true"))
    for name, values in (("without recording", without), ("with recording", recorded)):
        click.echo(f"{name:<18} p50 {1000 * values[0]:6.1f} ms   p99 {1000 * values[1]:6.1f} ms")
    ratios = recorded / without
    click.echo(f"{'ratio':<18} p50 {ratios[0]:6.3f}      p99 {ratios[1]:6.3f}")
    for line in metrics.splitlines():
        if line.startswith(("search_recorded_total", "search_dropped_total")):
            click.echo(line)


if __name__ == "__main__":
    main()
