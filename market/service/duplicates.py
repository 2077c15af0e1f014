"""Near copies of a listing: others with nearly the same text or photo."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from rapidfuzz import fuzz

from market.search.engine import Engine
from market.search.filters import Filters
from market.search.listing_vectors import SAME_PHOTO_SIMILARITY

MAX_COPIES = 10
CANDIDATES = 50  # listings of similar meaning whose words are compared
SAME_TEXT = 0.85  # share of equal characters, from which two texts are copies
MIN_CHARACTERS = 20  # of a text that identifies a listing: many sellers have a "Sofa"
SHOWN = Filters(flagged=True)


class Duplicate(NamedTuple):
    """A near copy of a listing."""

    product_id: str
    kind: str  # "text" or "photo"
    similarity: float  # from 0 to 1


def find_duplicates(engine: Engine, product_id: str) -> list[Duplicate]:
    """Return the near copies of a listing that may be shown, the most similar first.

    Parameters
    ----------
    engine
        Engine that has the listing.
    product_id
        Id of the listing; without a result if the engine does not have it.
    """
    position = int(engine.catalogue.positions([product_id])[0])
    if position < 0:
        return []
    allowed = engine.allowed(SHOWN)
    allowed[position] = False
    best: dict[int, Duplicate] = {}
    pairs = [*_same_photo(engine, position), *_same_text(engine, position, allowed)]
    for other, kind, similarity in pairs:
        if allowed[other] and (other not in best or best[other].similarity < similarity):
            best[other] = Duplicate(engine.catalogue.ids([other])[0], kind, round(similarity, 3))
    ordered = sorted(best.values(), key=lambda copy: (-copy.similarity, copy.product_id))
    return ordered[:MAX_COPIES]


def _same_photo(engine: Engine, position: int) -> list[tuple[int, str, float]]:
    photos, images = engine.vectors.photos, engine.vectors.images
    own, _ = photos.rows(np.array([position]))
    if not len(own):
        return []
    vectors = images.vectors(own)
    rows, similarities = images.within(vectors, SAME_PHOTO_SIMILARITY)
    return [
        (int(photos.owner[row]), "photo", float(min(similarity, 1.0)))
        for row, similarity in zip(rows, similarities, strict=True)
    ]


def _same_text(engine: Engine, position: int, allowed: np.ndarray) -> list[tuple[int, str, float]]:
    text = _text_of(engine, position)
    if len(text) < MIN_CHARACTERS or not allowed.any():
        return []
    vector = engine.vectors.texts.vectors(np.array([position]))
    _, nearest = engine.vectors.texts.search(vector, CANDIDATES, allowed=allowed)
    pairs = [
        (int(other), "text", fuzz.ratio(text, _text_of(engine, int(other))) / 100)
        for other in nearest[0]
        if other >= 0
    ]
    return [pair for pair in pairs if pair[2] >= SAME_TEXT]


def _text_of(engine: Engine, position: int) -> str:
    row = engine.listings.iloc[position]
    return f"{row['name']}\n{row['description']}".casefold().strip()
