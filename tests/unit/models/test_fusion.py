"""Several models' probabilities in one, whichever there are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.svm import LinearSVC

from market.models.fusion import average_photos, fit_weights, margin_probabilities, pool

SHARES = np.array([0.5, 0.3, 0.2])
NOTHING = np.full((1, 3), np.nan)
WEIGHTS = {
    "photo": {"photo": 1.0, "noise": 0.0},
    "photo+text": {"photo": 0.5, "text": 1.0, "noise": 0.0},
    "text": {"text": 2.0, "noise": 0.0},
}
CURVE = {"sharpness": 4.0, "threshold": 0.0}


def simulated(n: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities that are right as often as they say."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(3, noise), n)
    labels = np.array([rng.choice(3, p=p) for p in probabilities])
    return probabilities, labels


def pooled(text: np.ndarray, photo: np.ndarray, weights: dict = WEIGHTS) -> np.ndarray:
    return pool({"text": text, "photo": photo}, weights, SHARES)


def fit_one(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    return dict(fit_weights({"text": probabilities}, labels)["text"])


def test_the_answer_depends_on_what_there_is() -> None:
    text, photo = np.array([[0.6, 0.3, 0.1]]), np.array([[0.2, 0.2, 0.6]])
    both = text * photo**0.5
    np.testing.assert_allclose(pooled(text, photo), both / both.sum())
    squared = text**2
    np.testing.assert_allclose(pooled(text, NOTHING), squared / squared.sum())
    np.testing.assert_allclose(pooled(NOTHING, photo), photo)
    np.testing.assert_allclose(pooled(NOTHING, NOTHING), [SHARES])


def test_a_model_left_out_is_a_model_without_an_answer() -> None:
    text, nothing = np.array([[0.6, 0.3, 0.1], [0.1, 0.1, 0.8]]), np.tile(NOTHING, (2, 1))
    np.testing.assert_array_equal(pool({"text": text}, WEIGHTS, SHARES), pooled(text, nothing))


def test_the_order_of_the_models_does_not_matter() -> None:
    text, labels = simulated(300, 0.5, 8)
    photo, _ = simulated(300, 1.0, 9)
    one, other = {"text": text, "photo": photo}, {"photo": photo, "text": text}
    assert fit_weights(one, labels) == fit_weights(other, labels)
    weights = fit_weights(one, labels)
    np.testing.assert_array_equal(pool(one, weights, SHARES), pool(other, weights, SHARES))


def test_certainty_does_not_outvote_everything() -> None:
    text, photo = np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 1.0, 0.0]])
    even = {"photo+text": {"photo": 1.0, "text": 1.0, "noise": 0.0}}
    found = pooled(text, photo, even)
    assert np.isfinite(found).all() and found[0, 0] == pytest.approx(found[0, 1])


def test_calibrated_probabilities_stay_and_sharpened_ones_are_tempered() -> None:
    probabilities, labels = simulated(4000, 0.7, 0)
    assert fit_one(probabilities, labels)["text"] == pytest.approx(1, abs=0.1)
    sharp = probabilities**3 / (probabilities**3).sum(1, keepdims=True)
    assert fit_one(sharp, labels)["text"] == pytest.approx(1 / 3, abs=0.05)


def test_a_model_that_knows_nothing_gets_no_weight() -> None:
    probabilities, labels = simulated(4000, 0.5, 1)
    noise, _ = simulated(4000, 0.5, 2)
    both = fit_weights({"text": probabilities, "photo": noise}, labels)["photo+text"]
    assert both["text"] == pytest.approx(1, abs=0.15) and both["photo"] < 0.05


def test_a_model_that_says_it_twice_is_not_believed_twice() -> None:
    probabilities, labels = simulated(4000, 0.7, 10)
    weights = fit_weights({"text": probabilities, "echo": probabilities}, labels)["echo+text"]
    assert weights["text"] + weights["echo"] == pytest.approx(1, abs=0.1)
    few = fit_weights({"text": probabilities[:5], "echo": probabilities[:5]}, labels[:5])
    assert few["echo+text"]["text"] + few["echo+text"]["echo"] < 1.5, "not even of five products"


def test_a_model_that_answers_few_keeps_no_product_from_the_others() -> None:
    text, labels = simulated(600, 0.5, 11)
    photo, _ = simulated(600, 1.0, 12)
    third = photo.copy()
    third[100:] = np.nan
    models = {"text": text, "photo": photo}
    alone = fit_weights(models, labels)
    weights = fit_weights({**models, "third": third}, labels)
    assert {name: weights[name] for name in alone} == alone
    of_few = {"text": text[:100], "photo": photo[:100], "third": third[:100]}
    few = fit_weights(of_few, labels[:100])
    assert weights["photo+text+third"] == few["photo+text+third"]
    assert len(weights) == 7, "every set of three"


def test_without_a_single_photo_there_is_nothing_to_fit() -> None:
    probabilities, labels = simulated(50, 0.5, 3)
    photo = np.full_like(probabilities, np.nan)
    weights = fit_weights({"text": probabilities, "photo": photo}, labels)
    assert weights["photo+text"] == {"photo": 0.5, "text": 0.5, "noise": 0}
    assert weights["photo"] == {"photo": 1, "noise": 0}


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
    found = margin_probabilities(LinearSVC(random_state=0).fit(x, y), x, 3, **CURVE)
    assert (found.argmax(1) == y).all()
    np.testing.assert_allclose(found.sum(1), 1)
    assert (found[:, [c for c in range(3) if c not in labels]] == 0).all()


def test_sharper_margins_are_surer_of_the_same() -> None:
    x = pd.DataFrame(np.eye(3)[[0, 1, 2] * 4])
    model = LinearSVC(random_state=0).fit(x, [0, 1, 2] * 4)
    soft, sharp = (
        margin_probabilities(model, x, 3, sharpness=sharpness, threshold=0.0)
        for sharpness in (1.0, 4.0)
    )
    assert (soft.argmax(1) == sharp.argmax(1)).all() and (sharp.max(1) > soft.max(1)).all()


def test_a_margin_at_the_threshold_is_as_likely_as_not() -> None:
    class Margins:
        classes_ = np.arange(2)

        def decision_function(self, table: pd.DataFrame) -> np.ndarray:
            return table.to_numpy()

    margins = pd.DataFrame([[-0.3, 9.0], [-0.3, -0.3], [-9.0, -0.3]])
    found = margin_probabilities(Margins(), margins, 2, sharpness=6.0, threshold=-0.3)
    np.testing.assert_allclose(found[:, 0], [1 / 3, 1 / 2, 0], atol=1e-9)


def test_a_model_alone_always_ranks_the_classes() -> None:
    noise, _ = simulated(400, 0.5, 5)
    labels = noise.argmin(1)  # worse than chance: its best exponent would be negative
    weights = fit_weights({"text": noise}, labels)
    assert weights["text"]["text"] > 0
    assert (pool({"text": noise}, weights, SHARES).argmax(1) == noise.argmax(1)).all()


def test_odd_labels_make_answers_no_more_timid_than_they_are_many() -> None:
    probabilities, labels = simulated(4000, 0.3, 6)
    rng = np.random.default_rng(7)
    odd = rng.random(4000) < 0.15
    noisy = np.where(odd, rng.integers(3, size=4000), labels)
    found = fit_one(probabilities, noisy)
    assert found["noise"] == pytest.approx(0.15, abs=0.03)
    assert found["text"] == pytest.approx(1, abs=0.1)


def test_label_noise_is_spread_over_the_classes() -> None:
    weights = {"text": {"text": 1.0, "noise": 0.3}}
    found = pool({"text": np.array([[1.0, 0, 0]])}, weights, SHARES)
    np.testing.assert_allclose(found, [[0.8, 0.1, 0.1]], atol=1e-5)
