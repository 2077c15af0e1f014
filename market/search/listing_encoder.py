"""Encodes new listings as the index encoded its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from market.core import paths
from market.search.encoders import CachedTextEncoder, PhotoEncoder
from market.search.index import SearchIndex


class ListingEncoder:
    """Encodes listings with the text encoder, the image space and the networks of an index.

    Thread-safe. Networks are loaded when they are first needed.

    Parameters
    ----------
    index
        The folder of the SearchIndex.
    embed
        The folder of the photo network.
    device
        Where networks run.
    """

    def __init__(
        self,
        index: Path = paths.SEARCH_INDEX,
        embed: Path = paths.PHOTO_EMBEDDER,
        device: str = "cpu",
    ) -> None:
        self._encode_texts = CachedTextEncoder.load(index, device)
        image_space, array_size = SearchIndex.read_image_space(index)
        self._encode_photos = PhotoEncoder(embed, image_space, array_size, device)

    @classmethod
    def sharing(cls, encode_text: CachedTextEncoder, encode_photo: PhotoEncoder) -> ListingEncoder:
        """Return an encoder that shares the networks of an engine's encoders."""
        encoder = cls.__new__(cls)
        encoder._encode_texts, encoder._encode_photos = encode_text, encode_photo
        return encoder

    def encode(
        self, listings: pd.DataFrame, photos: Sequence[Sequence[Image.Image]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the text vectors of listings and the image vectors of their photos.

        Parameters
        ----------
        listings
            m rows with `name` and `description`.
        photos
            The photos of each listing, as `market.data.images.decode_photo` returns them.

        Returns
        -------
        texts, images
            (m, text width) and (k, image width) float32 unit vectors: `texts` and `images` of
            ChangedListings.
        """
        texts = self._encode_texts.encode_listings(listings["name"], listings["description"])
        return texts, self._encode_photos.encode([photo for each in photos for photo in each])
