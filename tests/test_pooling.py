"""Several models' probabilities in one, whichever there are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.svm import LinearSVC

from shared.pooling import average_photos, fit_weights, margin_probabilities, pool

SHARES = np.array([0.5, 0.3, 0.2])
NOTHING = np.full((1, 3), np.nan)
WEIGHTS = {"both": [1.0, 0.5, 0.0], "text": [2.0, 0.0], "photo": [1.0, 0.0]}


def simulated(n: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities that are right as often as they say."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(3, noise), n)
    labels = np.array([rng.choice(3, p=p) for p in probabilities])
    return probabilities, labels


def test_the_answer_depends_on_what_there_is() -> None:
    text, photo = np.array([[0.6, 0.3, 0.1]]), np.array([[0.2, 0.2, 0.6]])
    both = text * photo**0.5
    np.testing.assert_allclose(pool(text, photo, WEIGHTS, SHARES), both / both.sum())
    squared = text**2
    np.testing.assert_allclose(pool(text, NOTHING, WEIGHTS, SHARES), squared / squared.sum())
    np.testing.assert_allclose(pool(NOTHING, photo, WEIGHTS, SHARES), photo)
    np.testing.assert_allclose(pool(NOTHING, NOTHING, WEIGHTS, SHARES), [SHARES])


def test_certainty_does_not_outvote_everything() -> None:
    text, photo = np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 1.0, 0.0]])
    found = pool(text, photo, {**WEIGHTS, "both": [1.0, 1.0, 0.0]}, SHARES)
    assert np.isfinite(found).all() and found[0, 0] == pytest.approx(found[0, 1])


def test_calibrated_probabilities_stay_and_sharpened_ones_are_tempered() -> None:
    probabilities, labels = simulated(4000, 0.7, 0)
    nothing = np.full_like(probabilities, np.nan)
    assert fit_weights(probabilities, nothing, labels)["text"][0] == pytest.approx(1, abs=0.1)
    sharp = probabilities**3 / (probabilities**3).sum(1, keepdims=True)
    assert fit_weights(sharp, nothing, labels)["text"][0] == pytest.approx(1 / 3, abs=0.05)


def test_a_modality_that_knows_nothing_gets_no_weight() -> None:
    probabilities, labels = simulated(4000, 0.5, 1)
    noise, _ = simulated(4000, 0.5, 2)
    both = fit_weights(probabilities, noise, labels)["both"]
    assert both[0] == pytest.approx(1, abs=0.15) and both[1] < 0.05


def test_without_a_single_photo_there_is_nothing_to_fit() -> None:
    probabilities, labels = simulated(50, 0.5, 3)
    weights = fit_weights(probabilities, np.full_like(probabilities, np.nan), labels)
    assert weights["both"] == [1, 1, 0] and weights["photo"] == [1, 0]


def test_photos_are_averaged_by_product() -> None:
    p = np.array([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5]])
    found = average_photos(p, pd.Series(["a", "b", "a"]), pd.Series(["b", "a", "none", "b"]))
    np.testing.assert_array_equal(found[[0, 1, 3]], [[0.5, 0.5], [0.75, 0.25], [0.5, 0.5]])
    assert np.isnan(found[2]).all()


@pytest.mark.parametrize("labels", [[0, 1], [0, 2], [0, 1, 2]])
def test_margins_of_two_and_more_classes(labels: list[int]) -> None:
    rng = np.random.default_rng(4)
    y = rng.choice(labels, 60)
    x = pd.DataFrame(np.eye(3)[y] + rng.normal(0, 0.1, (60, 3)))
    found = margin_probabilities(LinearSVC(random_state=0).fit(x, y), x, 3, 1.0)
    assert (found.argmax(1) == y).all()
    np.testing.assert_allclose(found.sum(1), 1)
    assert (found[:, [c for c in range(3) if c not in labels]] == 0).all()


def test_sharper_margins_are_surer_of_the_same() -> None:
    x = pd.DataFrame(np.eye(3)[[0, 1, 2] * 4])
    model = LinearSVC(random_state=0).fit(x, [0, 1, 2] * 4)
    soft, sharp = (margin_probabilities(model, x, 3, sharpness) for sharpness in (1.0, 4.0))
    assert (soft.argmax(1) == sharp.argmax(1)).all() and (sharp.max(1) > soft.max(1)).all()


def test_a_modality_alone_always_ranks_the_classes() -> None:
    noise, _ = simulated(400, 0.5, 5)
    labels = noise.argmin(1)  # worse than chance: its best exponent would be negative
    nothing = np.full_like(noise, np.nan)
    weights = fit_weights(noise, nothing, labels)
    assert weights["text"][0] > 0
    assert (pool(noise, nothing, weights, SHARES).argmax(1) == noise.argmax(1)).all()


def test_odd_labels_make_answers_no_more_timid_than_they_are_many() -> None:
    probabilities, labels = simulated(4000, 0.3, 6)
    rng = np.random.default_rng(7)
    odd = rng.random(4000) < 0.15
    noisy = np.where(odd, rng.integers(3, size=4000), labels)
    nothing = np.full_like(probabilities, np.nan)
    exponent, noise = fit_weights(probabilities, nothing, noisy)["text"]
    assert noise == pytest.approx(0.15, abs=0.03) and exponent == pytest.approx(1, abs=0.1)


def test_label_noise_is_spread_over_the_classes() -> None:
    found = pool(np.array([[1.0, 0, 0]]), NOTHING, {**WEIGHTS, "text": [1.0, 0.3]}, SHARES)
    np.testing.assert_allclose(found, [[0.8, 0.1, 0.1]], atol=1e-5)
