"""Places: coordinates of towns by name and county, and distances between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from market.search.distances import distance_km, on_sphere
from market.search.gazetteer import Gazetteer, read_gazetteer
from market.search.locations import (
    count_unknown_places,
    find_place,
    locate,
    place_listings,
    searchable_places,
    warn_of_unknown_places,
)


@pytest.fixture(scope="module")
def britain() -> Gazetteer:
    return read_gazetteer("GB")


def test_the_gazetteer_lists_a_countrys_places_largest_first(britain: Gazetteer) -> None:
    names, places = britain.names, britain.places
    assert names["name"].iat[0] == "london" and places["population"].is_monotonic_decreasing
    within = places["latitude"].between(49, 61) & places["longitude"].between(-9, 2)
    assert within.mean() > 0.999, "all but two bases in Cyprus"
    assert names["name"].ne("").all() and not names.duplicated(["name", "place"]).any()


def towns(*rows: tuple[str, str]) -> pd.Series:
    texts = [", ".join(filter(None, row)) for row in rows]
    return pd.Series(texts, index=range(7, 7 + len(rows)), dtype=str)


def test_known_towns_have_their_coordinates(britain: Gazetteer) -> None:
    locations = towns(("Leeds", "West Yorkshire"), ("Swansea", ""), ("Bradford", "West Yorkshire"))
    coordinates = locate(locations, britain)
    assert coordinates.index.equals(locations.index)
    np.testing.assert_allclose(coordinates.to_numpy()[0], [53.8, -1.55], atol=0.05)
    np.testing.assert_allclose(coordinates.to_numpy()[1], [51.62, -3.94], atol=0.05)
    np.testing.assert_allclose(coordinates.to_numpy()[2], [53.79, -1.75], atol=0.05)


def test_the_county_distinguishes_towns_with_the_same_name(britain: Gazetteer) -> None:
    shropshire = [(town, "Shropshire") for town in ("Telford", "Shrewsbury", "Oswestry")]
    wales = [(town, "Gwent") for town in ("Cwmbran", "Ebbw Vale", "Abergavenny")]
    island = [(town, "Isle of Wight") for town in ("Ryde", "Cowes", "Sandown")]
    counties = [*shropshire, *wales, *island]
    newports = [("Newport", county) for county in ("Shropshire", "Gwent", "Isle of Wight")]
    coordinates = locate(towns(*counties, *newports), britain).to_numpy()[-3:]
    expected = [[52.77, -2.38], [51.59, -3.0], [50.70, -1.29]]
    np.testing.assert_allclose(coordinates, expected, atol=0.05)


def test_an_unlisted_part_of_a_city_gets_the_citys_coordinates(britain: Gazetteer) -> None:
    rows = towns(("Nowhereton", "London"), ("Old Town", "Swindon"), ("London", ""))
    coordinates = locate(rows, britain).to_numpy()
    assert distance_km(coordinates[2, 0], coordinates[2, 1], on_sphere(coordinates[:1]))[0] < 1
    np.testing.assert_allclose(coordinates[1], [51.56, -1.78], atol=0.05)


def test_a_namesake_far_from_the_county_is_not_chosen(britain: Gazetteer) -> None:
    cornwall = [(town, "Cornwall") for town in ("Truro", "Falmouth", "Bodmin")]
    coordinates = locate(towns(*cornwall, ("Sunderland", "Cornwall")), britain).to_numpy()
    assert np.isfinite(coordinates[:3]).all() and np.isnan(coordinates[3]).all()


def test_unknown_places_are_nan(britain: Gazetteer) -> None:
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
            "latitude": [52.77, 52.77, 51.59, np.nan],
            "longitude": [-2.38, -2.38, -3.0, np.nan],
        }
    )
    places = searchable_places(listings).set_index("name")
    assert places.index.is_unique
    assert set(places.index) == {"newport shropshire", "newport gwent", "newport"}
    assert places.loc["newport"].tolist() == [52.77, -2.38]
    assert places.loc["newport gwent"].tolist() == [51.59, -3.0]


# --- Places of the country that is set ------------------------------------------------------------
WORLD: dict[str, dict[str, tuple[float, float] | None]] = {
    "US": {
        "Austin, TX": (30.27, -97.74), "austin tx 78701": (30.27, -97.74),
        "Austin, Texas, USA": (30.27, -97.74), "Portland, ME": (43.66, -70.26),
        "Portland": (45.52, -122.68), "Los Angeles, California": (34.05, -118.24),
        "Houston, Harris County, TX": (29.76, -95.37), "Washington, DC": (38.90, -77.04),
        "Downtown, Austin, TX": (30.27, -97.74), "Nowhere, TX": None, "California": None,
        "Paris, France": None, "30.27, -97.74": (30.27, -97.74),
    },
    "DE": {
        "München": (48.14, 11.58), "Muenchen": (48.14, 11.58), "80331 München": (48.14, 11.58),
        "D-80331 München, Bayern": (48.14, 11.58), "Frankfurt (Oder)": (52.35, 14.55),
        "Frankfurt a.M.": (50.11, 8.68), "Berlin-Kreuzberg": (52.50, 13.40),
        "70173 Stuttgart (Mitte)": (48.78, 9.18), "Nürnberg, BY": (49.45, 11.08),
        "Hamburg, Deutschland": (53.55, 9.99), "10115": None,
    },
    "JP": {
        "渋谷区, 東京都": (35.66, 139.70), "Shibuya, Tokyo": (35.66, 139.70),
        "東京都渋谷区": (35.66, 139.70), "〒150-0002 東京都渋谷区": (35.66, 139.70),
        "大阪府大阪市": (34.69, 135.50), "福岡県福岡市博多区": (33.59, 130.42),
    },
    "BR": {"São Paulo - SP": (-23.55, -46.63), "Curitiba (PR)": (-25.43, -49.27)},
    "FR": {"Paris 15e": (48.85, 2.32), "Lyon (69)": (45.75, 4.85), "Nice 06000": (43.70, 7.27)},
}  # fmt: skip


def kilometres_between(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return float(distance_km(one[0], one[1], on_sphere(np.array([other])))[0])


@pytest.fixture(scope="module", params=WORLD)
def country(request: pytest.FixtureRequest) -> tuple[Gazetteer, dict]:
    return read_gazetteer(request.param), WORLD[request.param]


def test_locations_are_placed_as_people_of_the_country_write_them(country: tuple) -> None:
    gazetteer, expected = country
    found = locate(pd.Series([*expected]), gazetteer)
    for (text, point), (latitude, longitude) in zip(
        expected.items(), found.to_numpy(), strict=True
    ):
        if point is None:
            assert np.isnan(latitude), text
        else:
            kilometres = kilometres_between(point, (latitude, longitude))
            assert kilometres < 6, (text, latitude, longitude)


def test_large_towns_are_placed_by_the_name_and_the_code_of_their_region(country: tuple) -> None:
    gazetteer, _ = country
    towns = gazetteer.places.head(100)
    first_names = gazetteer.names[gazetteer.names["primary"]].drop_duplicates("place")
    names = first_names.set_index("place")["name"]
    regions = gazetteer.regions[gazetteer.regions["level"].eq(1)].groupby("region")["name"]
    for choose in ("first", "last"):  # the region's name, and its code
        region = getattr(regions, choose)()
        texts = [
            f"{names[place]}, {next(region[id_] for id_ in row.regions if id_ in region)}"
            for place, row in zip(towns.index, towns.itertuples(), strict=True)
        ]
        found = locate(pd.Series(texts), gazetteer)
        near = [
            kilometres_between(tuple(point), (row.latitude, row.longitude)) < 25
            for point, row in zip(found.to_numpy().tolist(), towns.itertuples(), strict=True)
        ]
        assert np.mean(near) >= 0.95, [
            text for text, is_near in zip(texts, near, strict=True) if not is_near
        ]


def test_a_saved_gazetteer_finds_the_same_places(britain: Gazetteer, tmp_path: Path) -> None:
    britain.save(tmp_path / "gazetteer")
    opened = Gazetteer.load(tmp_path / "gazetteer")
    for text in ("Newport, Shropshire", "Leeds, England", "Hull", "London SW1A 1AA", "Atlantis"):
        assert find_place(text, opened) == find_place(text, britain)
    assert find_place("Atlantis", opened) is None


def test_coordinates_of_the_export_replace_those_of_the_location(britain: Gazetteer) -> None:
    listings = pd.DataFrame({"location": ["Leeds", "Leeds", "Leeds", "Atlantis"]})
    stated = pd.DataFrame({"latitude": [50.0, 0.0, 95.0, None], "longitude": [1.0, 0.0, 1.0, None]})
    placed = place_listings(listings, britain, stated)
    assert placed.iloc[0].tolist() == [50.0, 1.0]
    np.testing.assert_allclose(placed.iloc[1:3].to_numpy(), [[53.8, -1.55]] * 2, atol=0.05)
    assert placed.iloc[3].isna().all()


def test_many_unknown_places_are_a_warning_with_examples_and_a_remedy() -> None:
    listings = pd.DataFrame({"location": ["Austin, TX"] * 2 + ["Leeds"] * 18, "latitude": 53.8})
    assert warn_of_unknown_places(listings, "GB", "models/index") is None
    listings.loc[:2, "latitude"] = np.nan
    warning = warn_of_unknown_places(listings, "GB", "models/index")
    assert warning and "3 of 20 listings" in warning and "'Austin, TX'" in warning
    assert "input.country (now GB)" in warning and "models/index/unknown_places.csv" in warning
    nowhere = pd.DataFrame({"location": [""] * 3, "latitude": [np.nan] * 3})
    warning = warn_of_unknown_places(nowhere, "GB", "models/index")
    assert warning and "no location" in warning
