"""How fast a search is, in the process and over HTTP, beside its bare parts, at three sizes.

    python benchmarks/latency.py --listings 6000 --listings 100000 --listings 1000000

The listings are synthetic: words by Zipf's law, vectors around a few hundred centres, one photo
each; the query's words go through the real sentence encoder. A *search* is whole: spelling, words,
meaning, looks by feedback, filters on price and distance, a shopper with ten events, the ranker
and its reasons. Its parts, measured in turns with it on the same kind of query: encoding it, BM25
and the best of its scores, FAISS for text. The ratio is of medians, in one run. FAISS for photos,
which a search in words does without, is timed as well, and so is a recommendation to that shopper.
Which listings are alike is drawn, not found: it makes no difference to the time.
"""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import httpx
import numpy as np
import pandas as pd
import uvicorn
from measuring import peak_memory
from sklearn.preprocessing import normalize
from tabulate import tabulate
from tqdm import tqdm

from market.core.torch_setup import set_up_torch
from market.models.text_encoder import load_text_encoder
from market.search.engine import Engine, Filters, TextReader
from market.search.lexical import LexicalIndex
from market.search.ranker import Ranker
from market.search.vectors import VectorIndex
from market.service.app import make_app
from market.service.events import EventStore
from market.service.settings import Settings

VOCABULARY = 30_000
WORDS, NAME_WORDS = 30, 5  # of a listing
CENTRES = 300
TEXT_WIDTH, PHOTO_WIDTH = 384, 576
FLAT_UP_TO = 200_000  # listings; above, the index is a partition, as params.yaml advises
ALIKE = 10  # listings that are called most like each, as the stage index does
DEPTH = 200  # nearest asked of each part, as the engine does
PARTS = ["encoder", "bm25", "faiss_text"]  # of a search in words; photos are another query
NO_PHOTOS: Any = SimpleNamespace(batches=list)
FILTERS = Filters(price_max=150, near="Middle", radius_km=300)


def clustered(rng: np.random.Generator, count: int, width: int) -> np.ndarray:
    """Return (count, width) float32 unit vectors around CENTRES directions."""
    centres = rng.normal(size=(CENTRES, width)).astype(np.float32)
    vectors = np.empty((count, width), np.float32)
    for start in range(0, count, 50_000):  # in pieces: no second copy in memory
        stop = min(start + 50_000, count)
        around = centres[rng.integers(CENTRES, size=stop - start)]
        noise = rng.normal(size=(stop - start, width)).astype(np.float32)
        vectors[start:stop] = normalize(around + noise)
    return vectors


