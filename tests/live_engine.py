"""A small engine over listings of one word each, and the service above it, without any network."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from market.core.errors import MarketError
from market.data.histories import LoggedHistories
from market.data.money import Money
from market.data.photo_store import PhotoStore, pack_photos
from market.search.catalogue import PRICE_COLUMNS, Catalogue
from market.search.engine import Engine
from market.search.lexical import LexicalIndex
from market.search.listing_vectors import ListingVectors
from market.search.neighbours import nearest_neighbours
from market.search.ranker import Ranker
from market.search.vectors import VectorIndex
from market.service.app import serve_index
from market.service.events import EventStore
from market.service.loaded_index import Index
from market.service.settings import Settings

WORDS = ("guitar", "bagpipe", "bicycle", "tent", "sofa", "lamp", "kettle", "spade")
WIDTH = len(WORDS) + 1
PLACES = pd.DataFrame({"name": ["leeds"], "latitude": [53.8], "longitude": [-1.55]})


def text_vector(text: str) -> np.ndarray:
    """Return the direction of the WORDS in a text."""
    vector = np.full(WIDTH, 0.01, np.float32)
    vector[:-1] += [word in text.lower() for word in WORDS]
    return vector / np.linalg.norm(vector)


def photo_vector(photo: Image.Image) -> np.ndarray:
    """Return the direction of a photo's mean colour."""
    vector = np.full(WIDTH, 0.01, np.float32)
    vector[:3] += np.asarray(photo.convert("RGB")).reshape(-1, 3).mean(0)
    return vector / np.linalg.norm(vector)


class SimulatedEncoder:
    """Encodes as `text_vector` and `photo_vector` do."""

    def encode(
        self, listings: pd.DataFrame, photos: Sequence[Sequence[Image.Image]]
    ) -> tuple[np.ndarray, np.ndarray]:
        texts = [text_vector(f"{row['name']} {row['description']}")
                 for _, row in listings.iterrows()]  # fmt: skip
        images = [photo_vector(photo) for own in photos for photo in own]
        return np.array(texts, np.float32).reshape(-1, WIDTH), np.array(images, np.float32).reshape(
            -1, WIDTH
        )


def base_listings(count: int = 4) -> pd.DataFrame:
    """Return listings b0, b1 …, one for each of WORDS in turn."""
    words = [WORDS[number % len(WORDS)] for number in range(count)]
    return pd.DataFrame(
        {
            "product_id": [f"b{number}" for number in range(count)],
            "name": [f"Fine {word} {number}" for number, word in enumerate(words)],
            "description": [f"A {word} of the index, number {number}" for number, word in
                            enumerate(words)],
            "location": "Leeds",
            "category_levels": [["Things", word.title()] for word in words],
            "price": [10.0 * (number + 1) for number in range(count)],
            "group": range(count),
            "created": pd.Timestamp("2022-03-01").as_unit("us"),
            "latitude": 53.8,
            "longitude": -1.55,
            "price_expected": 50.0,
            "price_flag": "",
        }
    )  # fmt: skip


def make_engine(listings: pd.DataFrame, photos: pd.DataFrame, images: np.ndarray) -> Engine:
    """Return an engine over listings, whose vectors are those of SimulatedEncoder."""
    texts, _ = SimulatedEncoder().encode(listings, [])
    prices = listings[["product_id", *PRICE_COLUMNS]]
    listings = listings.drop(columns=PRICE_COLUMNS)
    catalogue = Catalogue.build(listings, photos, PLACES, prices)
    vectors = VectorIndex.build(texts, "Flat", 1)
    return Engine(
        catalogue,
        LexicalIndex.build(
            listings["name"].tolist(), listings["description"].tolist(), [*WORDS, "fine"]
        ),
        ListingVectors(
            vectors,
            VectorIndex.build(images, "Flat", 1),
            nearest_neighbours(vectors, texts),
            catalogue.photos,
        ),
        Ranker.prior(),
        None,
        text_vector,
        photo_vector,
    )


def make_index(folder: Path, count: int = 4, **options: Any) -> Index:
    """Return an index over `base_listings`, each with a packed photo."""
    colours = np.random.default_rng(1).integers(0, 255, (count, 3))
    pictures = [Image.new("RGB", (64, 64), tuple(map(int, colour))) for colour in colours]
    pack_photos(
        ((f"photo-{n}", jpeg(picture), np.asarray(picture.resize((56, 56))).transpose(2, 0, 1))
         for n, picture in enumerate(pictures)),
        folder,
        array_size=56,
    )  # fmt: skip
    photos = pd.DataFrame({"position": np.arange(count), "photo_index": np.arange(count)})
    images = np.array([photo_vector(picture) for picture in pictures], np.float32)
    engine = make_engine(base_listings(count), photos, images.reshape(-1, WIDTH))
    return Index(engine, PhotoStore(folder), LoggedHistories.empty(), SimulatedEncoder(), **options)


def jpeg(picture: Image.Image) -> bytes:
    """Return a picture as JPEG."""
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=95)
    return encoded.getvalue()


def colour_file(red: int, green: int, blue: int, size: tuple[int, int] = (96, 64)) -> bytes:
    """Return a photo of one colour as JPEG."""
    return jpeg(Image.new("RGB", size, (red, green, blue)))


def without_models() -> Any:
    """Stand for a machine without the models of categories and prices."""
    raise MarketError("models/category not found")


class SimulatedPredictor:
    """Predicts the same of every listing."""

    def __init__(self) -> None:
        self.classes = ["Home", "Music"]
        self.money = Money("GBP", ".")
        self.price_model = SimpleNamespace(coverage=0.8)

    def __call__(
        self, rows: pd.DataFrame, photo_of: pd.Series, sources: Sequence[bytes]
    ) -> tuple[pd.DataFrame, list[str | None]]:
        assert len(photo_of) == len(sources)
        values = {"category": "Home", "price": 30.0, "price_low": 20.0, "price_high": 45.0,
                  "price_flag": "", "p_Home": 0.75, "p_Music": 0.25}  # fmt: skip
        return pd.DataFrame([values] * len(rows)), [None] * len(sources)


@contextmanager
def live_service(
    index: Index, url: str, load: Callable[[], Index] | None = None, **settings: Any
) -> Iterator[tuple[FastAPI, TestClient]]:
    """Serve an index over a database; yield the app and a client."""
    app = serve_index(index, EventStore(url), Settings(**settings), load=load)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield app, client
