"""Queries with known answers, drawn from the catalogue itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from market.core.stage import progress
from market.data.language import Language
from market.data.words import separate_words

BATCH_SIZE = 64  # queries that are encoded at once
MIN_LISTINGS = 5  # a category with fewer listings is no query
MIN_WORDS, MAX_WORDS = 2, 4  # words of a query for a known item

Queries = dict[str, set[str]]  # relevant product ids by the text of a query


def category_queries(listings: pd.DataFrame) -> Queries:
    """Return the names of leaf categories as queries; the listings of the leaf are relevant.

    No category is indexed, so only a listing's text and photos can match.

    Parameters
    ----------
    listings
        product_id and category_levels (a path of names).

    Returns
    -------
    dict
        A query for each leaf of MIN_LISTINGS or more.

    Examples
    --------
    >>> paths = [["Home", "Lamps"]] * 5 + [["Home", "Sofas"]]
    >>> listings = pd.DataFrame({"product_id": list("abcdef"), "category_levels": paths})
    >>> {text: sorted(ids) for text, ids in category_queries(listings).items()}
    {'Lamps': ['a', 'b', 'c', 'd', 'e']}
    """
    leaves = listings["category_levels"].map(lambda path: path[-1] if len(path) else None)
    groups = listings["product_id"].groupby(leaves)
    return {name: set(ids) for name, ids in groups if len(ids) >= MIN_LISTINGS}


def known_item_queries(
    listings: pd.DataFrame,
    drawn_from: np.ndarray,
    count: int,
    rng: np.random.Generator,
    language: Language,
) -> Queries:
    """Return queries of 2 to 4 consecutive words of a listing's name.

    All listings of that name are relevant. Names that differ only in case, punctuation or stop
    words count as the same.

    Parameters
    ----------
    listings
        product_id and name.
    drawn_from
        (n,) bool, the listings whose names become queries.
    count
        The number of queries; fewer if too few names have two words.
    rng
        Draws the listings and the words.
    language
        The language of the names.
    """
    names = listings["name"].map(lambda name: " ".join(language.words(name)))
    ids_of_name = listings["product_id"].groupby(names).agg(set)
    queries: Queries = {}
    for row in rng.permutation(np.flatnonzero(drawn_from)):
        words = separate_words(listings["name"].iat[row]).split()
        if len(queries) == count:
            break
        if len(words) < MIN_WORDS:
            continue
        length = int(rng.integers(MIN_WORDS, min(MAX_WORDS, len(words)) + 1))
        start = int(rng.integers(len(words) - length + 1))
        text = " ".join(words[start : start + length])
        queries.setdefault(text, ids_of_name[names.iat[row]])
    return queries


def read_split(path: Path, ids: pd.Series) -> np.ndarray:
    """Return the split of each listing: "train", "val" or "test".

    Parameters
    ----------
    path
        data/merged/listings.parquet.
    ids
        (n,) product ids.
    """
    rows = pd.read_parquet(path, columns=["product_id", "split"])
    return rows.drop_duplicates("product_id").set_index("product_id")["split"].loc[ids].to_numpy()


class QueryEncoder(Protocol):
    """An encoder that can remember the vectors of queries before they are needed."""

    def encode_ahead(self, texts: Iterable[str]) -> None:
        """Encode and remember."""


def encode_queries(encoder: QueryEncoder, texts: list[str]) -> None:
    """Encode queries in batches, which is faster than one by one; the encoder remembers them."""
    for start in progress(range(0, len(texts), BATCH_SIZE), desc="encode queries", unit="batch"):
        encoder.encode_ahead(texts[start : start + BATCH_SIZE])
