"""Training of the photo classifier: the new layer on frozen features, then perhaps the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GroupKFold
from torch import nn
from torch.utils.data import Dataset

from market.core.settings import Train
from market.data.photo_store import open_photo
from market.models.backbones import PhotoNetwork, new_network
from market.models.batches import load_batches, predict_probabilities, shuffled_positions
from market.models.labelled_photos import LabelledPhotos
from market.models.labels import Labels, sum_by_category
from market.models.metrics import loss_and_accuracy, spread
from market.models.photo_classifier import PhotoClassifier
from market.models.photo_dataset import augment
from market.models.training import Phase, run_phases

PHOTOS_AT_ONCE = 32  # 128 take 12 GB and are no faster on two cores
FOLDS = 5  # of the out-of-fold predictions
SEEDS = 3  # of the comparison with a split by photo


# --- The network and its phases -------------------------------------------------------------------
def new_photo_classifier(
    data: LabelledPhotos,
    labels: Labels,
    settings: Train,
    *,
    photo_size: int,
    backbone_seed: int,
    device: torch.device,
) -> PhotoClassifier:
    """Return the classifier before training.

    Parameters
    ----------
    data
        The photos.
    labels
        The labels of the train photos.
    settings
        Section `train` of params.yaml. Its `seed` gives the new layer's random weights.
    photo_size
        Side at which the network sees the photos, in pixels.
    backbone_seed
        Seed of the backbone's random weights, if any: that of the frozen features.
    device
        Where the network is trained.
    """
    network = new_network(
        settings.backbone, settings.weights, classes=len(labels.names), seed=backbone_seed
    )
    torch.manual_seed(settings.seed)
    if labels.names:
        network.head.reset_parameters()
    return PhotoClassifier(
        network=network.to(device),
        categories=data.classes,
        labels=labels.names,
        parents=labels.parents,
        photo_size=photo_size,
        finetuned=settings.finetune_epochs > 0,
    )


def photo_phases(
    data: LabelledPhotos, labels: Labels, classifier: PhotoClassifier, settings: Train
) -> list[Phase]:
    """Return the phases that have epochs: "head" trains the new layer, "finetune" the network."""
    network = classifier.network
    predict = partial(split_probabilities, data, labels.parents, settings, classifier.photo_size)

    def evaluate(module: nn.Module) -> dict[str, float]:
        actual = data.categories[data.rows["val"]]
        return loss_and_accuracy(predict(module, "val"), actual)

    phases = []
    if settings.epochs:
        rows, head = data.rows["train"], network.head
        phases.append(
            head_phase(data, settings, head, rows, labels, partial(evaluate, head), settings.seed)
        )
    if settings.finetune_epochs:
        phases.append(finetune_phase(data, settings, network, labels, partial(evaluate, network)))
    return phases


def head_phase(
    data: LabelledPhotos,
    settings: Train,
    head: nn.Linear,
    rows: np.ndarray,
    labels: Labels,
    evaluate: Callable[[], dict[str, float]],
    seed: int,
) -> Phase:
    """Return the phase that trains a new layer on the frozen features of `rows`."""
    dataset = data.feature_dataset(rows, labels.codes)
    return Phase(
        name="head",
        module=head,
        optimizer=_sgd(head, settings.learning_rate, settings.momentum, settings.weight_decay),
        epochs=settings.epochs,
        parents=labels.parents,
        evaluate=evaluate,
        label_smoothing=settings.label_smoothing,
        micro_batch=settings.batch_size,
        **shuffled(lambda epoch: dataset, settings.batch_size, "head", seed, head.weight.device),
    )


def finetune_phase(
    data: LabelledPhotos,
    settings: Train,
    network: PhotoNetwork,
    labels: Labels,
    evaluate: Callable[[], dict[str, float]],
) -> Phase:
    """Return the phase that trains the whole network on augmented train photos."""

    def dataset(epoch: int) -> Dataset:
        return data.photo_dataset(
            data.rows["train"],
            labels.codes,
            open_photo,
            transform=augment(settings.finetune_photo_size),
            seed=settings.seed,
            epoch=epoch,
        )

    return Phase(
        name="finetune",
        module=network,
        optimizer=_sgd(
            network,
            settings.finetune_learning_rate,
            settings.momentum,
            settings.finetune_weight_decay,
        ),
        epochs=settings.finetune_epochs,
        parents=labels.parents,
        evaluate=evaluate,
        label_smoothing=settings.label_smoothing,
        micro_batch=PHOTOS_AT_ONCE,
        **shuffled(
            dataset, settings.batch_size, "finetune", settings.seed, network.head.weight.device
        ),
    )


def shuffled(
    dataset: Callable[[int], Dataset],
    batch_size: int,
    phase: str,
    seed: int,
    device: torch.device,
) -> dict[str, Any]:
    """Return `batches` and `steps_per_epoch` of a Phase: random batches of a dataset, on `device`.

    Parameters
    ----------
    dataset
        Returns the dataset of an epoch, always of the same length.
    batch_size
        Examples for each step.
    phase, seed
        Determine the order, together with the epoch.
    device
        That of the module.
    """
    count = len(dataset(0))  # type: ignore[arg-type]

    def batches(epoch: int, start: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = shuffled_positions(count, batch_size, seed=seed, phase=phase, epoch=epoch)
        for inputs, labels in load_batches(dataset(epoch), order[start:], device):
            yield inputs.to(device, non_blocking=True), labels

    return {"batches": batches, "steps_per_epoch": -(-count // batch_size)}


def _sgd(module: nn.Module, lr: float, momentum: float, weight_decay: float) -> torch.optim.SGD:
    return torch.optim.SGD(
        module.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=True
    )


# --- Predictions ----------------------------------------------------------------------------------
def split_probabilities(
    data: LabelledPhotos,
    parents: np.ndarray,
    settings: Train,
    photo_size: int,
    module: nn.Module,
    split: str,
) -> np.ndarray:
    """Return the probabilities of categories, float32 (n, categories), for the photos of a split.

    Parameters
    ----------
    data
        The photos.
    parents
        (labels,) the category of each of the module's outputs.
    settings
        Their `batch_size` is used.
    photo_size
        Side at which a network sees the photos, in pixels.
    module
        A PhotoNetwork, or a layer on the frozen features.
    split
        "train", "val" or "test".
    """
    rows = data.rows[split]
    codes = data.categories[rows]
    dataset: Dataset
    if isinstance(module, PhotoNetwork):
        module = module.for_inference()
        dataset = data.photo_dataset(rows, codes, partial(open_photo, side=photo_size))
    else:
        dataset = data.feature_dataset(rows, codes)
    by_label = predict_probabilities(module, dataset, settings.batch_size)
    return sum_by_category(by_label, parents, len(data.classes))


def predict_splits(
    data: LabelledPhotos, classifier: PhotoClassifier, settings: Train, device: torch.device
) -> dict[str, np.ndarray]:
    """Predict the photos of each split by models that were not fitted on them.

    Parameters
    ----------
    data
        The photos.
    classifier
        After training.
    settings
        Section `train` of params.yaml.
    device
        Where the out-of-fold layers are trained.

    Returns
    -------
    dict
        Probabilities (n, categories) of "val" and "test"; without fine-tuning also of "train",
        which are `out_of_fold`.
    """
    network = classifier.network
    module = network if classifier.finetuned else network.head
    photo_size = classifier.photo_size
    probabilities = {
        split: split_probabilities(data, classifier.parents, settings, photo_size, module, split)
        for split in ("val", "test")
    }
    if not classifier.finetuned:
        probabilities["train"] = out_of_fold(data, settings, device)
    return probabilities


def head_probabilities(
    data: LabelledPhotos,
    settings: Train,
    device: torch.device,
    train: np.ndarray,
    others: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Return the probabilities (n, categories) of the rows `others` by a layer fitted on `train`.

    The layer is trained as in the first phase, on the frozen features.
    """
    labels = data.labels_of(train, settings.label_depth)
    torch.manual_seed(seed)
    head = nn.Linear(data.features.shape[1], len(labels.names)).to(device)
    run_phases([head_phase(data, settings, head, train, labels, lambda: {}, seed)])
    dataset = data.feature_dataset(others, data.categories[others])
    by_label = predict_probabilities(head, dataset, settings.batch_size)
    return sum_by_category(by_label, labels.parents, len(data.classes))


