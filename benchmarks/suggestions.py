"""Measure GET /api/suggest's answers without HTTP: the first one, and those to texts being typed.

    python benchmarks/suggestions.py --listings 100000

The listings are synthetic: names of 2 to 6 words, drawn by Zipf's law from made-up words, in 960
categories. Each of the measured texts is the start of a name, of 1 to 12 letters; every fifth has
a typing error.
"""

from __future__ import annotations

import time

import click
import numpy as np
import pandas as pd
from command import BenchmarkCommand
from tabulate import tabulate

from market.search.catalogue import Catalogue
from market.search.engine import Engine
from market.search.lexical import LexicalIndex
from market.search.listing_vectors import ListingVectors
from market.search.ranker import Ranker
from market.search.suggesting import suggest
from market.search.vectors import VectorIndex

WORDS = 30_000
SYLLABLES = ("ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "gar", "len", "pil", "ton")
LONGEST = 12  # letters of a text


def make_names(count: int, rng: np.random.Generator) -> list[str]:
    """Return random names."""
    words = ["".join(rng.choice(SYLLABLES, rng.integers(2, 5))) for _ in range(WORDS)]
    shares = 1 / np.arange(1, WORDS + 1)
    lengths = rng.integers(2, 7, count)
    drawn = rng.choice(WORDS, lengths.sum(), p=shares / shares.sum())
    ends = np.cumsum(lengths)
    return [
        " ".join(words[row] for row in drawn[end - length : end])
        for end, length in zip(ends, lengths, strict=True)
    ]


def make_engine(names: list[str], rng: np.random.Generator) -> Engine:
    """Return an engine over listings with these names."""
    count = len(names)
    listings = pd.DataFrame(
        {
            "product_id": [f"p{number:07d}" for number in range(count)],
            "name": names,
            "description": "",
            "location": "",
            "category_levels": [
                [f"Part {n % 40}", f"Shelf {n}"] for n in rng.integers(960, size=count)
            ],
            "price": 10.0,
            "group": np.arange(count),
            "created": pd.Timestamp("2024-01-01"),
            "latitude": np.nan,
            "longitude": np.nan,
        }
    )
    prices = pd.DataFrame(
        {"product_id": listings["product_id"], "price_expected": 10.0, "price_flag": ""}
    )
    photos = pd.DataFrame({"position": [], "photo_index": []}, dtype=int)
    places = pd.DataFrame(columns=["name", "latitude", "longitude"])
    catalogue = Catalogue.build(listings, photos, places, prices)
    empty = VectorIndex.build(np.empty((0, 2), np.float32), "Flat", 1)
    vectors = ListingVectors(empty, empty, np.empty((count, 0), np.int32), catalogue.photos)
    lexical = LexicalIndex.build(names, [""] * count, [])
    return Engine(
        catalogue,
        lexical,
        vectors,
        Ranker.prior(),
        None,
        lambda _: np.ones(2),
        lambda _: np.ones(2),
    )


def typed_texts(names: list[str], count: int, rng: np.random.Generator) -> list[str]:
    """Return the starts of random names, every fifth with two letters swapped."""
    texts = []
    for number, row in enumerate(rng.integers(len(names), size=count)):
        text = names[row][: rng.integers(1, LONGEST + 1)]
        if number % 5 == 0 and len(text) > 4:
            text = text[:2] + text[3] + text[2] + text[4:]
        texts.append(text)
    return texts


@click.command(cls=BenchmarkCommand)
@click.option("--listings", default=100_000, show_default=True, help="Number of listings.")
@click.option("--texts", default=500, show_default=True, help="Number of texts.")
@click.option("--seed", default=42, show_default=True, help="Of names and texts.")
def main(listings: int, texts: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = make_names(listings, rng)
    engine = make_engine(names, rng)
    start = time.perf_counter()
    suggest(engine, names[0][:3], 8)
    first = time.perf_counter() - start
    seconds, empty = [], 0
    for text in typed_texts(names, texts, rng):
        start = time.perf_counter()
        empty += not suggest(engine, text, 8)
        seconds.append(time.perf_counter() - start)
    milliseconds = 1000 * np.array(seconds)
    row = [listings, texts, first, *np.percentile(milliseconds, [50, 95, 99]), empty]
    headers = ["listings", "texts", "first (s)", "median (ms)", "p95 (ms)", "p99 (ms)", "empty"]
    click.echo(tabulate([row], headers, floatfmt=".1f"))


if __name__ == "__main__":
    main()
