"""The scores of answers about categories, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from market.models.metrics import majority_accuracy, score


def test_scores_by_hand() -> None:
    found = score(np.array([[0.75, 0.25], [0.5, 0.5]]), np.array([0, 1]))
    loss = -(np.log(0.75) + np.log(0.5)) / 2
    assert found == pytest.approx({"loss": loss, "accuracy": 0.5, "macro_f1": 1 / 3, "n": 2})


def test_an_answer_without_any_doubt_that_is_wrong_costs_no_infinity() -> None:
    assert np.isfinite(score(np.array([[1.0, 0.0]]), np.array([1]))["loss"])


@pytest.mark.parametrize("names", [["a", "b", "c"], [0, 1, 2]])
def test_of_equally_common_labels_the_first_is_the_commonest(names: list) -> None:
    a, b, c = names
    assert majority_accuracy(np.array([c, b, b, c]), np.array([b, b, a, c])) == 0.5
