"""How good the answers about categories are: what each stage that predicts one writes down."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import accuracy_score, f1_score


def loss_and_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Cross-entropy (without label smoothing) and accuracy of (n, classes) probabilities."""
    right = probabilities[np.arange(len(labels)), labels].astype(float)
    return {
        "loss": float(-np.log(right.clip(min=1e-12)).mean()),
        "accuracy": float(accuracy_score(labels, probabilities.argmax(1))),
    }


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """As above, and macro F1 and n."""
    return {
        **loss_and_accuracy(probabilities, labels),
        "macro_f1": macro_f1(labels, probabilities.argmax(1)),
        "n": len(labels),
    }


def macro_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    """The mean of each class's F1, which is 0 for one that nobody predicts."""
    return float(f1_score(labels, predicted, average="macro", zero_division=0))


def majority_accuracy(known: np.ndarray, labels: np.ndarray) -> float:
    """The accuracy of always answering the commonest of the `known` labels; the first, if tied."""
    classes, counts = np.unique(known, return_counts=True)
    return float(np.mean(labels == classes[counts.argmax()]))
