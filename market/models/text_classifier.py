"""The text classifier, models/text: a fine-tuned encoder whose labels are subcategories."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from market.data.clean_listings import listing_text
from market.models.labels import sum_by_category
from market.models.network_files import read_network_files, save_network
from market.models.text_encoder import load_text_encoder
from market.models.text_network import TextNetwork


@dataclass(frozen=True)
class TextClassifier:
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
    """

    network: TextNetwork
    categories: list[str]
    labels: list[str]
    parents: np.ndarray

    def save(self, folder: Path) -> None:
        """Replace `folder` by this classifier."""
        content = {
            "classes": self.categories,
            "frozen": self.network.frozen,
            "labels": self.labels,
            "parents": self.parents.tolist(),
            "tokens": self.network.tokens,
        }
        save_network(folder, self.network, content)

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> TextClassifier:
        """Return the classifier that `save` wrote, for inference on `device`.

        Raises
        ------
        MarketError
            If a file is missing, or holds the weights of another network.
        """
        weights, content = read_network_files(folder)
        network = TextNetwork(
            load_text_encoder(str(device)),
            len(content["labels"]),
            tokens=content["tokens"],
            frozen=content["frozen"],
        )
        return cls(
            network=network.load(weights),
            categories=content["classes"],
            labels=content["labels"],
            parents=np.array(content["parents"], dtype=np.int64),
        )

    def probabilities(self, listings: pd.DataFrame) -> np.ndarray:
        """Return the probabilities of categories, float32 (n, categories); NaN without a text.

        Parameters
        ----------
        listings
            Columns name and description.
        """
        by_label = self.network.probabilities(listing_text(listings).tolist())
        return sum_by_category(by_label, self.parents, len(self.categories))
