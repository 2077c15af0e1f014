"""Encoders of queries: a text or a photo becomes a unit vector of the search index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
from cachetools import LRUCache
from PIL import Image

from market.core.paths import PRETRAINED
from market.data.images import to_array
from market.models.photo_embedder import PhotoEmbedder
from market.models.text_encoder import load_text_encoder
from market.search.image_space import ImageSpace, colour_histogram
from market.search.index import SearchIndex
from market.search.listing_texts import encode_listing_texts

CACHE_SIZE = 4096  # queries; typing and the next page repeat them


class CachedTextEncoder:
    """Encodes queries in words, each only once while the cache holds it. Thread-safe.

    Parameters
    ----------
    load
        Loads a SentenceTransformer; called when the first query is encoded.
    """

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load
        self._lock = Lock()
        self._cache: LRUCache[str, np.ndarray] = LRUCache(CACHE_SIZE)

    @classmethod
    def load(
        cls, index: Path, device: str = "cpu", pretrained: Path = PRETRAINED
    ) -> CachedTextEncoder:
        """Return the encoder of the index in a folder, without opening the index."""
        name, sha256 = SearchIndex.read_encoder(index)
        return cls(partial(load_text_encoder, device, name, sha256, pretrained=pretrained))

    @classmethod
    def of_index(cls, index: SearchIndex, device: str = "cpu") -> CachedTextEncoder:
        """Return the encoder of an index, identified by the digest of its weights.

        Encoding raises MarketError if its weights are missing, or differ from those that the index
        was made with.
        """
        return cls(partial(load_text_encoder, device, index.encoder_name, index.encoder_sha256))

    def __call__(self, text: str) -> np.ndarray:
        """Return the unit vector (width,) of a query; runs of white space count as one space."""
        text = " ".join(text.split())
        with self._lock:
            if text not in self._cache:
                self._cache[text] = self._encode([text])[0]
            return self._cache[text]

    def encode_ahead(self, texts: Iterable[str]) -> None:
        """Fill the cache with queries, encoded together, which is faster than one by one."""
        new = list(dict.fromkeys(" ".join(text.split()) for text in texts))[:CACHE_SIZE]
        with self._lock:
            self._cache.update(zip(new, self._encode(new), strict=True))

    def encode_listings(self, names: pd.Series, descriptions: pd.Series) -> np.ndarray:
        """Return the unit vectors (m, width) of listings, as the index makes them; not cached."""
        if not len(names):
            return np.empty((0, self._encoder.get_embedding_dimension()), np.float32)
        with self._lock:
            return encode_listing_texts(self._encoder, names, descriptions)

    @cached_property
    def _encoder(self) -> Any:
        return self._load()

    def _encode(self, texts: list[str]) -> np.ndarray:
        return self._encoder.encode_query(texts, normalize_embeddings=True, show_progress_bar=False)


class PhotoEncoder:
    """Encodes photos exactly as the index encoded the photos of listings. Thread-safe.

    Parameters
    ----------
    folder
        The folder of the PhotoEmbedder, which is loaded when the first photo is encoded.
    image_space, array_size
        Of the SearchIndex.
    device
        Where the network runs.
    """

    def __init__(
        self, folder: Path, image_space: ImageSpace, array_size: int, device: str = "cpu"
    ) -> None:
        self._folder, self._device = folder, device
        self._image_space, self._array_size = image_space, array_size
        self._lock = Lock()

    def __call__(self, photo: Image.Image) -> np.ndarray:
        """Return the unit vector (width,) of a photo in any mode."""
        return self.encode([photo])[0]

    def encode(self, photos: Sequence[Image.Image]) -> np.ndarray:
        """Return the unit vectors (k, width) of photos in any mode."""
        photos = [photo.convert("RGB") for photo in photos]
        histograms = [colour_histogram(to_array(photo, self._array_size)) for photo in photos]
        features = [self._features(photo) for photo in photos]
        return self._image_space.transform(
            np.array(features, np.float32), np.array(histograms, np.float32)
        )

    def _features(self, photo: Image.Image) -> np.ndarray:
        with self._lock:
            pixels = self._embedder.pixels(photo)
            return self._embedder.features(pixels[None]).cpu().numpy()[0]

    @cached_property
    def _embedder(self) -> PhotoEmbedder:
        return PhotoEmbedder.load(self._folder, self._device)
