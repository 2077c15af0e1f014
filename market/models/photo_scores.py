"""Scores of the photo classifier, per photo and per product."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from market.models.checkpoints import Progress
from market.models.labelled_photos import LabelledPhotos
from market.models.metrics import macro_f1, majority_accuracy, score


def score_splits(
    data: LabelledPhotos, probabilities: dict[str, np.ndarray], progress: Progress
) -> dict[str, Any]:
    """Return the metrics of a training.

    Parameters
    ----------
    data
        The photos.
    probabilities
        (n, categories) of "val" and "test".
    progress
        At the end of the training: the train scores are those of its last epoch, of the batches as
        they were trained on, because a second pass would take as long as half an epoch.

    Returns
    -------
    dict
        Scores of `train`, `val`, `test` and `test_without_near_duplicates` (photos of products
        without a similar listing in another split), and `majority_accuracy`.
    """
    metrics: dict[str, Any] = {}
    for split, of_split in probabilities.items():
        rows = data.rows[split]
        product_ids = data.listings["product_id"].iloc[rows]
        metrics[split] = score_photos(data.categories[rows], of_split, product_ids)
        unique = ~data.listings["has_near_duplicate"].iloc[rows].to_numpy()
        if split == "test" and unique.any():
            metrics["test_without_near_duplicates"] = score_photos(
                data.categories[rows][unique], of_split[unique], product_ids[unique]
            )
    metrics["train"] = {
        "loss": progress.history[-1]["train_loss"],
        "accuracy": progress.history[-1]["train_accuracy"],
        "macro_f1": macro_f1(np.array(progress.labels), np.array(progress.predicted)),
        "n": len(data.rows["train"]),
    }
    train, test = (data.categories[data.rows[split]] for split in ("train", "test"))
    metrics["majority_accuracy"] = majority_accuracy(train, test)
    return metrics


def score_photos(
    labels: np.ndarray, probabilities: np.ndarray, product_ids: pd.Series
) -> dict[str, Any]:
    """Return scores per photo and, as `per_product`, of the mean probabilities of each product.

    Parameters
    ----------
    labels
        (n,) the category of each photo.
    probabilities
        (n, categories).
    product_ids
        (n,) the product of each photo; its photos have the same category.
    """
    owner = product_ids.to_numpy()
    by_product = pd.DataFrame(probabilities).groupby(owner).mean()
    product_labels = pd.Series(labels).groupby(owner).first()
    per_product = score(by_product.to_numpy(), product_labels.to_numpy())
    del per_product["loss"]
    return {**score(probabilities, labels), "per_product": per_product}


def probabilities_table(data: LabelledPhotos, probabilities: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return a row for each photo of these splits, in their order.

    Its columns are product_id, photo_index, split and a probability for each category.
    """
    parts = []
    for split, of_split in probabilities.items():
        part = data.listings.iloc[data.rows[split]][["product_id", "photo_index", "split"]]
        part[data.classes] = of_split
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def confusion_table(data: LabelledPhotos, probabilities: np.ndarray) -> pd.DataFrame:
    """Return the `actual` and `predicted` category of each test photo, given (n, categories)."""
    names = np.array(data.classes, dtype=str)
    actual = names[data.categories[data.rows["test"]]]
    most_probable = probabilities.argmax(1) if data.classes else np.empty(0, int)
    return pd.DataFrame({"actual": actual, "predicted": names[most_probable]})
