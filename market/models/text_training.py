"""Training of the text classifier: the encoder's upper layers and the new layer, by AdamW."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from market.core.settings import TrainText
from market.data.clean_listings import listing_text
from market.models.labels import Labels, category_names, subcategory_labels
from market.models.metrics import loss_and_accuracy, majority_accuracy, score
from market.models.text_classifier import TextClassifier
from market.models.text_encoder import load_text_encoder
from market.models.text_network import TextNetwork
from market.models.training import Phase

# Norm of the gradient of all weights together: one odd listing must not undo much.
MAX_GRADIENT_NORM = 1.0
SORTED_TOGETHER = 16  # batches whose texts are sorted by length together
MIN_PRODUCTS = 8  # of a subcategory that gets a label of its own


@dataclass(frozen=True)
class LabelledTexts:
    """The texts of all products with their categories and splits.

    Attributes
    ----------
    products
        A row for each product: product_id, name, description, category, category_levels, split and
        class (int, the position of its category in `classes`).
    classes
        The names of the categories, sorted.
    """

    products: pd.DataFrame
    classes: list[str]

    @classmethod
    def load(cls, listings: Path) -> LabelledTexts:
        """Return the texts of merged listings, which have a row for each photo."""
        columns = ["product_id", "name", "description", "category", "category_levels", "split"]
        products = pd.read_parquet(listings, columns=columns).drop_duplicates("product_id")
        classes = category_names(products)
        products["class"] = pd.Categorical(products["category"], classes).codes
        return cls(products, classes)

    def with_text(self, split: str) -> pd.DataFrame:
        """Return the products of a split that have a text."""
        products = self.products[self.products["split"] == split]
        return products[listing_text(products) != ""]

    def labels(self, depth: int) -> Labels:
        """Return the labels of the train products with a text, `depth` levels deep."""
        levels = self.with_text("train")["category_levels"]
        return subcategory_labels(levels, self.classes, depth=depth, min_rows=MIN_PRODUCTS)


def new_text_classifier(
    data: LabelledTexts, labels: Labels, settings: TrainText, device: torch.device
) -> TextClassifier:
    """Return the classifier before training; its new layer is drawn from torch's generator."""
    network = TextNetwork(
        load_text_encoder(str(device)),
        len(labels.names),
        tokens=settings.max_tokens,
        frozen=settings.frozen_layers,
        dropout=settings.dropout,
    )
    return TextClassifier(network, data.classes, labels.names, labels.parents)


def text_phase(
    data: LabelledTexts, labels: Labels, classifier: TextClassifier, settings: TrainText
) -> Phase:
    """Return the phase that trains the classifier's network on the train products."""
    network = classifier.network
    tokens = network.tokenize(listing_text(data.with_text("train")).tolist())
    lengths = np.array([len(text) for text in tokens])
    codes = torch.from_numpy(labels.codes)
    generator = np.random.default_rng(settings.seed)
    # All epochs at once: their order is drawn from one generator, wherever a training resumes.
    batches_of_epochs = [
        batches_by_length(lengths, settings.batch_size, generator) for _ in range(settings.epochs)
    ]

    def batches(epoch: int, start: int) -> Iterator[tuple[list[list[int]], torch.Tensor]]:
        for rows in batches_of_epochs[epoch][start:]:
            yield [tokens[row] for row in rows], codes[rows]

    def evaluate() -> dict[str, float]:
        products = data.with_text("val")
        return loss_and_accuracy(classifier.probabilities(products), products["class"].to_numpy())

    return Phase(
        name="finetune",
        module=network,
        optimizer=_adamw(network, settings),
        epochs=settings.epochs,
        steps_per_epoch=len(batches_of_epochs[0]),
        batches=batches,
        parents=labels.parents,
        evaluate=evaluate,
        label_smoothing=settings.label_smoothing,
        max_gradient_norm=MAX_GRADIENT_NORM,
    )


def _adamw(network: TextNetwork, settings: TrainText) -> torch.optim.AdamW:
    """Return the optimizer: the new layer, which starts at random, learns faster."""
    weights = network.trained_weights()
    body = [weight for name, weight in weights.items() if not name.startswith("head.")]
    groups: list[dict[str, Any]] = [
        {"params": body, "lr": settings.learning_rate},
        {"params": network.head.parameters(), "lr": settings.head_learning_rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=settings.weight_decay)


def batches_by_length(
    lengths: np.ndarray, batch_size: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Return all positions in batches of texts of similar length, in random order.

    A batch is padded to its longest text, so mixed lengths would double the work. Only
    SORTED_TOGETHER batches are sorted at a time, so that batches still differ between epochs.

    Parameters
    ----------
    lengths
        (n,) the number of tokens of each text.
    batch_size
        Maximum number of texts in a batch.
    generator
        Draws the order.

    Examples
    --------
    >>> lengths = np.array([3, 90, 4, 80])
    >>> batches = batches_by_length(lengths, batch_size=2, generator=np.random.default_rng(0))
    >>> sorted(sorted(batch.tolist()) for batch in batches)
    [[0, 2], [1, 3]]
    """
    order = generator.permutation(len(lengths))
    batches: list[np.ndarray] = []
    for start in range(0, len(order), SORTED_TOGETHER * batch_size):
        chunk = order[start : start + SORTED_TOGETHER * batch_size]
        chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
        batches += [chunk[at : at + batch_size] for at in range(0, len(chunk), batch_size)]
    return [batches[position] for position in generator.permutation(len(batches))]


def predict_held_out(data: LabelledTexts, classifier: TextClassifier) -> pd.DataFrame:
    """Return the probabilities of the validation and test products, NaN without a text.

    Its columns are product_id, split and a probability for each category.
    """
    held_out = data.products[data.products["split"] != "train"]
    probabilities = pd.DataFrame(classifier.probabilities(held_out), held_out.index, data.classes)
    return pd.concat([held_out[["product_id", "split"]], probabilities], axis=1)


def score_texts(data: LabelledTexts, predictions: pd.DataFrame) -> dict[str, Any]:
    """Return scores of `val` and `test`, and `majority_accuracy`.

    Parameters
    ----------
    data
        The texts. Products without one are not scored.
    predictions
        As `predict_held_out` returns them.
    """
    metrics: dict[str, Any] = {}
    for split in ("val", "test"):
        products = data.with_text(split)
        probabilities = predictions.loc[products.index, data.classes].to_numpy()
        metrics[split] = score(probabilities, products["class"].to_numpy())
    metrics["majority_accuracy"] = majority_accuracy(
        data.with_text("train")["class"].to_numpy(), data.with_text("test")["class"].to_numpy()
    )
    return metrics
