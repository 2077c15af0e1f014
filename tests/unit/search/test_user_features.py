"""User features: values computed by hand, and NaN where a value is unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from market.search.user_features import (
    HALF_DISTANCE_KM,
    PRICE_SPREAD,
    USER_FEATURES,
    Attributes,
    compute_user_features,
    event_decay,
    proximity,
)

LEEDS, YORK, PARIS = (53.8, -1.55), (53.96, -1.08), (48.86, 2.35)
UNKNOWN = (np.nan, np.nan)


def listings(**given: Any) -> Attributes:
    """Return listings with the `given` attributes; all others are unknown."""
    count = len(next(iter(given.values())))
    paths = np.empty(count, object)
    paths[:] = [tuple(path.split()) for path in given.get("category", [""] * count)]
    return Attributes(
        category=paths,
        price=np.array(given.get("price", [np.nan] * count), float),
        text=np.array(given.get("text", [[0, 0]] * count), np.float32),
        photo=np.array(given.get("photo", [[0, 0]] * count), np.float32),
        place=np.array(given.get("place", [UNKNOWN] * count), float),
    )


def feature_of(name: str, liked: list, weights: list[float], candidates: list) -> list[float]:
    features = compute_user_features(
        listings(**{name: liked}), np.array(weights), listings(**{name: candidates})
    )
    assert features.columns.tolist() == USER_FEATURES
    column = {
        "category": "user_category",
        "price": "user_price",
        "text": "user_text_similarity",
        "photo": "user_image_similarity",
        "place": "proximity",
    }
    others = features.drop(columns=column.get(name, name))
    assert others.isna().all(axis=None) or name != "category"
    return features[column.get(name, name)].tolist()


def test_a_category_counts_by_each_level_of_its_path() -> None:
    values = feature_of(
        "category", ["a b c", "a b d", "x"], [2, 1, 1], ["a b c", "a b", "a z", "x", "q", ""]
    )
    expected = [(0.75 + 0.75 + 0.5) / 3, 0.75, (0.75 + 0) / 2, 0.25, 0, np.nan]
    assert values == pytest.approx(expected, nan_ok=True)


def test_a_price_counts_by_its_distance_in_logarithms() -> None:
    values = feature_of("price", [99, np.nan], [1, 5], [99, 199, 49, 0, np.nan])
    logs = np.log([1, 2, 0.5, 0.01])
    near = np.exp(-0.5 * (logs / PRICE_SPREAD) ** 2)
    assert values == pytest.approx([*near, np.nan], nan_ok=True)
    two = feature_of("price", [99, 199], [3, 1], [99])
    assert two == pytest.approx([0.75 + 0.25 * near[1]])


@pytest.mark.parametrize("name", ["text", "photo"])
def test_similarity_is_the_quadratic_mean_over_the_history(name: str) -> None:
    liked = [[1, 0], [0, 1], [0, 0]]
    values = feature_of(name, liked, [4, 1, 9], [[1, 0], [0, 1], [0.6, 0.8], [-1, 0], [0, 0]])
    # The second counts a fifth; the third has no vector.
    squares = [0.8, 0.2, 0.8 * 0.36 + 0.2 * 0.64, 0, np.nan]
    assert values == pytest.approx(np.sqrt(squares).tolist(), nan_ok=True, abs=1e-6)
    assert feature_of(name, [[1, 0]] * 3, [1, 2, 3], [[0.6, 0.8]]) == pytest.approx([0.6])


def test_proximity_is_to_the_middle_of_the_history() -> None:
    values = feature_of(
        "place", [LEEDS, LEEDS, PARIS, UNKNOWN], [1, 1, 1, 9], [LEEDS, YORK, UNKNOWN]
    )
    assert values[0] == pytest.approx(1) and np.isnan(values[2])
    assert values[1] == pytest.approx(0.5 ** (35.6 / HALF_DISTANCE_KM), rel=0.02)


def test_proximity_halves_with_the_distance() -> None:
    assert proximity(
        np.array([0, HALF_DISTANCE_KM, 2 * HALF_DISTANCE_KM, np.nan])
    ) == pytest.approx([1, 0.5, 0.25, np.nan], nan_ok=True)


@pytest.mark.parametrize("name", ["price", "text", "photo", "place"])
def test_an_attribute_unknown_in_the_history_gives_no_feature(name: str) -> None:
    unknown = {"price": np.nan, "text": [0, 0], "photo": [0, 0], "place": UNKNOWN}[name]
    known = {"price": 5, "text": [1, 0], "photo": [1, 0], "place": LEEDS}[name]
    assert np.isnan(feature_of(name, [unknown], [1], [known, unknown])).all()


def test_there_may_be_no_candidates() -> None:
    features = compute_user_features(listings(price=[5]), np.ones(1), listings(price=[]))
    assert features.columns.tolist() == USER_FEATURES and features.empty


def test_later_events_count_more() -> None:
    times = pd.Series(pd.to_datetime(["2022-01-01", "2022-01-15", "2022-01-29", "2022-01-29"]))
    steps = 0.5 ** (np.array([3, 2, 1, 0]) / 20)
    np.testing.assert_allclose(event_decay(times), [0.25, 0.5, 1, 1] * steps)


def test_an_event_of_unknown_time_decays_by_its_place() -> None:
    times = pd.Series(pd.to_datetime([None, None, "2022-01-29", None]))
    np.testing.assert_allclose(event_decay(times), 0.5 ** (np.array([3, 2, 1, 0]) / 20))
    assert event_decay(times[:0]).shape == (0,)


def test_a_new_preference_outweighs_an_old_one() -> None:
    times = pd.Series(pd.to_datetime(["2022-01-01", "2022-02-01"]))
    values = feature_of("category", ["a", "b"], event_decay(times).tolist(), ["a", "b"])
    assert values[1] > 4 * values[0] > 0
