"""Scores and tables of the photo classifier, per photo and per product."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch

from market.core.settings import Train
from market.models.checkpoints import Progress
from market.models.labelled_photos import LabelledPhotos
from market.models.metrics import macro_f1, majority_accuracy, score
from market.models.photo_training import compare_splits


def evaluate_photos(
    data: LabelledPhotos,
    probabilities: dict[str, np.ndarray],
    progress: Progress,
    settings: Train,
    device: torch.device,
) -> dict[str, Any]:
    """Return the metrics of a training.

    Parameters
    ----------
    data, probabilities, progress
        As in `score_splits`.
    settings
        Section `train` of params.yaml.
    device
        Where the layers of `compare_splits` are trained.

    Returns
    -------
    dict
        `score_splits`; `new_layer`, which is `compare_splits`, if the new layer was trained alone;
        and the settings `backbone`, `epochs`, `finetune_epochs` and `seed`.
    """
    metrics = score_splits(data, probabilities, progress)
    if settings.epochs:
        metrics["new_layer"] = compare_splits(data, settings, device)
    names = ("backbone", "epochs", "finetune_epochs", "seed")
    return metrics | {name: getattr(settings, name) for name in names}


def score_splits(
    data: LabelledPhotos, probabilities: dict[str, np.ndarray], progress: Progress
) -> dict[str, Any]:
    """Score the predictions for each split.

    Parameters
    ----------
    data
        The photos.
    probabilities
        (n, categories) of "val" and "test"; others are ignored.
    progress
        At the end of the training. The train scores are from its last epoch: each batch was scored
        before its step, because a second pass would take as long as half an epoch.

    Returns
    -------
    dict
        Scores of `train`, `val`, `test` and `test_without_near_duplicates` (photos of products
        without a similar listing in another split), and `majority_accuracy`.
    """
    metrics: dict[str, Any] = {}
    for split in ("val", "test"):
        rows = data.rows[split]
        labels, predicted = data.categories[rows], probabilities[split]
        product_ids = data.listings["product_id"].iloc[rows]
        metrics[split] = score_photos(labels, predicted, product_ids)
        unique = ~data.listings["has_near_duplicate"].iloc[rows].to_numpy()
        if split == "test" and unique.any():
            metrics["test_without_near_duplicates"] = score_photos(
                labels[unique], predicted[unique], product_ids[unique]
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

    Examples
    --------
    Of product a one photo is wrong, but the mean of both is right:

    >>> probabilities = np.array([[0.9, 0.1], [0.4, 0.6]])
    >>> scores = score_photos(np.array([0, 0]), probabilities, pd.Series(["a", "a"]))
    >>> scores["accuracy"], scores["per_product"]["accuracy"]
    (0.5, 1.0)
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
    for split, predicted in probabilities.items():
        part = data.listings.iloc[data.rows[split]][["product_id", "photo_index", "split"]]
        part[data.classes] = predicted
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def confusion_table(data: LabelledPhotos, probabilities: np.ndarray) -> pd.DataFrame:
    """Return the `actual` and `predicted` category of each test photo, given (n, categories)."""
    names = np.array(data.classes, dtype=str)
    actual = names[data.categories[data.rows["test"]]]
    most_probable = probabilities.argmax(1) if data.classes else np.empty(0, int)
    return pd.DataFrame({"actual": actual, "predicted": names[most_probable]})
