"""The photo classifier, models/cnn: a network whose labels are subcategories."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from market.models.backbones import PhotoNetwork
from market.models.network_files import read_network_files, save_network


@dataclass(frozen=True)
class PhotoClassifier:
    """A network, and the meaning of its outputs.

    Attributes
    ----------
    network
        Its outputs are logits of `labels`.
    categories
        Their names.
    labels
        The names of the subcategories.
    parents
        (labels,) int64, the position of each label's category in `categories`.
    photo_size
        Side of the photos that the network sees, in pixels.
    finetuned
        Whether the whole network was trained; if not, it computes the same features as the
        PhotoEmbedder.
    """

    network: PhotoNetwork
    categories: list[str]
    labels: list[str]
    parents: np.ndarray
    photo_size: int
    finetuned: bool

    def save(self, folder: Path) -> None:
        """Replace `folder` by this classifier; not possible for a loaded one."""
        content = {
            "backbone": self.network.name,
            "classes": self.categories,
            "finetuned": self.finetuned,
            "labels": self.labels,
            "parents": self.parents.tolist(),
            "photo_size": self.photo_size,
        }
        save_network(folder, self.network, content)

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> PhotoClassifier:
        """Return the classifier that `save` wrote, for inference on `device`.

        Raises
        ------
        MarketError
            If a file is missing.
        """
        weights, content = read_network_files(folder)
        network = PhotoNetwork.load(weights, content["backbone"])
        return cls(
            network=network.to(device).for_inference(),
            categories=content["classes"],
            labels=content["labels"],
            parents=np.array(content["parents"], dtype=np.int64),
            photo_size=content["photo_size"],
            finetuned=content["finetuned"],
        )

    def untrained(self) -> PhotoClassifier:
        """Return a copy whose new layer is all zeros: every label is equally likely.

        It takes the classifier's place if there are too few photos to train one.
        """
        network = copy.deepcopy(self.network)
        for weight in network.head.parameters():
            nn.init.zeros_(weight)
        return replace(self, network=network, finetuned=False)

    def label_probabilities(self, photos: np.ndarray, features: torch.Tensor) -> torch.Tensor:
        """Return (n, labels) float32 on the network's device.

        Parameters
        ----------
        photos
            (n, 3, side, side) uint8.
        features
            (n, width), computed by the PhotoEmbedder. A network that was not fine-tuned computes
            the same, so it needs no forward pass of its own.
        """
        with torch.inference_mode():
            if self.finetuned:
                device = next(self.network.parameters()).device
                logits = self.network(torch.from_numpy(photos).to(device))
            else:
                logits = self.network.head(features)
            return logits.softmax(1)
