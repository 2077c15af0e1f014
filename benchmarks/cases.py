"""The cases of benchmarks/stages.py: in each, a stage and the plain way to do the same work.

A side is a function of a Job that returns what it measured or computed. It is named by module and
function, so that a process imports only the modules of its own case.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EPOCHS = 160  # of the new layer
SEED = 42


@dataclass(frozen=True)
class Sizes:
    """Amounts of work; the other cases take the whole raw folder.

    Attributes
    ----------
    large
        12-megapixel photos to clean.
    texts
        Listings whose TF-IDF is made dense.
    photos
        Photos to train the new layer on.
    batches
        Batches of train.batch_size photos to fine-tune on.
    trees
        Trees of the random forest.
    """

    large: int
    texts: int
    photos: int
    batches: int
    trees: int


@dataclass(frozen=True)
class Job:
    """The inputs and the output of one run of one side.

    Attributes
    ----------
    project
        A project folder with the outputs of the preceding stages, and in plain/ those of their
        plain counterparts.
    raw
        The raw folder to clean.
    out
        A path for the output, which does not exist.
    sizes
        The amounts of work.
    """

    project: Path
    raw: Path
    out: Path
    sizes: Sizes


Side = Callable[[Job], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """Two ways to do the same work.

    Attributes
    ----------
    title
        The row's title in the table.
    plain, ours
        "module.function" of each side.
    aim
        The ratio to reach, in words.
    stage
        The stage that both sides import before the clock starts, if any.
    modules
        Further modules that both sides import before the clock starts.
    large
        Whether the raw folder is that of the 12-megapixel photos.
    """

    title: str
    plain: str
    ours: str
    aim: str = "–"
    stage: str = ""
    modules: tuple[str, ...] = ()
    large: bool = False

    def side(self, name: str) -> Side:
        """Import and return the side "plain" or "ours"."""
        module, _, function = getattr(self, name).partition(".")
        return getattr(importlib.import_module(module), function)


PHOTO_MODULES = ("pandas", "PIL.JpegImagePlugin")
CASES = {
    "clean_large": Case(
        "clean, 12-megapixel photos",
        "reference.clean",
        "pipeline.clean",
        aim="≥ 4",
        stage="clean",
        modules=PHOTO_MODULES,
        large=True,
    ),
    "clean": Case(
        "clean, the marketplace's photos",
        "reference.clean",
        "pipeline.clean",
        aim="≥ 1.8",
        stage="clean",
        modules=PHOTO_MODULES,
    ),
    "clean_pixels": Case(
        "clean against pixels only",
        "reference.clean_pixels",
        "pipeline.clean",
        stage="clean",
        modules=PHOTO_MODULES,
    ),
    "merge": Case(
        "merge",
        "reference.merge",
        "pipeline.merge",
        aim="≥ 5, memory ≤ 1/4",
        stage="merge",
        modules=("networkx",),
    ),
    "merge_pickled": Case(
        "merge against pickled",
        "reference.merge_pickled",
        "pipeline.merge",
        stage="merge",
        modules=("networkx",),
    ),
    "tfidf": Case(
        "TF-IDF and regression, sparse",
        "reference.tfidf_dense",
        "reference.tfidf_sparse",
        modules=("sklearn.linear_model", "sklearn.feature_extraction.text"),
    ),
    "forest": Case(
        "classify_rf", "reference.forest", "pipeline.forest", aim="≥ 1.9", stage="classify_rf"
    ),
    "new_layer": Case(
        f"{EPOCHS} epochs of the new layer",
        "networks.plain_new_layer",
        "networks.our_new_layer",
        aim="≥ 50",
        stage="train_cnn",
    ),
    "finetune": Case(
        "fine-tuning, share of bare passes",
        "networks.bare_passes",
        "networks.our_fine_tuning",
        aim="≥ 0.8",
        stage="train_cnn",
    ),
}
