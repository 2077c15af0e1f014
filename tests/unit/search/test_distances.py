"""Great-circle distances."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import haversine_distances

from market.search.distances import EARTH_RADIUS_KM, distance_km, on_sphere


def test_distances_equal_known_ones() -> None:
    places = np.array([[0, 0], [0, 1], [90, 0], [np.nan, 1], [0, 180]], float)
    degree = 2 * np.pi * 6371 / 360
    distances = distance_km(0, 0, on_sphere(places))
    np.testing.assert_allclose(distances, [0, degree, 90 * degree, np.nan, 180 * degree], rtol=1e-5)
    leeds_to_york = distance_km(53.7965, -1.5478, on_sphere(np.array([[53.9576, -1.0827]])))
    assert leeds_to_york[0] == pytest.approx(35.4, abs=0.5)
    assert distance_km(0, 0, on_sphere(np.empty((0, 2)))).shape == (0,)


def test_distances_are_exact_to_within_metres() -> None:
    rng = np.random.default_rng(0)
    # Within a country, and within a village, where float32 coordinates nearly coincide.
    for spread, metres in ((5.0, 3), (0.01, 2)):
        places = np.array([54, -2]) + rng.uniform(-spread, spread, size=(1000, 2))
        distances = distance_km(54, -2, on_sphere(places))
        exact = haversine_distances(np.radians([[54, -2]]), np.radians(places))[0] * EARTH_RADIUS_KM
        np.testing.assert_allclose(distances, exact, rtol=0, atol=metres / 1e3)
