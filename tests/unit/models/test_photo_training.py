"""Training and scoring of the photo classifier, without the stage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from market.models.photo_scores import score_photos
from market.models.photo_training import split_by_photo


def test_a_product_is_scored_by_the_mean_of_its_photos() -> None:
    # Product b: one photo is barely wrong, the other clearly right.
    probabilities = np.array([[0.9, 0.1], [0.45, 0.55], [0.95, 0.05], [0.2, 0.8]])
    labels = np.array([0, 0, 0, 0])
    products = pd.Series(["a", "b", "b", "c"])
    scores = score_photos(labels, probabilities, products)
    assert (scores["accuracy"], scores["n"]) == (0.5, 4)
    assert scores["per_product"]["accuracy"] == pytest.approx(2 / 3)
    assert scores["per_product"]["n"] == 3
    assert scores["loss"] == pytest.approx(-np.log(probabilities[:, 0]).mean(), rel=1e-5)
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_a_split_by_photo_keeps_the_sizes_and_ignores_products() -> None:
    train, test = np.arange(0, 20), np.arange(20, 30)
    new_train, new_test = split_by_photo(train, test, seed=0)
    assert (len(new_train), len(new_test)) == (20, 10)
    assert sorted([*new_train, *new_test]) == list(range(30))
    assert set(new_test) != set(test)