def out_of_fold(data: LabelledPhotos, settings: Train, device: torch.device) -> np.ndarray:
    """Return the probabilities (n, categories) of the train photos, each by a layer without it.

    The layer that predicts a photo is fitted on other groups. That takes seconds, where fine-tuning
    a network for each fold would take hours. `classify` learns from these predictions how far to
    trust a photo.
    """
    rows = data.rows["train"]
    groups = data.listings["group"].iloc[rows]
    probabilities = np.full((len(rows), len(data.classes)), np.nan, np.float32)
    folds = min(FOLDS, groups.nunique())
    if folds < 2:
        return probabilities
    for fitted, left_out in GroupKFold(folds).split(groups, groups=groups):
        probabilities[left_out] = head_probabilities(
            data, settings, device, rows[fitted], rows[left_out], settings.seed
        )
    return probabilities


# --- What a split by photo would show -------------------------------------------------------------
def compare_splits(
    data: LabelledPhotos, settings: Train, device: torch.device
) -> dict[str, dict[str, float]]:
    """Return the new layer's test accuracy, over SEEDS seeds, beside that after a split by photo.

    The usual split by photo leaks: photos of one product are in train and test. Both splits have
    as many photos.
    """

    def accuracy(train: np.ndarray, test: np.ndarray, seed: int) -> float:
        probabilities = head_probabilities(data, settings, device, train, test, seed)
        return float(accuracy_score(data.categories[test], probabilities.argmax(1)))

    train, test = data.rows["train"], data.rows["test"]
    seeds = range(settings.seed, settings.seed + SEEDS)
    return {
        "test_accuracy": spread([accuracy(train, test, seed) for seed in seeds]),
        "test_accuracy_if_split_by_photo": spread(
            [accuracy(*split_by_photo(train, test, seed), seed) for seed in seeds]
        ),
    }


def split_by_photo(train: np.ndarray, test: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return new train and test rows: the same ones, dealt at random, in the same numbers.

    Examples
    --------
    >>> train, test = split_by_photo(np.array([0, 1, 2]), np.array([3, 4]), seed=0)
    >>> len(train), len(test), sorted([*train.tolist(), *test.tolist()])
    (3, 2, [0, 1, 2, 3, 4])
    """
    dealt = np.random.default_rng(seed).permutation(np.concatenate([train, test]))
    return np.sort(dealt[: len(train)]), np.sort(dealt[len(train) :])
