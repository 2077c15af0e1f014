"""Measure the latency of search, in the process and over HTTP, beside its bare parts.

    python benchmarks/latency.py --listings 6000 --listings 100000 --listings 1000000

The listings are synthetic: words follow Zipf's law, vectors lie around a few hundred centres, and
each listing has one photo. The real sentence encoder encodes the queries. A search has all its
steps: spelling, words, text vectors, feedback from photos, filters on price and distance, a user
with ten events, the ranker, explanations and the end of the results. Its parts are measured in
turns with it on queries of the same kind: encoding, BM25 with the selection of the best scores, and
FAISS over the text vectors. The ratio compares medians of one run. FAISS over the image vectors,
which a search in words does not use, and a recommendation to the same user are measured as well.
The neighbours of listings are random, which does not change the time.
"""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import httpx
import numpy as np
import pandas as pd
import uvicorn
from command import BenchmarkCommand, out_option, write_figures
from measuring import peak_memory
from sklearn.preprocessing import normalize
from tabulate import tabulate
from tqdm import tqdm

from market.core.torch_setup import set_up_torch
from market.models.text_encoder import load_text_encoder
from market.search.catalogue import Catalogue
from market.search.encoders import CachedTextEncoder
from market.search.engine import Engine
from market.search.filters import Filters
from market.search.lexical import LexicalIndex
from market.search.listing_vectors import ListingVectors
from market.search.neighbours import NEIGHBOURS
from market.search.ranker import Ranker
from market.search.relevance import Cutoff, Relevance
from market.search.retrieval import MAX_CANDIDATES
from market.search.vectors import VectorIndex
from market.service.app import make_app
from market.service.events import EventStore
from market.service.settings import Settings

VOCABULARY_SIZE = 30_000
WORDS, NAME_WORDS = 30, 5  # of a listing
CENTRES = 300
TEXT_WIDTH, IMAGE_WIDTH = 384, 576
MAX_FLAT = 200_000  # listings; a larger index is partitioned, as params.yaml advises
PARTS = ["encoder", "bm25", "faiss_text"]  # of a search in words
# About what queries in words get on the sample.
CUTOFF = Cutoff(
    {"bm25": 2.4, "bm25_of_best": 4.4, "text_excess": 0.0, "text_excess_of_best": 2.1,
     "no_good_words": 2.7},
    intercept=-5.7, min_relevant=0.16, min_related=0.1,
)  # fmt: skip
FILTERS = Filters(price_max=150, near="Middle", radius_km=300)


class NamedPhotos:
    """The addresses of any number of photos, which are never read."""

    nominal_sizes = (480, 1200)

    def __len__(self) -> int:
        return 10**9

    def version(self) -> str:
        return "1"

    def sizes(self, number: int) -> tuple[int, int, int, int]:
        return 480, 360, 1200, 900


PHOTOS: Any = NamedPhotos()


def clustered(rng: np.random.Generator, count: int, width: int) -> np.ndarray:
    """Return (count, width) float32 unit vectors around CENTRES directions."""
    centres = rng.normal(size=(CENTRES, width)).astype(np.float32)
    vectors = np.empty((count, width), np.float32)
    for start in range(0, count, 50_000):  # in pieces, to save memory
        stop = min(start + 50_000, count)
        around = centres[rng.integers(CENTRES, size=stop - start)]
        noise = rng.normal(size=(stop - start, width)).astype(np.float32)
        vectors[start:stop] = normalize(around + noise)
    return vectors


