"""Subcategories as labels: as deep as the number of rows allows, and summed by category."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from market.models.labels import subcategory_labels, sum_by_category

CATEGORIES = ["Garden", "Music", "Toys"]
LEVELS = pd.Series(
    [["Garden", "Tools", "Spades"]] * 3
    + [["Garden", "Tools", "Forks"]]
    + [["Garden", "Ponds"]]
    + [["Music"]] * 2
)


def names_of(depth: int, min_rows: int) -> list[str]:
    labels = subcategory_labels(LEVELS, CATEGORIES, depth=depth, min_rows=min_rows)
    return [labels.names[code] for code in labels.codes]


def test_labels_of_depth_1_are_the_categories() -> None:
    labels = subcategory_labels(LEVELS, CATEGORIES, depth=1, min_rows=1)
    assert labels.names == CATEGORIES
    assert labels.parents.tolist() == [0, 1, 2]
    assert labels.codes.tolist() == [0] * 5 + [1] * 2


def test_rows_of_a_rare_label_get_the_label_one_level_up() -> None:
    assert names_of(2, 2) == ["Garden / Tools"] * 4 + ["Garden"] + ["Music"] * 2
    spades, forks = "Garden / Tools / Spades", "Garden / Tools"
    assert names_of(3, 2) == [spades] * 3 + ["Garden", "Garden"] + ["Music"] * 2
    assert names_of(3, 1) == [spades] * 3 + [
        "Garden / Tools / Forks", "Garden / Ponds", "Music", "Music",
    ]  # fmt: skip
    assert forks not in names_of(3, 1)


def test_each_category_has_a_label() -> None:
    labels = subcategory_labels(LEVELS, CATEGORIES, depth=2, min_rows=1)
    assert set(labels.parents) == {0, 1, 2}
    assert [CATEGORIES[parent] for parent in labels.parents] == [
        name.split(" / ")[0] for name in labels.names
    ]


def test_the_probability_of_a_category_is_the_sum_of_its_labels() -> None:
    probabilities = np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]], dtype=np.float32)
    summed = sum_by_category(probabilities, np.array([0, 0, 2, 1]), 3)
    assert summed.dtype == np.float32
    assert summed == pytest.approx(np.array([[0.3, 0.4, 0.3], [0.8, 0.1, 0.1]]))
