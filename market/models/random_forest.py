"""The random forest on raw pixels: the baseline of the photo models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from market.core.atomic import replace_when_done
from market.core.cluster import cluster
from market.core.settings import ClassifyRf
from market.core.stage import progress
from market.core.workers import worker_count
from market.models.skops_files import load_model, save_model

FILE = "model.skops"
STEP = 100  # trees between two updates of the progress bar; all cores wait at the end of each


@dataclass(frozen=True)
class RandomForest:
    """Predicts the category of a photo from its pixels: models/rf.

    Parameters
    ----------
    pipeline
        A fitted pipeline of `build_pipeline`.

    Examples
    --------
    >>> pixels = np.repeat(np.array([0, 255], np.uint8), 20).reshape(40, 1, 1, 1)
    >>> labels = np.repeat(["dark", "light"], 20)
    >>> settings = ClassifyRf(n_estimators=5, min_samples_leaf=1, seed=0)
    >>> forest = RandomForest.fit(pixels, labels, settings)
    >>> forest.predict(np.array([[[[10]]], [[[250]]]])).tolist()
    ['dark', 'light']
    """

    pipeline: Pipeline

    @classmethod
    def fit(cls, pixels: np.ndarray, labels: np.ndarray, settings: ClassifyRf) -> RandomForest:
        """Grow the forest on all cores, or on the cluster.

        Parameters
        ----------
        pixels
            (n, channels, height, width) uint8.
        labels
            (n,) names of categories.
        settings
            Section `classify_rf` of params.yaml.
        """
        pipeline = build_pipeline(pixels.shape[1:], settings)
        pipeline.set_params(forest__n_jobs=worker_count(), forest__warm_start=True)
        steps = range(STEP, settings.n_estimators + STEP, STEP)
        converted = pixels.astype(np.float32)  # once, as scikit-learn would do it for every step
        with cluster():
            for trees in progress(steps, desc="grow", unit=f"{STEP} trees"):
                pipeline.set_params(forest__n_estimators=min(trees, settings.n_estimators))
                pipeline.fit(converted, labels)
        # Threads add up the votes in the order in which they finish, which changes the last digit.
        pipeline.set_params(forest__n_jobs=None, forest__warm_start=False)
        return cls(pipeline)

    def predict(self, pixels: np.ndarray) -> np.ndarray:
        """Return the category (n,) of photos of the shape that the forest was fitted on."""
        return self.pipeline.predict(pixels)

    def save(self, folder: Path) -> None:
        """Replace `folder` by this forest."""
        with replace_when_done(folder) as temporary:
            temporary.mkdir()
            save_model(self.pipeline, temporary / FILE)

    @classmethod
    def load(cls, folder: Path) -> RandomForest:
        """Read the forest that `save` wrote.

        Raises
        ------
        MarketError
            If the file is absent, damaged, or holds types that no model here has.
        """
        return cls(load_model(folder / FILE))


def build_pipeline(shape: tuple[int, ...], settings: ClassifyRf) -> Pipeline:
    """Return an unfitted forest that flattens photos of `shape`, such as (3, 56, 56)."""
    flatten = FunctionTransformer(np.reshape, kw_args={"shape": (-1, math.prod(shape))})
    forest = RandomForestClassifier(
        settings.n_estimators,
        min_samples_leaf=settings.min_samples_leaf,
        random_state=settings.seed,
    )
    return Pipeline([("flatten", flatten), ("forest", forest)])