def make_words() -> list[str]:
    """Return pronounceable words, for spelling correction and the encoder to work on."""
    consonants, vowels = "bcdfghjklmnprstvw", "aeiou"
    syllables = [consonant + vowel for consonant in consonants for vowel in vowels]
    count = len(syllables)
    return [
        syllables[number % count]
        + syllables[number // count % count]
        + syllables[number // count**2 % count]
        + "n"
        for number in range(VOCABULARY_SIZE)
    ]


@dataclass(frozen=True)
class Subject:
    """An engine over synthetic listings, with queries for it.

    `factory` is the FAISS description of its vector indices.
    """

    engine: Engine
    queries: list[str]
    factory: str


def make_subject(count: int, rng: np.random.Generator) -> Subject:
    """Return an engine over `count` synthetic listings."""
    words = np.array(make_words())
    probabilities = 1 / np.arange(1, VOCABULARY_SIZE + 1)
    probabilities /= probabilities.sum()
    drawn = words[rng.choice(VOCABULARY_SIZE, size=(count, WORDS), p=probabilities)]
    names = [" ".join(row) for row in drawn[:, :NAME_WORDS]]
    texts = [" ".join(row) for row in drawn[:, NAME_WORDS:]]
    cells = int(count**0.5)
    factory = "Flat" if count <= MAX_FLAT else f"IVF{cells},Flat"
    search_effort = max(1, cells // 32)
    leaves = [(f"Group {leaf % 13}", f"Leaf {leaf}") for leaf in range(400)]
    listings = pd.DataFrame(
        {
            "product_id": [f"p{row}" for row in range(count)],
            "name": names,
            "description": texts,
            "location": "Middle",
            "category_levels": [leaves[leaf] for leaf in rng.integers(400, size=count)],
            "price": np.exp(rng.normal(3.7, 1.4, size=count)).round(2),
            "latitude": rng.uniform(50, 56, size=count),
            "longitude": rng.uniform(-4, 1, size=count),
            "created": pd.Timestamp("2022-02-26"),
            "group": np.arange(count),
        }
    )
    prices = pd.DataFrame(
        {
            "product_id": listings["product_id"],
            "price_expected": np.exp(rng.normal(3.7, 1.0, size=count)).round(2),
            "price_flag": "",
        }
    )
    catalogue = Catalogue.build(
        listings,
        pd.DataFrame({"position": np.arange(count), "photo_index": np.arange(count)}),
        pd.DataFrame({"name": ["middle"], "latitude": [53.0], "longitude": [-1.5]}),
        prices,
    )
    lexical = LexicalIndex.build(names, texts, [])
    text_index, image_index = (
        VectorIndex.build(clustered(rng, count, width), factory, search_effort)
        for width in (TEXT_WIDTH, IMAGE_WIDTH)
    )
    neighbours = rng.integers(count, size=(count, NEIGHBOURS), dtype=np.int32)
    engine = Engine(
        catalogue=catalogue,
        lexical=lexical,
        vectors=ListingVectors(text_index, image_index, neighbours, catalogue.photos),
        ranker=Ranker.prior(),
        collaborative=None,
        encode_text=CachedTextEncoder(partial(load_text_encoder, "cpu")),
        encode_photo=lambda photo: np.zeros(IMAGE_WIDTH, np.float32),
        relevance=Relevance(words=CUTOFF),
    )
    rows = rng.integers(count, size=10_000)
    queries = list(dict.fromkeys(" ".join(drawn[row, :3]) for row in rows))
    return Subject(engine, queries, factory)


def timed(call: Callable[[], object]) -> float:
    """Return the milliseconds that a call takes."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def measure(subject: Subject, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Time a search, a recommendation and each bare part in turns.

    Returns
    -------
    dict
        (count,) milliseconds, by the name of the call.
    """
    engine = subject.engine
    rows = rng.integers(len(engine.catalogue), size=10)
    history = pd.DataFrame(
        {
            "product_id": [f"p{row}" for row in rows],
            "event": "view",
            "timestamp": pd.date_range("2022-03-01", periods=10, freq="min"),
        }
    )
    image_vector = engine.vectors.images.vectors(np.array([0]))

    def bm25(text: str) -> np.ndarray:
        return np.argpartition(engine.lexical.scores(text), -MAX_CANDIDATES)[-MAX_CANDIDATES:]

    times: dict[str, list[float]] = {}
    # Each query is new, because the encoder caches the vectors of earlier ones.
    pairs = zip(subject.queries[: 2 * count : 2], subject.queries[1 : 2 * count : 2], strict=True)
    for text, other in tqdm(pairs, total=count, unit="query", disable=None):
        text_vector = engine.encode_text(other + " again")[None]
        calls: dict[str, Callable[[], object]] = {
            "search": partial(engine.search, text, history=history, filters=FILTERS),
            "recommend": partial(engine.recommend, history, filters=FILTERS),
            "encoder": partial(engine.encode_text, other),
            "bm25": partial(bm25, other),
            "faiss_text": partial(engine.vectors.texts.search, text_vector, MAX_CANDIDATES),
            "faiss_photo": partial(engine.vectors.images.search, image_vector, MAX_CANDIDATES),
        }
        for name, call in calls.items():
            times.setdefault(name, []).append(timed(call))
    return {name: np.array(milliseconds) for name, milliseconds in times.items()}


def measure_http(subject: Subject, queries: list[str], folder: Path) -> np.ndarray:
    """Return the milliseconds of each query over HTTP: one client, the same filters and history."""
    events = EventStore(f"sqlite:///{folder / 'events.sqlite'}")
    app = make_app(subject.engine, PHOTOS, events, Settings.from_environment())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
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
            parameters = {
                "user": "bench",
                "price_max": FILTERS.price_max,
                "near": FILTERS.near,
                "radius_km": FILTERS.radius_km,
            }
            times = []
            for text in queries:
                start = time.perf_counter()
                client.get("/api/search", params={"q": text, **parameters}).raise_for_status()
                times.append((time.perf_counter() - start) * 1e3)
            return np.array(times)
    finally:
        server.should_exit = True
        thread.join()


@click.command(cls=BenchmarkCommand, help=__doc__)
@click.option(
    "--listings",
    type=int,
    multiple=True,
    default=[6_000],
    help="Number of listings; repeat the option to compare sizes.",
)
@click.option("--queries", type=int, default=100, help="Number of queries for each kind of call.")
@click.option("--seed", type=int, default=42)
@out_option
def main(listings: tuple[int, ...], queries: int, seed: int, out: Path | None) -> None:
    set_up_torch(seed)
    rows: list[dict[str, Any]] = []
    for count in listings:
        rng = np.random.default_rng(seed)
        subject = make_subject(count, rng)
        subject.engine.search("warm up", filters=FILTERS)
        times = measure(subject, queries, rng)
        fresh = subject.queries[2 * queries : 3 * queries]
        with tempfile.TemporaryDirectory() as folder:
            times["search over HTTP"] = measure_http(subject, fresh, Path(folder))
        parts = sum(np.median(times[name]) for name in PARTS)
        for name, milliseconds in times.items():
            p50, p99 = np.quantile(milliseconds, [0.5, 0.99])
            row = {"listings": count, "call": name, "p50 ms": p50, "p99 ms": p99}
            row["p50 / sum of parts' p50"] = p50 / parts
            rows.append({**row, "n": len(milliseconds), "seed": seed, "index": subject.factory})
        peak = peak_memory() / 1e9
        click.echo(f"{count} listings: peak memory so far {peak:.1f} GB, including indexing")
    click.echo(tabulate(rows, headers="keys", floatfmt=".2f", tablefmt="github"))
    write_figures(rows, out)


if __name__ == "__main__":
    main()
