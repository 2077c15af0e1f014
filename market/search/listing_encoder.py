"""Encodes new listings as the index encoded its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from market.core import paths


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
        self._index, self._embed, self._device = index, embed, device

    def encode(
        self, listings: pd.DataFrame, photos: Sequence[Sequence[Image.Image]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the text vectors of listings and the image vectors of their photos.

        Parameters
        ----------
        listings
            m rows with `name` and `description`.
        photos
            The photos of each listing, as `market.data.squares` makes them.

        Returns
        -------
        texts, images
            (m, text width) and (k, image width) float32 unit vectors: `texts` and `images` of
            ChangedListings.
        """
        raise NotImplementedError
