"""New photos as features of the frozen network: the one reader of `predict` and search by photo."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image


class PhotoReader:
    """Reads a new photo exactly as stage `embed` read the photos that `clean` packed.

    Parameters
    ----------
    model
        The network of models/embed, for inference.
    encode
        Packs an RGB square as stage `clean` does: JPEG bytes.
    decode
        Opens packed bytes as stage `embed` does: (side, side, 3) uint8.
    """

    def __init__(
        self,
        model: Any,
        encode: Callable[[Image.Image], bytes],
        decode: Callable[[bytes], np.ndarray],
    ) -> None:
        self.model, self._encode, self._decode = model, encode, decode

    @classmethod
    def load(
        cls,
        folder: Path,
        device: torch.device | str,
        *,
        load_network: Callable[[Path, str], Any],
        encode: Callable[..., bytes],
        decode: Callable[..., np.ndarray],
    ) -> PhotoReader:
        """Open models/embed (`folder`).

        `load_network` is `Classifier.load`, `encode` is `to_jpeg`, `decode` is `open_photo`: shared
        modules do not import each other.
        """
        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        model = load_network(folder / "model.safetensors", about["backbone"])
        return cls(
            model.to(device).for_inference(),
            partial(encode, quality=about["jpeg_quality"]),
            partial(decode, side=about["photo_size"]),
        )

    def pixels(self, picture: Image.Image) -> np.ndarray:
        """Return (3, side, side) uint8 for a picture as `decode_photo` returns it."""
        return self._decode(self._encode(picture)).transpose(2, 0, 1).copy()  # writable, for torch

    def features(self, pixels: np.ndarray) -> torch.Tensor:
        """Return (n, width) float32, on the network's device, for (n, 3, side, side) uint8."""
        device = next(self.model.parameters()).device
        with torch.inference_mode():
            return self.model.features(torch.from_numpy(pixels).to(device))
