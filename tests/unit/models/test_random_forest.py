"""The random forest on raw pixels: its form, and that it can be saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import FunctionTransformer

from market.core.errors import MarketError
from market.core.settings import ClassifyRf
from market.models.random_forest import RandomForest, build_pipeline


def dark_and_bright() -> tuple[np.ndarray, np.ndarray]:
    """Return 80 photos (80, 3, 4, 4) and whether each is "dark" or "bright"."""
    rng = np.random.default_rng(0)
    level = np.tile([60, 180], 40)
    pixels = (level[:, None, None, None] + rng.integers(-50, 50, (80, 3, 4, 4))).astype(np.uint8)
    return pixels, np.where(level > 100, "bright", "dark")


def fit(n_estimators: int) -> RandomForest:
    pixels, labels = dark_and_bright()
    settings = ClassifyRf(n_estimators=n_estimators, min_samples_leaf=1, seed=0)
    return RandomForest.fit(pixels[:40], labels[:40], settings)


def test_the_pipeline_flattens_photos_and_grows_a_forest() -> None:
    settings = ClassifyRf(n_estimators=7, min_samples_leaf=2, seed=5)
    flatten, forest = (step for _, step in build_pipeline((3, 56, 56), settings).steps)
    assert isinstance(flatten, FunctionTransformer) and isinstance(forest, RandomForestClassifier)
    assert (forest.n_estimators, forest.min_samples_leaf, forest.random_state) == (7, 2, 5)
    pixels = np.arange(2 * 3 * 56 * 56).reshape(2, 3, 56, 56)
    np.testing.assert_array_equal(flatten.transform(pixels), pixels.reshape(2, 9408))


def test_a_forest_tells_dark_from_bright_photos() -> None:
    pixels, labels = dark_and_bright()
    assert (fit(20).predict(pixels[40:]) == labels[40:]).mean() > 0.95


def test_growing_in_steps_does_not_change_the_number_of_trees() -> None:
    assert len(fit(101).pipeline[-1].estimators_) == 101


def test_a_loaded_forest_predicts_as_the_saved_one(tmp_path: Path) -> None:
    forest = fit(5)
    forest.save(tmp_path / "rf")
    loaded = RandomForest.load(tmp_path / "rf")
    pixels = np.random.default_rng(1).integers(256, size=(30, 3, 4, 4), dtype=np.uint8)
    np.testing.assert_array_equal(loaded.predict(pixels), forest.predict(pixels))


def test_an_absent_forest_is_named(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match=r"model\.skops"):
        RandomForest.load(tmp_path)
