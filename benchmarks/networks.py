"""Both sides of the cases that train a network: the plain way, and the library's training loop.

Labels are drawn from CLASSES categories: time does not depend on them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import EPOCHS, SEED, Job
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from market.core.params import load_params
from market.core.paths import PHOTOS
from market.core.torch_setup import set_up_torch
from market.data.photo_store import PhotoStore, open_photo
from market.models.backbones import NORMALISATION, PhotoNetwork
from market.models.embeddings import embed_photos
from market.models.photo_dataset import PhotoDataset, augment
from market.models.photo_training import PHOTOS_AT_ONCE, shuffled
from market.models.training import Phase, run_phases

CLASSES = 13
PLAIN_EPOCHS = 2  # measured; 160 would take half an hour for a thousand photos
PLAIN_PHOTOS = "plain/photos"  # in a project: a JPEG file per photo


# --- The new layer --------------------------------------------------------------------------------
class PhotoFiles(Dataset):
    """Photos decoded and scaled one by one, with made-up labels."""

    def __init__(self, paths: list[Path], backbone: str) -> None:
        self.paths = paths
        mean, deviation = NORMALISATION[backbone]
        self.mean = torch.tensor(mean).view(3, 1, 1)
        self.deviation = torch.tensor(deviation).view(3, 1, 1)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        photo = Image.open(self.paths[index]).convert("RGB").resize((224, 224))
        pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1).float() / 255
        return (pixels - self.mean) / self.deviation, index % CLASSES


def plain_new_layer(job: Job) -> dict[str, Any]:
    """Decode every photo and run the frozen network in each epoch; extrapolate to EPOCHS."""
    train = load_params("train")
    paths = sorted((job.project / PLAIN_PHOTOS).iterdir())[: job.sizes.photos]
    network = PhotoNetwork(train.backbone, "pretrained", classes=CLASSES).eval()
    optimizer = torch.optim.SGD(network.head.parameters(), lr=0.03, momentum=0.9)
    photos = PhotoFiles(paths, train.backbone)
    for _ in range(PLAIN_EPOCHS):
        for pixels, labels in DataLoader(photos, train.batch_size, shuffle=True):
            with torch.no_grad():
                features = network.backbone(pixels)
            loss = nn.functional.cross_entropy(network.head(features), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return {"times": EPOCHS / PLAIN_EPOCHS}


def our_new_layer(job: Job) -> dict[str, Any]:
    """Compute the features once, then train EPOCHS epochs on them, as the stages do."""
    train, embed = load_params("train", "embed_photos")
    device = set_up_torch(SEED)
    network = PhotoNetwork(train.backbone, "pretrained", classes=CLASSES).to(device)
    network = network.for_inference()
    photos = PhotoStore(job.project / PHOTOS)
    chosen = np.arange(min(job.sizes.photos, len(photos)))
    features = embed_photos(
        network, photos, chosen, photo_size=embed.photo_size, batch_size=embed.batch_size
    )
    labels = torch.arange(len(features)) % CLASSES
    dataset = TensorDataset(torch.from_numpy(features), labels)
    head = nn.Linear(network.width, CLASSES)
    _train("head", head, lambda epoch: dataset, EPOCHS, train.learning_rate, train.batch_size)
    return {"times": 1}


def _train(
    name: str,
    module: nn.Module,
    dataset: Callable[[int], Dataset],
    epochs: int,
    learning_rate: float,
    micro_batch: int,
) -> None:
    """Train a phase by the library's loop, with the settings of stage train_cnn."""
    train = load_params("train")
    device = next(module.parameters()).device
    phase = Phase(
        name=name,
        module=module,
        optimizer=torch.optim.SGD(
            module.parameters(), lr=learning_rate, momentum=train.momentum, nesterov=True
        ),
        epochs=epochs,
        parents=np.arange(CLASSES),
        evaluate=lambda: {},
        label_smoothing=train.label_smoothing,
        micro_batch=micro_batch,
        **shuffled(dataset, train.batch_size, name, SEED, device),
    )
    run_phases([phase])


# --- Fine-tuning ----------------------------------------------------------------------------------
def bare_passes(job: Job) -> dict[str, Any]:
    """Measure forward and backward passes of the network alone, on random tensors."""
    train = load_params("train")
    device = set_up_torch(SEED)
    network = PhotoNetwork(train.backbone, "pretrained", classes=CLASSES).to(device).train()
    side = train.finetune_photo_size
    photos = torch.rand(PHOTOS_AT_ONCE, 3, side, side, device=device) * 255
    labels = torch.arange(PHOTOS_AT_ONCE, device=device) % CLASSES
    passes = job.sizes.batches * train.batch_size // PHOTOS_AT_ONCE
    start = time.perf_counter()
    for _ in range(passes):
        nn.functional.cross_entropy(network(photos), labels).backward()
    return {"photos_per_second": passes * PHOTOS_AT_ONCE / (time.perf_counter() - start)}


def our_fine_tuning(job: Job) -> dict[str, Any]:
    """Measure one epoch of the stage's fine-tuning, the start of the loader included."""
    train = load_params("train")
    device = set_up_torch(SEED)
    network = PhotoNetwork(train.backbone, "pretrained", classes=CLASSES).to(device)
    photos = PhotoStore(job.project / PHOTOS)
    count = job.sizes.batches * train.batch_size
    chosen, labels = np.arange(count) % len(photos), np.arange(count) % CLASSES
    transform = augment(train.finetune_photo_size)

    def dataset(epoch: int) -> PhotoDataset:
        return PhotoDataset(photos, open_photo, chosen, labels, transform, SEED, epoch)

    start = time.perf_counter()
    _train("finetune", network, dataset, 1, train.finetune_learning_rate, PHOTOS_AT_ONCE)
    return {"photos_per_second": count / (time.perf_counter() - start)}
