"""Places: coordinates of towns by name and county, and distances between them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics.pairwise import haversine_distances

from market.search.gazetteer import (
    EARTH_RADIUS_KM,
    count_unknown_places,
    distance_km,
    locate,
    normalise_place_name,
    on_sphere,
    read_gazetteer,
    searchable_places,
)


@pytest.fixture(scope="module")
def britain() -> pd.DataFrame:
    return read_gazetteer("GB")


def test_the_gazetteer_lists_a_countrys_places_largest_first(britain: pd.DataFrame) -> None:
    assert britain.columns.tolist() == ["name", "primary", "latitude", "longitude"]
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
def test_spellings_of_a_place_are_equal_after_normalisation(one: str, other: str) -> None:
    assert normalise_place_name(one) == normalise_place_name(other) != ""


def test_a_name_of_small_words_only_is_kept() -> None:
    assert normalise_place_name("The City") == "the city"
    assert normalise_place_name(" 🔥 ") == ""


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


def towns(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["town", "county"], index=range(7, 7 + len(rows)))


def test_known_towns_have_their_coordinates(britain: pd.DataFrame) -> None:
    locations = towns(("Leeds", "West Yorkshire"), ("Swansea", ""), ("Bradford", "West Yorkshire"))
    coordinates = locate(locations, britain)
    assert coordinates.index.equals(locations.index)
    np.testing.assert_allclose(coordinates.to_numpy()[0], [53.8, -1.55], atol=0.05)
    np.testing.assert_allclose(coordinates.to_numpy()[1], [51.62, -3.94], atol=0.05)
    np.testing.assert_allclose(coordinates.to_numpy()[2], [53.79, -1.75], atol=0.05)


def test_the_county_distinguishes_towns_with_the_same_name(britain: pd.DataFrame) -> None:
    shropshire = [(town, "Shropshire") for town in ("Telford", "Shrewsbury", "Oswestry")]
    wales = [(town, "Gwent") for town in ("Cwmbran", "Ebbw Vale", "Abergavenny")]
    island = [(town, "Isle of Wight") for town in ("Ryde", "Cowes", "Sandown")]
    counties = [*shropshire, *wales, *island]
    newports = [("Newport", county) for county in ("Shropshire", "Gwent", "Isle of Wight")]
    coordinates = locate(towns(*counties, *newports), britain).to_numpy()[-3:]
    expected = [[52.77, -2.38], [51.59, -3.0], [50.70, -1.29]]
    np.testing.assert_allclose(coordinates, expected, atol=0.05)


def test_an_unlisted_part_of_a_city_gets_the_citys_coordinates(britain: pd.DataFrame) -> None:
    rows = towns(("Nowhereton", "London"), ("Old Town", "Swindon"), ("London", ""))
    coordinates = locate(rows, britain).to_numpy()
    assert distance_km(coordinates[2, 0], coordinates[2, 1], on_sphere(coordinates[:1]))[0] < 1
    np.testing.assert_allclose(coordinates[1], [51.56, -1.78], atol=0.05)


def test_a_namesake_far_from_the_county_is_not_chosen(britain: pd.DataFrame) -> None:
    cornwall = [(town, "Cornwall") for town in ("Truro", "Falmouth", "Bodmin")]
    coordinates = locate(towns(*cornwall, ("Sunderland", "Cornwall")), britain).to_numpy()
    assert np.isfinite(coordinates[:3]).all() and np.isnan(coordinates[3]).all()


def test_unknown_places_are_nan(britain: pd.DataFrame) -> None:
    unknown = towns(("Ambridge", "Borsetshire"), ("", ""), ("🔥", ""), ("Leeds", ""))
    coordinates = locate(unknown, britain)
    assert coordinates.isna().all(axis=1).tolist() == [True, True, True, False]
    assert locate(towns(), britain).shape == (0, 2)


def test_unknown_locations_are_counted_most_frequent_first() -> None:
    listings = pd.DataFrame(
        {
            "location": ["Ambridge", "Leeds", "Atlantis", "Ambridge"],
            "latitude": [np.nan, 53.8, np.nan, np.nan],
        }
    )
    assert count_unknown_places(listings).to_dict("records") == [
        {"location": "Ambridge", "listings": 2},
        {"location": "Atlantis", "listings": 1},
    ]


def test_a_town_without_its_county_is_the_one_with_most_listings() -> None:
    listings = pd.DataFrame(
        {
            "location": ["Newport, Shropshire"] * 2 + ["Newport, Gwent", "Nowhere"],
            "town": ["Newport"] * 3 + ["Nowhere"],
            "latitude": [52.77, 52.77, 51.59, np.nan],
            "longitude": [-2.38, -2.38, -3.0, np.nan],
        }
    )
    gazetteer = pd.DataFrame(
        {
            "name": ["newport", "cwmbran", "casnewydd"],
            "primary": [True, True, False],
            "latitude": [51.59, 51.65, 51.59],
            "longitude": [-3.0, -3.02, -3.0],
        }
    )
    places = searchable_places(listings, gazetteer).set_index("name")
    assert places.index.is_unique and set(places.index) == {
        "newport shropshire", "newport gwent", "newport", "cwmbran",
    }  # fmt: skip
    assert places.loc["newport"].tolist() == [52.77, -2.38]
    assert places.loc["newport gwent"].tolist() == [51.59, -3.0]
