"""The photo embedder, models/embed: a frozen network and how photos must be prepared for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from market.data.images import to_jpeg
from market.data.photo_store import open_photo
from market.models.backbones import PhotoNetwork
from market.models.network_files import read_network_files, save_network


@dataclass(frozen=True)
class PhotoEmbedder:
    """Turns a new photo into the features that the stage embed_photos computed for the packed ones.

    Attributes
    ----------
    network
        Its head is unused.
    photo_size
        Side of the photos that the network sees, in pixels.
    jpeg_quality
        1 to 100, of the packed photos: a new photo is compressed in the same way first.
    """

    network: PhotoNetwork
    photo_size: int
    jpeg_quality: int

    def save(self, folder: Path) -> None:
        """Replace `folder` by this embedder; not possible for a loaded one."""
        content = {
            "backbone": self.network.name,
            "jpeg_quality": self.jpeg_quality,
            "photo_size": self.photo_size,
        }
        save_network(folder, self.network, content)

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> PhotoEmbedder:
        """Return the embedder that `save` wrote, for inference on `device`.

        Raises
        ------
        MarketError
            If a file is missing.
        """
        weights, content = read_network_files(folder)
        network = PhotoNetwork.load(weights, content["backbone"])
        return cls(
            network.to(device).for_inference(), content["photo_size"], content["jpeg_quality"]
        )

    def pixels(self, picture: Image.Image) -> np.ndarray:
        """Return (3, side, side) uint8 for a picture as `decode_photo` returns it."""
        packed = to_jpeg(picture, quality=self.jpeg_quality)
        # A copy, because torch needs a writable array.
        return open_photo(packed, side=self.photo_size).transpose(2, 0, 1).copy()

    def features(self, pixels: np.ndarray) -> torch.Tensor:
        """Return (n, width) float32, on the network's device, for (n, 3, side, side) uint8."""
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            return self.network.features(torch.from_numpy(pixels).to(device))
