"""Train the photo classifier by transfer learning: a new layer, then perhaps the whole network.

The new layer has an output for each subcategory (params train.label_depth; 1: each category). The
probabilities of a category's subcategories add up to its own.

In:  data/merged/listings.parquet, data/clean/photos, data/embeddings/photo.npy.
Out: models/cnn; data/cnn/probabilities.parquet, the probabilities of categories of each validation
     and test photo (without fine-tuning also of each train photo, out-of-fold);
     metrics/train_cnn.json; plots/train_cnn.csv, loss and accuracy of each epoch;
     plots/train_cnn_confusion.csv. For TensorBoard, in runs/<dataset>/<experiment>/ (the name that
     `dvc exp run` gives, or "workspace"): curves, graph, projector, most confident mistakes.

If a split has no photo, nothing is trained, and the metrics say why. Train loss (of subcategories,
smoothed) and validation loss (of categories) are on different scales: compare each with itself.

An interrupted training resumes from runs/checkpoints when started again with the same data, code
and params, and ends with the same weights. CHECKPOINT_SECONDS (default 60) and LOADER_WORKERS
(default 1) are environment variables.
"""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from market.core.atomic import replace_when_done, write_json
from market.core.params import load_params
from market.core.paths import (
    LISTINGS,
    METRICS,
    PHOTO_CLASSIFIER,
    PHOTO_CONFUSION_PLOT,
    PHOTO_CURVES,
    PHOTO_EMBEDDINGS,
    PHOTO_PROBABILITIES,
    PHOTOS,
    require,
)
from market.core.stage import stage
from market.core.torch_setup import set_up_torch
from market.models.checkpoints import training_key
from market.models.labelled_photos import LabelledPhotos
from market.models.photo_classifier import PhotoClassifier
from market.models.photo_scores import confusion_table, evaluate_photos, probabilities_table
from market.models.photo_training import new_photo_classifier, photo_phases, predict_splits
from market.models.tensorboard import Board
from market.models.training import epoch_message, new_checkpoint, run_phases, write_history


def write(
    data: LabelledPhotos,
    classifier: PhotoClassifier,
    probabilities: dict[str, np.ndarray],
    history: list[dict[str, Any]],
    metrics: dict[str, Any],
) -> None:
    """Write all outputs; `probabilities` are (n, categories) by split."""
    classifier.save(PHOTO_CLASSIFIER)
    with replace_when_done(PHOTO_PROBABILITIES) as path:
        probabilities_table(data, probabilities).to_parquet(path, index=False)
    write_history(PHOTO_CURVES, history)
    with replace_when_done(PHOTO_CONFUSION_PLOT) as path:
        confusion_table(data, probabilities["test"]).to_csv(path, index=False)
    write_json(METRICS / "train_cnn.json", metrics)


@stage
def main() -> str:
    settings, photo_size, backbone_seed = load_params(
        "train", "embed_photos.photo_size", "embed_photos.seed"
    )
    inputs = (LISTINGS, PHOTOS, PHOTO_EMBEDDINGS)
    require(*inputs)
    device = set_up_torch(settings.seed)
    data = LabelledPhotos.load(*inputs)
    labels = data.labels_of(data.rows["train"], settings.label_depth)
    classifier = new_photo_classifier(
        data, labels, settings, photo_size=photo_size, backbone_seed=backbone_seed, device=device
    )
    if reason := data.untrainable_reason():
        skipped = {"backbone": settings.backbone, "n": 0, "seed": settings.seed, "skipped": reason}
        none = {split: np.empty((0, len(data.classes)), np.float32) for split in ("val", "test")}
        write(data.without_rows(), classifier.untrained(), none, [], skipped)
        return f"no photo classifier was trained: {reason}"

    key = training_key(*inputs, settings, photo_size, device=device)
    checkpoint = new_checkpoint(key)
    board = Board("train_cnn", f"{settings.backbone}-{key}")

    def report(row: dict[str, Any]) -> None:
        board.add_epoch(row)
        if row["phase"] == "finetune":  # its epochs take minutes
            click.echo(epoch_message(row))

    phases = photo_phases(data, labels, classifier, settings)
    progress = run_phases(phases, checkpoint, report=report, announce=click.echo)
    probabilities = predict_splits(data, classifier, settings, device)
    board.add_network(classifier.network, data, probabilities["val"])
    metrics = evaluate_photos(data, probabilities, progress, settings, device)

    write(data, classifier, probabilities, progress.history, metrics)
    checkpoint.remove()
    test = metrics["test"]
    return (
        f"test accuracy {test['accuracy']:.3f} per photo "
        f"({test['per_product']['accuracy']:.3f} per product), n={test['n']}"
    )


if __name__ == "__main__":
    main()
