"""Late fusion of the probabilities of several models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from market.models.fusion import average_photos, fit_weights, pool

SHARES = np.array([0.5, 0.3, 0.2])
MISSING = np.full((1, 3), np.nan)
WEIGHTS = {
    "photo": {"photo": 1.0, "noise": 0.0},
    "photo+text": {"photo": 0.5, "text": 1.0, "noise": 0.0},
    "text": {"text": 2.0, "noise": 0.0},
}


def simulated(n: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return calibrated probabilities (n, 3), and labels drawn from them."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(3, noise), n)
    labels = np.array([rng.choice(3, p=p) for p in probabilities])
    return probabilities, labels


def pooled(text: np.ndarray, photo: np.ndarray, weights: dict = WEIGHTS) -> np.ndarray:
    return pool({"text": text, "photo": photo}, weights, SHARES)


def fit_one(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    return dict(fit_weights({"text": probabilities}, labels)["text"])


def test_the_pool_uses_the_models_that_have_a_prediction() -> None:
    text, photo = np.array([[0.6, 0.3, 0.1]]), np.array([[0.2, 0.2, 0.6]])
    both = text * photo**0.5
    np.testing.assert_allclose(pooled(text, photo), both / both.sum())
    squared = text**2
    np.testing.assert_allclose(pooled(text, MISSING), squared / squared.sum())
    np.testing.assert_allclose(pooled(MISSING, photo), photo)
    np.testing.assert_allclose(pooled(MISSING, MISSING), [SHARES])


def test_an_absent_model_equals_a_model_without_a_prediction() -> None:
    text, missing = np.array([[0.6, 0.3, 0.1], [0.1, 0.1, 0.8]]), np.tile(MISSING, (2, 1))
    np.testing.assert_array_equal(pool({"text": text}, WEIGHTS, SHARES), pooled(text, missing))


def test_the_order_of_the_models_does_not_matter() -> None:
    text, labels = simulated(300, 0.5, 8)
    photo, _ = simulated(300, 1.0, 9)
    models, reverse = {"text": text, "photo": photo}, {"photo": photo, "text": text}
    assert fit_weights(models, labels) == fit_weights(reverse, labels)
    weights = fit_weights(models, labels)
    np.testing.assert_array_equal(pool(models, weights, SHARES), pool(reverse, weights, SHARES))


def test_a_certain_model_does_not_overrule_the_others() -> None:
    text, photo = np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 1.0, 0.0]])
    even = {"photo+text": {"photo": 1.0, "text": 1.0, "noise": 0.0}}
    fused = pooled(text, photo, even)
    assert np.isfinite(fused).all() and fused[0, 0] == pytest.approx(fused[0, 1])


def test_calibrated_probabilities_are_kept_and_overconfident_ones_are_flattened() -> None:
    probabilities, labels = simulated(4000, 0.7, 0)
    assert fit_one(probabilities, labels)["text"] == pytest.approx(1, abs=0.1)
    sharp = probabilities**3 / (probabilities**3).sum(1, keepdims=True)
    assert fit_one(sharp, labels)["text"] == pytest.approx(1 / 3, abs=0.05)


def test_an_uninformative_model_gets_no_weight() -> None:
    probabilities, labels = simulated(4000, 0.5, 1)
    noise, _ = simulated(4000, 0.5, 2)
    weights = fit_weights({"text": probabilities, "photo": noise}, labels)["photo+text"]
    assert weights["text"] == pytest.approx(1, abs=0.15) and weights["photo"] < 0.05


def test_two_equal_models_share_the_weight_of_one() -> None:
    probabilities, labels = simulated(4000, 0.7, 10)
    weights = fit_weights({"text": probabilities, "echo": probabilities}, labels)["echo+text"]
    assert weights["text"] + weights["echo"] == pytest.approx(1, abs=0.1)
    few = fit_weights({"text": probabilities[:5], "echo": probabilities[:5]}, labels[:5])
    assert few["echo+text"]["text"] + few["echo+text"]["echo"] < 1.5, (
        "even when fitted on five products"
    )


def test_a_model_with_few_predictions_does_not_change_the_other_sets() -> None:
    text, labels = simulated(600, 0.5, 11)
    photo, _ = simulated(600, 1.0, 12)
    third = photo.copy()
    third[100:] = np.nan
    models = {"text": text, "photo": photo}
    without_third = fit_weights(models, labels)
    weights = fit_weights({**models, "third": third}, labels)
    assert {name: weights[name] for name in without_third} == without_third
    head = {"text": text[:100], "photo": photo[:100], "third": third[:100]}
    head_weights = fit_weights(head, labels[:100])
    assert weights["photo+text+third"] == head_weights["photo+text+third"]
    assert len(weights) == 7, "every non-empty set of three models"


def test_without_a_photo_the_prior_remains() -> None:
    probabilities, labels = simulated(50, 0.5, 3)
    photo = np.full_like(probabilities, np.nan)
    weights = fit_weights({"text": probabilities, "photo": photo}, labels)
    assert weights["photo+text"] == {"photo": 0.5, "text": 0.5, "noise": 0}
    assert weights["photo"] == {"photo": 1, "noise": 0}


def test_photos_are_averaged_by_product() -> None:
    values = np.array([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5]])
    means = average_photos(values, pd.Series(["a", "b", "a"]), pd.Series(["b", "a", "none", "b"]))
    np.testing.assert_array_equal(means[[0, 1, 3]], [[0.5, 0.5], [0.75, 0.25], [0.5, 0.5]])
    assert np.isnan(means[2]).all()


def test_a_single_model_still_ranks_the_classes() -> None:
    noise, _ = simulated(400, 0.5, 5)
    labels = noise.argmin(1)  # worse than chance: its best exponent would be negative
    weights = fit_weights({"text": noise}, labels)
    assert weights["text"]["text"] > 0
    assert (pool({"text": noise}, weights, SHARES).argmax(1) == noise.argmax(1)).all()


def test_the_noise_equals_the_share_of_wrong_labels() -> None:
    probabilities, labels = simulated(4000, 0.3, 6)
    rng = np.random.default_rng(7)
    is_wrong = rng.random(4000) < 0.15
    noisy = np.where(is_wrong, rng.integers(3, size=4000), labels)
    weights = fit_one(probabilities, noisy)
    assert weights["noise"] == pytest.approx(0.15, abs=0.03)
    assert weights["text"] == pytest.approx(1, abs=0.1)


def test_noise_is_spread_over_the_classes() -> None:
    weights = {"text": {"text": 1.0, "noise": 0.3}}
    fused = pool({"text": np.array([[1.0, 0, 0]])}, weights, SHARES)
    np.testing.assert_allclose(fused, [[0.8, 0.1, 0.1]], atol=1e-5)
