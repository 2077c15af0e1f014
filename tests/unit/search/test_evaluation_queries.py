"""Queries with known answers, drawn from the names in a catalogue."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from market.data.language import Language
from market.search.evaluation_queries import category_queries, encode_queries, known_item_queries

ENGLISH = Language("en")


def test_queries_are_names_of_leaves_and_words_of_names() -> None:
    listings = pd.DataFrame(
        {
            "product_id": [f"p{n}" for n in range(9)],
            "name": ["one two three four five six"] * 8 + ["single"],
            "category_levels": [["A", "B"]] * 5 + [["A", "C"]] * 4,
        }
    )
    assert category_queries(listings) == {"B": {f"p{n}" for n in range(5)}}
    everything = np.ones(len(listings), bool)
    items = known_item_queries(listings, everything, 5, np.random.default_rng(0), ENGLISH)
    assert 1 <= len(items) <= 5
    for text, relevant in items.items():
        assert text in listings["name"].iat[0] and 2 <= len(text.split()) <= 4
        assert relevant == {f"p{n}" for n in range(8)}, "all have this name"
    single = np.arange(len(listings)) == 8
    assert known_item_queries(listings, single, 5, np.random.default_rng(0), ENGLISH) == {}


def test_known_items_accept_every_listing_of_that_name() -> None:
    names = ["Oak table", "oak  TABLE!", "The oak table", "oak table with chairs", "pine table"]
    listings = pd.DataFrame({"product_id": list("abcde"), "name": names})
    drawn = np.array([True, False, False, False, False])
    assert known_item_queries(listings, drawn, 9, np.random.default_rng(0), ENGLISH) == {
        "Oak table": {"a", "b", "c"}
    }


def test_queries_are_encoded_in_batches() -> None:
    batches: list[list[str]] = []

    class Encoder:
        def encode_ahead(self, texts: Iterable[str]) -> None:
            batches.append(list(texts))

    encode_queries(Encoder(), [str(number) for number in range(130)])
    assert [len(batch) for batch in batches] == [64, 64, 2]
