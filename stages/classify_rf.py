"""Predict the category from raw pixels with a random forest: the baseline of the photo models.

In:  data/merged/listings.parquet (image_array).
Out: models/rf/, metrics/classify_rf.json.

Without a category, a train photo or a test photo, models/rf is empty and the metrics say why.
"""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from market.core.atomic import replace_when_done, write_json
from market.core.params import load_params
from market.core.paths import LISTINGS, METRICS, RANDOM_FOREST, require
from market.core.stage import stage
from market.models.labels import NO_CATEGORIES
from market.models.metrics import majority_accuracy, score_labels
from market.models.random_forest import RandomForest

SCORES = METRICS / "classify_rf.json"


def has_categories() -> bool:
    """Return whether any listing has a category."""
    category = pq.read_table(LISTINGS, columns=["category"])["category"]
    return category.null_count < len(category)


def read_photos() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the split (n,), category (n,) and pixels (n, 3, side, side) of the photos."""
    table = pq.read_table(LISTINGS, columns=["split", "category", "image_array"])
    table = table.filter(pc.is_valid(table["image_array"])).combine_chunks()
    columns = table["split"].to_numpy(), table["category"].to_numpy().astype(str)
    if not len(table):
        return *columns, np.empty((0, 0))
    return *columns, table["image_array"].chunk(0).to_numpy_ndarray()


def skip(reason: str) -> str:
    """Write an empty models/rf and metrics that give the reason."""
    with replace_when_done(RANDOM_FOREST) as folder:
        folder.mkdir()
    write_json(SCORES, {"n": 0, "skipped": reason})
    return f"no forest was grown: {reason}"


@stage
def main() -> str:
    settings = load_params("classify_rf")
    require(LISTINGS)
    if not has_categories():
        return skip(NO_CATEGORIES)
    split, categories, pixels = read_photos()
    train, test = split == "train", split == "test"
    if not train.any() or not test.any():
        return skip(f"{train.sum()} train and {test.sum()} test photos")

    forest = RandomForest.fit(pixels[train], categories[train], settings)
    scores = {
        **score_labels(categories[test], forest.predict(pixels[test])),
        "majority_accuracy": majority_accuracy(categories[train], categories[test]),
        "seed": settings.seed,
    }
    forest.save(RANDOM_FOREST)
    write_json(SCORES, scores)
    return (
        f"accuracy {scores['accuracy']:.3f} per photo, "
        f"majority {scores['majority_accuracy']:.3f}, n={scores['n']}"
    )


if __name__ == "__main__":
    main()
