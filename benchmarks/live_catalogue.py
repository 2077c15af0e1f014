"""Measure search while the catalogue changes.

    python benchmarks/live_catalogue.py --listings 100000 --seconds 20

It makes listings as latency.py does. One thread searches without a pause, first over the index
alone, then while another thread applies changes: several times a second it puts new and changed
listings into the engine, at the given rate of listings. One run measures everything, so the times
can be compared. `with_changes` is timed with a fixed number of changed listings; one step adds some
of them. facets.py measures facets over a million listings.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from command import BenchmarkCommand, out_option, write_figures
from latency import (
    FILTERS,
    IMAGE_WIDTH,
    NAME_WORDS,
    TEXT_WIDTH,
    Subject,
    clustered,
    make_subject,
    make_words,
    timed,
)
from tabulate import tabulate

from market.core.torch_setup import set_up_torch
from market.search.changed_listings import ChangedListings
from market.search.engine import Engine

WORDS = 30  # of a changed listing
STEPS_PER_SECOND = 5  # how often changes are put into the engine


class Changes:
    """Changed listings: half of them supersede one of the index, the others are new."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self._size, self._rng = size, rng
        self._words = np.array(make_words())
        self._rows = pd.DataFrame()
        self._texts = np.empty((0, TEXT_WIDTH), np.float32)
        self._images = np.empty((0, IMAGE_WIDTH), np.float32)

    def add(self, count: int) -> ChangedListings:
        """Change `count` more listings, and return all changes so far."""
        rng, start = self._rng, len(self._rows)
        drawn = self._words[rng.integers(len(self._words), size=(count, WORDS))]
        rows = pd.DataFrame(
            {
                "product_id": [
                    f"p{self._size // 2 + start + row}" if row % 2 else f"new{start + row}"
                    for row in range(count)
                ],
                "name": [" ".join(words[:NAME_WORDS]) for words in drawn],
                "description": [" ".join(words[NAME_WORDS:]) for words in drawn],
                "location": "Middle",
                "category_levels": [("Group 1", "Leaf 1")] * count,
                "price": rng.uniform(5, 500, size=count),
                "latitude": 53.0,
                "longitude": -1.5,
                "created": pd.Timestamp("2022-02-27"),
                "price_expected": 50.0,
                "price_flag": "",
                "expires": pd.Timestamp("2100-01-01"),
            }
        )
        self._rows = pd.concat([self._rows, rows], ignore_index=True)
        self._texts = np.vstack([self._texts, clustered(rng, count, TEXT_WIDTH)])
        self._images = np.vstack([self._images, clustered(rng, count, IMAGE_WIDTH)])
        positions = np.arange(len(self._rows))
        photos = pd.DataFrame({"position": positions, "photo_index": self._size + positions})
        return ChangedListings(self._rows, self._texts, photos, self._images)


def searches_per_second(
    engines: list[Engine], queries: Iterator[str], seconds: float
) -> tuple[float, list[float]]:
    """Search the newest of `engines` without a pause; return the rate, and each time in ms."""
    times: list[float] = []
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        query = next(queries)
        times.append(timed(lambda query=query: engines[-1].search(query, filters=FILTERS)))
    return len(times) / (time.perf_counter() - start), times


def measure_live(
    subject: Subject, *, rate: int, seconds: float, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Return a row for searches without changes, and one for searches during changes."""
    engine, queries = subject.engine, iter(subject.queries)
    changes = Changes(len(engine.catalogue), rng)
    engines = [engine.with_changes(changes.add(1))]  # prepares the index
    engines.append(engine)
    rates, rows = [], []
    for name in ("no changes", f"{rate} changes a second"):
        stop = threading.Event()
        thread = threading.Thread(target=_apply, args=(engines, changes, rate, stop))
        if rates:
            thread.start()
        per_second, times = searches_per_second(engines, queries, seconds)
        stop.set()
        if rates:
            thread.join()
        rates.append(per_second)
        p50, p99 = np.quantile(times, [0.5, 0.99])
        rows.append({"what": f"search, {name}", "per second": per_second,
                     "ratio": per_second / rates[0], "p50 ms": p50, "p99 ms": p99,
                     "n": len(times)})  # fmt: skip
    return rows


def _apply(engines: list[Engine], changes: Changes, rate: int, stop: threading.Event) -> None:
    """Put new changes into the newest engine, STEPS_PER_SECOND times a second."""
    due = time.perf_counter()
    while not stop.is_set():
        engines[:] = [engines[-1].with_changes(changes.add(rate // STEPS_PER_SECOND))]
        due += 1 / STEPS_PER_SECOND
        stop.wait(max(0, due - time.perf_counter()))


def measure_with_changes(
    engine: Engine, *, changed: int, rate: int, steps: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Time `with_changes` when `changed` listings have changed, the last few of them new."""
    changes = Changes(len(engine.catalogue), rng)
    engine.with_changes(changes.add(changed))
    times = []
    for _ in range(steps):
        together = changes.add(rate // STEPS_PER_SECOND)
        times.append(timed(lambda together=together: engine.with_changes(together)))
    p50, p99 = np.quantile(times, [0.5, 0.99])
    return {"what": f"with_changes, {changed} changed", "p50 ms": p50, "p99 ms": p99, "n": steps}


@click.command(cls=BenchmarkCommand, help=__doc__)
@click.option("--listings", type=int, default=100_000, help="Number of listings of the index.")
@click.option("--seconds", type=float, default=20, help="Time to search for, without and with.")
@click.option("--rate", type=int, default=50, help="Listings that change in a second.")
@click.option("--changed", type=int, default=500, help="Changed listings for with_changes.")
@click.option("--steps", type=int, default=30, help="How often with_changes is timed.")
@click.option("--seed", type=int, default=42)
@out_option
def main(
    listings: int, seconds: float, rate: int, changed: int, steps: int, seed: int,
    out: Path | None,
) -> None:  # fmt: skip
    set_up_torch(seed)
    rng = np.random.default_rng(seed)
    subject = make_subject(listings, rng)
    subject.engine.search("warm up", filters=FILTERS)
    rows = [
        measure_with_changes(subject.engine, changed=changed, rate=rate, steps=steps, rng=rng),
        *measure_live(subject, rate=rate, seconds=seconds, rng=rng),
    ]
    click.echo(tabulate(rows, headers="keys", floatfmt=".2f", tablefmt="github"))
    write_figures(rows, out)


if __name__ == "__main__":
    main()
