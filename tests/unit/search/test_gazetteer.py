"""Places: towns by name and county, and how far they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics.pairwise import haversine_distances

from market.search.gazetteer import (
    EARTH_RADIUS_KM,
    distance_km,
    fold,
    locate,
    on_sphere,
    read_gazetteer,
)


@pytest.fixture(scope="module")
def britain() -> pd.DataFrame:
    return read_gazetteer("GB")


def test_the_gazetteer_knows_a_countrys_places_the_largest_first(britain: pd.DataFrame) -> None:
    assert britain.columns.tolist() == ["name", "own", "latitude", "longitude"]
    assert britain["name"].iat[0] == "london"
    within = britain["latitude"].between(49, 61) & britain["longitude"].between(-9, 2)
    assert within.mean() > 0.999, "all but two bases in Cyprus"
    assert britain["name"].ne("").all()
    assert not britain.duplicated(["name", "latitude", "longitude"]).any()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Stoke-on-Trent", "stoke trent"),
        ("St. Ives", "Saint Ives"),
        ("King's Lynn", "KING’S  LYNN"),
        ("Newcastle upon Tyne", "Newcastle Tyne"),
        ("Tyne & Wear", "Tyne and Wear"),
        ("Bath City Centre", "Bath"),
    ],
)
def test_a_name_has_one_spelling(one: str, other: str) -> None:
    assert fold(one) == fold(other) != ""


def test_a_name_of_small_words_only_stays() -> None:
    assert fold("The City") == "the city" and fold(" 🔥 ") == ""


def test_distances_by_hand() -> None:
    places = np.array([[0, 0], [0, 1], [90, 0], [np.nan, 1], [0, 180]], float)
    degree = 2 * np.pi * 6371 / 360
    found = distance_km(0, 0, on_sphere(places))
    np.testing.assert_allclose(found, [0, degree, 90 * degree, np.nan, 180 * degree], rtol=1e-5)
    leeds_to_york = distance_km(53.7965, -1.5478, on_sphere(np.array([[53.9576, -1.0827]])))
    assert leeds_to_york[0] == pytest.approx(35.4, abs=0.5)
    assert distance_km(0, 0, on_sphere(np.empty((0, 2)))).shape == (0,)


def test_distances_are_exact_to_within_metres() -> None:
    rng = np.random.default_rng(0)
    # A country, and a village: near each other in float32, the sphere's points are not the same.
    for spread, metres in ((5.0, 3), (0.01, 2)):
        places = np.array([54, -2]) + rng.uniform(-spread, spread, size=(1000, 2))
        found = distance_km(54, -2, on_sphere(places))
        exact = haversine_distances(np.radians([[54, -2]]), np.radians(places))[0] * EARTH_RADIUS_KM
        np.testing.assert_allclose(found, exact, rtol=0, atol=metres / 1e3)


def towns(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["town", "county"], index=range(7, 7 + len(rows)))


def test_known_towns_lie_where_they_lie(britain: pd.DataFrame) -> None:
    locations = towns(("Leeds", "West Yorkshire"), ("Swansea", ""), ("Bradford", "West Yorkshire"))
    found = locate(locations, britain)
    assert found.index.equals(locations.index)
    np.testing.assert_allclose(found.to_numpy()[0], [53.8, -1.55], atol=0.05)
    np.testing.assert_allclose(found.to_numpy()[1], [51.62, -3.94], atol=0.05)
    np.testing.assert_allclose(found.to_numpy()[2], [53.79, -1.75], atol=0.05)


def test_the_county_tells_towns_of_one_name_apart(britain: pd.DataFrame) -> None:
    shropshire = [(town, "Shropshire") for town in ("Telford", "Shrewsbury", "Oswestry")]
    wales = [(town, "Gwent") for town in ("Cwmbran", "Ebbw Vale", "Abergavenny")]
    island = [(town, "Isle of Wight") for town in ("Ryde", "Cowes", "Sandown")]
    counties = [*shropshire, *wales, *island]
    newports = [("Newport", county) for county in ("Shropshire", "Gwent", "Isle of Wight")]
    found = locate(towns(*counties, *newports), britain).to_numpy()[-3:]
    wanted = [[52.77, -2.38], [51.59, -3.0], [50.70, -1.29]]
    np.testing.assert_allclose(found, wanted, atol=0.05)


def test_part_of_a_city_lies_where_the_city_lies(britain: pd.DataFrame) -> None:
    rows = towns(("Nowhereton", "London"), ("Old Town", "Swindon"), ("London", ""))
    found = locate(rows, britain).to_numpy()
    assert distance_km(found[2, 0], found[2, 1], on_sphere(found[:1]))[0] < 1
    np.testing.assert_allclose(found[1], [51.56, -1.78], atol=0.05)


def test_a_namesake_far_from_the_county_is_not_meant(britain: pd.DataFrame) -> None:
    cornwall = [(town, "Cornwall") for town in ("Truro", "Falmouth", "Bodmin")]
    found = locate(towns(*cornwall, ("Sunderland", "Cornwall")), britain).to_numpy()
    assert np.isfinite(found[:3]).all() and np.isnan(found[3]).all()


def test_what_is_not_known_is_nan(britain: pd.DataFrame) -> None:
    unknown = towns(("Ambridge", "Borsetshire"), ("", ""), ("🔥", ""), ("Leeds", ""))
    found = locate(unknown, britain)
    assert found.isna().all(axis=1).tolist() == [True, True, True, False]
    assert locate(towns(), britain).shape == (0, 2)
