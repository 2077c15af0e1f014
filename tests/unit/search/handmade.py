"""Handmade listings whose vectors are known, and an engine over them, for tests of search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.preprocessing import normalize

from market.search import diversity, retrieval
from market.search.catalogue import Catalogue
from market.search.collaborative import CollaborativeModel
from market.search.engine import Engine
from market.search.lexical import LexicalIndex
from market.search.listing_vectors import ListingVectors
from market.search.neighbours import nearest_neighbours
from market.search.ranker import Ranker
from market.search.ranking import SearchResult
from market.search.vectors import VectorIndex

KINDS = {
    "guitar": ("Music", "Instruments", "Guitars"),
    "bagpipe": ("Music", "Instruments", "Other"),
    "bicycle": ("Sports", "Cycling", "Bicycles"),
    "tent": ("Sports", "Camping", "Other"),
    "sofa": ("Home & Garden", "Furniture"),
    "lamp": ("Home & Garden", "Lighting"),
}
EACH = 10  # listings of each kind
WORDS = ["red", "blue", "old", "new", "large", "small", "lovely", "broken", "vintage", "cheap"]
LOCATIONS = {
    "Leeds, West Yorkshire": (53.80, -1.55),
    "York, North Yorkshire": (53.96, -1.08),
    "London": (51.51, -0.13),
    "Ambridge, Borsetshire": (np.nan, np.nan),
}
PLACES = pd.DataFrame(
    [(name, *LOCATIONS[full]) for name, full in (
        ("leeds west yorkshire", "Leeds, West Yorkshire"), ("leeds", "Leeds, West Yorkshire"),
        ("york", "York, North Yorkshire"), ("london", "London"),
    )],
    columns=["name", "latitude", "longitude"],
)  # fmt: skip
# Special listings, by their number:
COPY = {1: 0}  # another listing of the same product
SAME_PHOTO = {13: 12}  # another product in the same photo
NO_PHOTO, NO_TEXT, NO_PRICE, NO_DATE = 22, 23, 24, 25
FLAGGED = {30: "placeholder", 41: "far above"}


def make_listings() -> pd.DataFrame:
    """Return the listings of a SearchIndex."""
    rows: list[dict[str, Any]] = []
    for number in range(EACH * len(KINDS)):
        kind, path = list(KINDS.items())[number // EACH]
        word = WORDS[number % EACH]
        location = list(LOCATIONS)[number % 4]
        rows.append(
            {
                "product_id": f"p{number:02d}",
                "name": f"{word} {kind}",
                "description": f"a {kind} in {word}",
                "location": location,
                "category_levels": list(path),
                "price": 10.0 * (number % EACH + 1),
                "group": COPY.get(number, number),
                "created": pd.Timestamp("2022-03-01") - pd.Timedelta(days=number % 7),
                "latitude": LOCATIONS[location][0],
                "longitude": LOCATIONS[location][1],
            }
        )
    table = pd.DataFrame(rows)
    table.loc[NO_TEXT, ["name", "description"]] = ""
    table.loc[NO_PRICE, "price"] = np.nan
    table.loc[NO_DATE, "created"] = pd.NaT
    return table


def make_prices(listings: pd.DataFrame) -> pd.DataFrame:
    """Return expected prices: £50 for all, and the flags in FLAGGED."""
    flags = {f"p{number:02d}": flag for number, flag in FLAGGED.items()}
    return pd.DataFrame(
        {
            "product_id": listings["product_id"],
            "price_expected": 50.0,
            "price_flag": listings["product_id"].map(flags).fillna(""),
        }
    )


def text_vectors(numbers: np.ndarray) -> np.ndarray:
    return _vectors(numbers, 1)


def _vectors(numbers: np.ndarray, seed: int) -> np.ndarray:
    """Return a unit vector for each listing: its kind, and a small part of its own."""
    own = np.random.default_rng(seed).normal(size=(EACH * len(KINDS), 16))[numbers]
    kinds = np.eye(len(KINDS), 16)[numbers // EACH]
    return normalize(kinds + 0.1 * own).astype(np.float32)


def encode_text(text: str) -> np.ndarray:
    """Return the direction of the kinds that a text names."""
    vector = np.zeros(16, np.float32)
    vector[: len(KINDS)] = [kind in text for kind in KINDS]
    vector[-1] = 0.01  # no vector may have the length 0
    return vector / np.linalg.norm(vector)


def photo_of(row: int) -> Image.Image:
    """Return a photo that `Handmade` recognises, by the red of its pixels, as that of a row."""
    return Image.new("RGB", (4, 4), (row, 0, 0))


class Handmade:
    """Ten listings of each kind, with one photo for even numbers and two for odd ones."""

    factory = "Flat"

    def __init__(self) -> None:
        self.listings = make_listings()
        numbers = np.arange(len(self.listings))
        owner = np.repeat(numbers, np.where(numbers == NO_PHOTO, 0, 1 + numbers % 2))
        self.photos = pd.DataFrame({"position": owner, "photo_index": np.arange(len(owner))[::-1]})
        images = _vectors(owner, 2) + 0.02 * np.random.default_rng(3).normal(size=(len(owner), 16))
        first = {int(number): int(np.flatnonzero(owner == number)[0]) for number in set(owner)}
        for number, other in (SAME_PHOTO | COPY).items():
            images[first[number]] = images[first[other]]
        self.images = normalize(images).astype(np.float32)

    def catalogue(self, keep: np.ndarray | slice = slice(None)) -> Catalogue:
        """Return the catalogue of some listings."""
        listings = self.listings.iloc[keep].reset_index(drop=True)
        numbers = np.arange(len(self.listings))[keep]
        position_of = pd.Series(np.arange(len(numbers)), numbers)
        photos = self.photos[self.photos["position"].isin(numbers)]
        photos = photos.assign(position=position_of[photos["position"]].to_numpy())
        return Catalogue.build(listings, photos, PLACES, make_prices(listings))

    def engine(
        self,
        keep: np.ndarray | slice = slice(None),
        collaborative: CollaborativeModel | None = None,
    ) -> Engine:
        """Return an engine over some listings."""
        catalogue = self.catalogue(keep)
        numbers = np.arange(len(self.listings))[keep]
        kept_photos = self.photos["position"].isin(numbers).to_numpy()
        texts = VectorIndex.build(text_vectors(numbers), self.factory, 1)
        vectors = ListingVectors(
            texts,
            VectorIndex.build(self.images[kept_photos], self.factory, 1),
            nearest_neighbours(texts, texts.vectors(np.arange(len(texts)))),
            catalogue.photos,
        )
        lexical = LexicalIndex.build(
            catalogue.listings["name"].tolist(),
            catalogue.listings["description"].tolist(),
            ["reds", "guitars", "wise"],
        )
        return Engine(
            catalogue,
            lexical,
            vectors,
            Ranker.prior(),
            collaborative,
            encode_text,
            lambda photo: self.images[np.asarray(photo)[0, 0, 0]],
        )


def limit_candidates(
    monkeypatch: pytest.MonkeyPatch, *, each: int = 3, browsed: int = 12, pool: int = 5
) -> None:
    """Lower the limits, as if there were many more listings than candidates."""
    monkeypatch.setattr(retrieval, "MAX_CANDIDATES", each)
    monkeypatch.setattr(retrieval, "MAX_PHOTOS", 2 * each)
    monkeypatch.setattr(retrieval, "MAX_BROWSED", browsed)
    monkeypatch.setattr(diversity, "POOL", pool)


def ids(result: SearchResult) -> list[str]:
    return [hit.product_id for hit in result.hits]


def past(*numbers: int, event: str = "view") -> pd.DataFrame:
    """Return a history of these listings, an hour apart."""
    times = pd.Timestamp("2022-03-02") + pd.to_timedelta(np.arange(len(numbers)), unit="h")
    return pd.DataFrame(
        {"product_id": [f"p{n:02d}" for n in numbers], "event": event, "timestamp": times}
    )


NO_EVENTS = past()
REQUESTS: dict[str, Callable[..., SearchResult]] = {
    "words": lambda engine, **options: engine.search("lovely guitar or a red sofa", **options),
    "photo": lambda engine, **options: engine.search(photo=photo_of(20), **options),
    "both": lambda engine, **options: engine.search("old tent", photo=photo_of(50), **options),
    "like": lambda engine, **options: engine.search("red", like="p05", **options),
    "empty": lambda engine, **options: engine.search("", **options),
    "personal": lambda engine, **options: engine.search("red", history=past(3, 33), **options),
    "similar": lambda engine, **options: engine.similar("p12", **options),
    "new": lambda engine, **options: engine.recommend(None, **options),
    "recommend": lambda engine, **options: engine.recommend(past(1, 2, 52), **options),
}
each_request = pytest.mark.parametrize("request_page", REQUESTS.values(), ids=REQUESTS.keys())
