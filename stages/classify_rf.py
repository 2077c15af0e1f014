"""Predict the category from raw pixels with a random forest: the baseline of the photo models.

In:  data/merged/listings.parquet (image_array).
Out: models/rf/model.skops, metrics/classify_rf.json.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from market.core.atomic import replace_when_done, write_json
from market.core.cluster import cluster
from market.core.params import load_params
from market.core.paths import require
from market.core.stage import progress, stage
from market.core.workers import worker_count
from market.models.metrics import macro_f1, majority_accuracy
from market.models.skops_files import save_model

LISTINGS = Path("data/merged/listings.parquet")
TREES = 100  # grown between two steps of the bar, at whose end all cores wait for the last tree


def forest(
    shape: tuple[int, ...], *, n_estimators: int, min_samples_leaf: int, seed: int
) -> Pipeline:
    """Flatten arrays of `shape`, (3, 56, 56), and grow a random forest on them."""
    flatten = FunctionTransformer(np.reshape, kw_args={"shape": (-1, math.prod(shape))})
    classifier = RandomForestClassifier(
        n_estimators, min_samples_leaf=min_samples_leaf, random_state=seed
    )
    return Pipeline([("flatten", flatten), ("forest", classifier)])


def score_classes(labels: np.ndarray, predicted: np.ndarray, train_labels: np.ndarray) -> dict:
    """Accuracy and macro F1 beside the accuracy of always answering the commonest train label."""
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "macro_f1": macro_f1(labels, predicted),
        "majority_accuracy": majority_accuracy(train_labels, labels),
        "n": len(labels),
    }


def skip(reason: str) -> str:
    """Write outputs without a model, and return the line that says so."""
    with replace_when_done(Path("models/rf")) as folder:
        folder.mkdir()
    write_json(Path("metrics/classify_rf.json"), {"n": 0, "skipped": reason})
    return f"no forest was grown: {reason}"


@stage
def main() -> str:
    params = load_params("classify_rf").model_dump()
    require(LISTINGS)
    table = pq.read_table(LISTINGS, columns=["split", "category", "image_array"])
    table = table.filter(pc.is_valid(table["image_array"])).combine_chunks()
    split = table["split"].to_numpy()
    if not {"train", "test"} <= set(split):
        return skip(f"{(split == 'train').sum()} train and {(split == 'test').sum()} test photos")
    labels = table["category"].to_numpy().astype(str)
    arrays = table["image_array"].chunk(0).to_numpy_ndarray()
    train, test = split == "train", split == "test"

    model = forest(arrays.shape[1:], **params)
    model.set_params(forest__n_jobs=worker_count(), forest__warm_start=True)
    trees = params["n_estimators"]
    steps = range(TREES, trees + TREES, TREES)
    pixels = arrays[train].astype(np.float32)  # once: each step of the bar would do it again
    with cluster():
        for grown in progress(steps, desc="grow", unit=f"{TREES} trees"):
            model.set_params(forest__n_estimators=min(grown, trees))
            model.fit(pixels, labels[train])
    # Threads add up the trees' votes in the order they finish, which moves the last digit.
    model.set_params(forest__n_jobs=None, forest__warm_start=False)
    predicted = model.predict(arrays[test])

    with replace_when_done(Path("models/rf")) as folder:
        folder.mkdir()
        save_model(model, folder / "model.skops")
    scores = score_classes(labels[test], predicted, labels[train])
    write_json(Path("metrics/classify_rf.json"), {**scores, "seed": params["seed"]})
    return (
        f"accuracy {scores['accuracy']:.3f} per photo, "
        f"majority {scores['majority_accuracy']:.3f}, n={scores['n']}"
    )


if __name__ == "__main__":
    main()
