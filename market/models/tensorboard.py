"""What TensorBoard shows of a training: curves, the network's graph, features and mistakes."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from market.core.extras import needs_extra
from market.core.params import dataset_name
from market.core.paths import RUNS
from market.data.photo_store import open_photo
from market.models.backbones import PhotoNetwork
from market.models.labelled_photos import LabelledPhotos

PROJECTED = 400  # maximum number of validation photos in the projector
THUMBNAIL = 56  # side of their thumbnails, in pixels
MISTAKES = 16  # most confident mistakes shown


class Board:
    """A TensorBoard folder: runs/<dataset>/<experiment>/<stage>/<training>.

    The experiment is the name that `dvc exp run` gives, or "workspace". A queued experiment runs in
    a temporary copy of the project; its curves are written to the original.

    Parameters
    ----------
    stage
        Name of the stage.
    training
        Name of the training: its `run_key`, after a readable part.
    """

    def __init__(self, stage: str, training: str) -> None:
        with needs_extra("train"):
            from torch.utils.tensorboard import SummaryWriter
        experiment = os.environ.get("DVC_EXP_NAME", "workspace").replace("/", "-")
        root = Path(os.environ.get("DVC_ROOT", "."))
        self.folder = root / RUNS / dataset_name() / experiment / stage / training
        self._writer = SummaryWriter(str(self.folder), purge_step=1)

    def add_epoch(self, row: dict[str, Any]) -> None:
        """Add loss and accuracy of an epoch, a row of `run_phases`."""
        for name in ("loss", "accuracy"):
            for split in ("train", "val"):
                self._writer.add_scalar(f"{name}/{split}", row[f"{split}_{name}"], row["epoch"])

    def add_network(
        self, network: PhotoNetwork, data: LabelledPhotos, probabilities: np.ndarray
    ) -> None:
        """Add what curves cannot show, and close the folder.

        Parameters
        ----------
        network
            After training.
        data
            The photos.
        probabilities
            (n, categories) of the validation photos.
        """
        self._add_graph(network, data.photos[data.photo_index[data.rows["val"]][0]])
        self._add_features(data, probabilities)
        self._add_mistakes(data, probabilities)
        self._writer.close()

    def _add_graph(self, network: PhotoNetwork, photo: bytes) -> None:
        """Add the network's graph, traced with one packed photo."""
        device = next(network.parameters()).device
        pixels = torch.from_numpy(open_photo(photo).copy()).permute(2, 0, 1)
        # torch warns of its own deprecated calls.
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            self._writer.add_graph(network.for_inference(), pixels[None].to(device))

    def _add_features(self, data: LabelledPhotos, probabilities: np.ndarray) -> None:
        """Add a projector of the frozen features of up to PROJECTED validation photos."""
        photos, classes, rows = data.photos, data.classes, data.rows["val"]
        index, labels = data.photo_index[rows], data.categories[rows]
        predicted = probabilities.argmax(1)
        chosen = np.random.default_rng(0).permutation(len(index))[:PROJECTED]
        thumbnails = np.array([open_photo(photos[at], side=THUMBNAIL) for at in index[chosen]])
        # TensorBoard would warn of a projector from an earlier run of this name.
        shutil.rmtree(self.folder / "00000", ignore_errors=True)
        self._writer.add_embedding(
            data.features[index[chosen]].round(3),  # rounded, because it is written as text
            metadata=[[classes[labels[row]], classes[predicted[row]]] for row in chosen],
            metadata_header=["seller", "model"],
            label_img=torch.from_numpy(thumbnails).permute(0, 3, 1, 2) / 255,
            tag="photos",
        )

    def _add_mistakes(self, data: LabelledPhotos, probabilities: np.ndarray) -> None:
        """Add the validation photos with the most confident wrong predictions, up to MISTAKES."""
        rows, classes = data.rows["val"], data.classes
        index, labels = data.photo_index[rows], data.categories[rows]
        predicted = probabilities.argmax(1)
        confidence = np.where(predicted == labels, 0.0, probabilities.max(1))
        for place, row in enumerate(np.argsort(-confidence, kind="stable")[:MISTAKES], start=1):
            if confidence[row]:
                both = f"seller {classes[labels[row]]}, model {classes[predicted[row]]}"
                title = f"mistakes/{place:02d} {both} {confidence[row]:.0%}"
                photo = open_photo(data.photos[index[row]])
                self._writer.add_image(title, photo, dataformats="HWC")
