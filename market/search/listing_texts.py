"""The text vectors of listings: halfway between the name, which says most, and the whole text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import normalize

from market.core.stage import progress
from market.models.text_encoder import SHIPPED, encode_texts, load_text_encoder

BATCH_SIZE = 128  # texts that are encoded together
Track = Callable[[list[np.ndarray]], Iterable[np.ndarray]]  # wraps batches in a progress bar


def text_vectors(
    listings: pd.DataFrame, embeddings: pd.DataFrame, name: str, shipped: Any, device: str
) -> np.ndarray:
    """Return unit vectors (n, width): halfway between the name and the whole text of a listing.

    Parameters
    ----------
    listings
        n rows with `product_id`, `name` and `description`.
    embeddings
        `product_id` and the vector of each listing's text, by the encoder SHIPPED.
    name
        The encoder's.
    shipped
        The encoder SHIPPED, a SentenceTransformer.
    device
        Where another encoder runs.
    """
    if name != SHIPPED:
        encoder = load_text_encoder(device, name)
        return encode_listing_texts(encoder, listings["name"], listings["description"], _show)
    whole = embeddings.set_index("product_id").loc[listings["product_id"]].to_numpy(np.float32)
    return normalize(_encode_names(shipped, listings["name"], _show) + whole)


def encode_listing_texts(
    encoder: Any, names: pd.Series, descriptions: pd.Series, track: Track = iter
) -> np.ndarray:
    """Return unit vectors (n, width): halfway between the name and the whole text of a listing.

    Parameters
    ----------
    encoder
        A SentenceTransformer.
    names, descriptions
        (n,) without missing values.
    track
        As for `encode_texts`.
    """
    whole = encode_texts(encoder, names, descriptions, BATCH_SIZE, track)
    return normalize(_encode_names(encoder, names, track) + whole)


def _encode_names(encoder: Any, names: pd.Series, track: Track) -> np.ndarray:
    return encode_texts(encoder, names, pd.Series("", names.index), BATCH_SIZE, track)


def _show(batches: list[np.ndarray]) -> Iterable[np.ndarray]:
    return progress(batches, desc="encode texts", unit="batch")
