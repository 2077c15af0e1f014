"""Train the photo classifier by transfer learning: a new layer, then perhaps the whole network.

The new layer has an output for each subcategory (params train.label_depth; 1: each category); the
probability of a category is the sum of those of its subcategories.

In:  data/merged/listings.parquet, data/clean/photos, data/embeddings/photo.npy.
Out: models/cnn; data/cnn/probabilities.parquet, the probabilities of categories of each validation
     and test photo (without fine-tuning also of each train photo, out-of-fold);
     metrics/train_cnn.json; plots/train_cnn.csv, loss and accuracy of each epoch;
     plots/train_cnn_confusion.csv. TensorBoard in runs/<dataset>/<experiment>/ (the name that
     `dvc exp run` gives, or "workspace"): curves, the network's graph, a projector of the features
     of validation photos, and the most confident mistakes among them.

Train loss (of subcategories, smoothed) and validation loss (of categories) are on different scales:
compare each with itself over the epochs.

An interrupted training resumes from runs/checkpoints when started again with the same data, code
and params, and ends with the same weights. CHECKPOINT_SECONDS (default 60) and LOADER_WORKERS
(default 1) are environment variables.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click
import numpy as np
from torch import nn

from market.core.atomic import replace_when_done, write_json
from market.core.params import load_params
from market.core.paths import (
    LISTINGS,
    METRICS,
    PHOTO_CLASSIFIER,
    PHOTO_CURVES,
    PHOTO_EMBEDDINGS,
    PHOTO_PROBABILITIES,
    PHOTOS,
    PLOTS,
    require,
)
from market.core.settings import Train
from market.core.stage import stage
from market.core.torch_setup import set_up_torch
from market.models.checkpoints import training_key
from market.models.labelled_photos import LabelledPhotos
from market.models.labels import NO_CATEGORIES
from market.models.photo_classifier import PhotoClassifier
from market.models.photo_scores import confusion_table, probabilities_table, score_splits
from market.models.photo_training import (
    compare_splits,
    new_classifier_network,
    out_of_fold,
    photo_phases,
    split_probabilities,
)
from market.models.tensorboard import Board
from market.models.training import epoch_message, new_checkpoint, run_phases, write_history


def write_tables(
    data: LabelledPhotos, probabilities: dict[str, np.ndarray], history: list[dict[str, Any]]
) -> None:
    """Write the probabilities and both plots."""
    with replace_when_done(PHOTO_PROBABILITIES) as path:
        probabilities_table(data, probabilities).to_parquet(path, index=False)
    write_history(PHOTO_CURVES, history)
    with replace_when_done(PLOTS / "train_cnn_confusion.csv") as path:
        confusion_table(data, probabilities["test"]).to_csv(path, index=False)


def skip(data: LabelledPhotos, classifier: PhotoClassifier, settings: Train) -> str:
    """Write outputs without training, because a split has no photo, or no listing a category.

    With a new layer of zeros all categories are equally likely, so the classifier does not affect
    the pooled probabilities of the stage classify.
    """
    for weight in classifier.network.head.parameters():
        nn.init.zeros_(weight)
    replace(classifier, finetuned=False).save(PHOTO_CLASSIFIER)
    none = np.empty((0, len(data.classes)), np.float32)
    write_tables(data.without_rows(), {"val": none, "test": none}, [])
    counts = ", ".join(f"{len(rows)} {split}" for split, rows in data.rows.items())
    reason = f"{counts} photos, but each split needs at least one"
    if not data.classes:
        reason = NO_CATEGORIES
    metrics = {"n": 0, "skipped": reason, "backbone": settings.backbone, "seed": settings.seed}
    write_json(METRICS / "train_cnn.json", metrics)
    return f"no photo classifier was trained: {reason}"


@stage
def main() -> str:
    settings, photo_size, backbone_seed = load_params(
        "train", "embed_photos.photo_size", "embed_photos.seed"
    )
    require(LISTINGS, PHOTOS, PHOTO_EMBEDDINGS)
    device = set_up_torch(settings.seed)
    data = LabelledPhotos.load(LISTINGS, PHOTOS, PHOTO_EMBEDDINGS)
    labels = data.labels_of(data.rows["train"], settings.label_depth)
    network = new_classifier_network(settings, labels, backbone_seed=backbone_seed, device=device)
    finetuned = settings.finetune_epochs > 0
    classifier = PhotoClassifier(
        network, data.classes, labels.names, labels.parents, photo_size, finetuned
    )
    if not data.classes or not all(map(len, data.rows.values())):
        return skip(data, classifier, settings)

    key = training_key(LISTINGS, PHOTOS, PHOTO_EMBEDDINGS, settings, photo_size, device=device)
    checkpoint = new_checkpoint(key)
    board = Board("train_cnn", f"{settings.backbone}-{key}")

    def report(row: dict[str, Any]) -> None:
        board.add_epoch(row)
        if row["phase"] == "finetune":  # its epochs take minutes
            click.echo(epoch_message(row))

    phases = photo_phases(data, settings, network, labels, photo_size)
    progress = run_phases(phases, checkpoint, report=report, announce=click.echo)
    final = network if finetuned else network.head
    probabilities = {
        split: split_probabilities(data, labels.parents, settings, photo_size, final, split)
        for split in ("val", "test")
    }
    board.add_network(network, data, probabilities["val"])

    metrics = score_splits(data, probabilities, progress)
    shown = ("backbone", "epochs", "finetune_epochs", "seed")
    metrics |= {name: getattr(settings, name) for name in shown}
    if settings.epochs:
        metrics["new_layer"] = compare_splits(data, settings, device)
    if not finetuned:
        probabilities["train"] = out_of_fold(data, settings, device)
    classifier.save(PHOTO_CLASSIFIER)
    write_tables(data, probabilities, progress.history)
    write_json(METRICS / "train_cnn.json", metrics)
    checkpoint.remove()
    test = metrics["test"]
    return (
        f"test accuracy {test['accuracy']:.3f} per photo "
        f"({test['per_product']['accuracy']:.3f} per product), n={test['n']}"
    )


if __name__ == "__main__":
    main()