def make_words() -> list[str]:
    """Pronounceable words, so that spelling and encoder have something to read."""
    consonants, vowels = "bcdfghjklmnprstvw", "aeiou"
    syllables = [c + v for c in consonants for v in vowels]
    count = len(syllables)
    return [
        syllables[i % count]
        + syllables[i // count % count]
        + syllables[i // count**2 % count]
        + "n"
        for i in range(VOCABULARY)
    ]


@dataclass(frozen=True)
class Subject:
    """An engine over `count` synthetic listings, and its parts, to be timed bare."""

    engine: Engine
    lexical: LexicalIndex
    texts: VectorIndex
    photos: VectorIndex
    read_text: TextReader
    queries: list[str]
    factory: str


def make_subject(count: int, rng: np.random.Generator) -> Subject:
    words = np.array(make_words())
    chance = 1 / np.arange(1, VOCABULARY + 1)
    chance /= chance.sum()
    drawn = words[rng.choice(VOCABULARY, size=(count, WORDS), p=chance)]
    names = [" ".join(row) for row in drawn[:, :NAME_WORDS]]
    texts = [" ".join(row) for row in drawn[:, NAME_WORDS:]]
    cells = int(count**0.5)
    factory = "Flat" if count <= FLAT_UP_TO else f"IVF{cells},Flat"
    breadth = max(1, cells // 32)
    leaves = [(f"Group {leaf % 13}", f"Leaf {leaf}") for leaf in range(400)]
    listings = pd.DataFrame(
        {
            "product_id": [f"p{row}" for row in range(count)],
            "name": names,
            "description": texts,
            "location": "Middle",
            "category_levels": [leaves[leaf] for leaf in rng.integers(400, size=count)],
            "price": np.exp(rng.normal(3.7, 1.4, size=count)).round(2),
            "price_expected": np.exp(rng.normal(3.7, 1.0, size=count)).round(2),
            "price_flag": "",
            "latitude": rng.uniform(50, 56, size=count),
            "longitude": rng.uniform(-4, 1, size=count),
            "created": pd.Timestamp("2022-02-26"),
            "group": np.arange(count),
        }
    )
    lexical = LexicalIndex.build(names, texts, [])
    text_index, photo_index = (
        VectorIndex.build(clustered(rng, count, width), factory, breadth)
        for width in (TEXT_WIDTH, PHOTO_WIDTH)
    )
    read_text = TextReader(partial(load_text_encoder, "cpu"))
    engine = Engine(
        listings,
        pd.DataFrame({"name": ["middle"], "latitude": [53.0], "longitude": [-1.5]}),
        lexical,
        text_index,
        photo_index,
        pd.DataFrame({"owner": np.arange(count), "number": np.arange(count)}),
        rng.integers(count, size=(count, ALIKE), dtype=np.int32),  # as slow to read as true ones
        Ranker.prior(),
        None,
        read_text,
        lambda photo: np.zeros(PHOTO_WIDTH, np.float32),
    )
    rows = rng.integers(count, size=10_000)
    queries = list(dict.fromkeys(" ".join(drawn[row, :3]) for row in rows))
    return Subject(engine, lexical, text_index, photo_index, read_text, queries, factory)


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def measure(subject: Subject, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return milliseconds (count,) of a whole search, of a recommendation, and of each bare part,
    taken in turns."""
    rows = rng.integers(len(subject.engine.listings), size=10)
    history = pd.DataFrame(
        {
            "product_id": [f"p{row}" for row in rows],
            "event": "view",
            "timestamp": pd.date_range("2022-03-01", periods=10, freq="min"),
        }
    )
    look = subject.photos.vectors(np.array([0]))

    def bm25(text: str) -> np.ndarray:
        return np.argpartition(subject.lexical.scores(text), -DEPTH)[-DEPTH:]

    found: dict[str, list[float]] = {}
    # Each query is new to the encoder, which remembers those that it has read.
    pairs = zip(subject.queries[: 2 * count : 2], subject.queries[1 : 2 * count : 2], strict=True)
    for text, other in tqdm(pairs, total=count, unit="query", disable=None):
        meaning = subject.read_text(other + " again")[None]
        calls: dict[str, Callable[[], object]] = {
            "search": partial(subject.engine.search, text, history=history, filters=FILTERS),
            "recommend": partial(subject.engine.recommend, history, filters=FILTERS),
            "encoder": partial(subject.read_text, other),
            "bm25": partial(bm25, other),
            "faiss_text": partial(subject.texts.search, meaning, DEPTH),
            "faiss_photo": partial(subject.photos.search, look, DEPTH),
        }
        for name, call in calls.items():
            found.setdefault(name, []).append(timed(call))
    return {name: np.array(times) for name, times in found.items()}


def measure_http(subject: Subject, queries: list[str], folder: Path) -> np.ndarray:
    """Return milliseconds of each query over HTTP, one client, the same filters and history."""
    events = EventStore(f"sqlite:///{folder / 'events.sqlite'}")
    app = make_app(subject.engine, NO_PHOTOS, events, Settings.from_environment())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            while not server.started:
                time.sleep(0.05)
            for row in range(10):
                event = {"user_id": "bench", "product_id": f"p{row}", "event": "view"}
                client.post("/api/events", json=event).raise_for_status()
            wanted = {
                "user": "bench",
                "price_max": FILTERS.price_max,
                "near": FILTERS.near,
                "radius_km": FILTERS.radius_km,
            }
            times = []
            for text in queries:
                start = time.perf_counter()
                client.get("/api/search", params={"q": text, **wanted}).raise_for_status()
                times.append((time.perf_counter() - start) * 1e3)
            return np.array(times)
    finally:
        server.should_exit = True
        thread.join()


@click.command(help=__doc__)
@click.option("--listings", type=int, multiple=True, default=[6_000], help="How many; repeatable.")
@click.option("--queries", type=int, default=100, help="Of each kind of call.")
@click.option("--seed", type=int, default=42)
@click.option("--out", type=click.Path(path_type=Path), help="Also write the figures, as JSON.")
def main(listings: tuple[int, ...], queries: int, seed: int, out: Path | None) -> None:
    set_up_torch(seed)
    rows: list[dict[str, Any]] = []
    for count in listings:
        rng = np.random.default_rng(seed)
        subject = make_subject(count, rng)
        subject.engine.search("warm up")
        times = measure(subject, queries, rng)
        fresh = subject.queries[2 * queries : 3 * queries]
        with tempfile.TemporaryDirectory() as folder:
            times["search over HTTP"] = measure_http(subject, fresh, Path(folder))
        parts = sum(np.median(times[name]) for name in PARTS)
        for name, of in times.items():
            p50, p99 = np.quantile(of, [0.5, 0.99])
            row = {"listings": count, "call": name, "p50 ms": p50, "p99 ms": p99}
            row["p50 / sum of parts' p50"] = p50 / parts
            rows.append({**row, "n": len(of), "seed": seed, "index": subject.factory})
        peak = peak_memory() / 1e9
        click.echo(f"{count} listings: at most {peak:.1f} GB of memory so far, building included")
    click.echo(tabulate(rows, headers="keys", floatfmt=".2f", tablefmt="github"))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
