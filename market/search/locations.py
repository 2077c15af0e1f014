"""Coordinates of the locations of listings."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

import numpy as np
import pandas as pd

from market.search.distances import distance_km, on_sphere
from market.search.gazetteer import LEVELS, Gazetteer
from market.search.place_names import (
    normalise_place_name,
    parse_coordinates,
    place_key,
    readings,
)
from market.search.postcodes import DISTRIBUTION, PACKAGE, VERIFIED, Postcode

MAX_COUNTY_RADIUS_KM = 80.0  # a town farther from the rest of its county is a namesake elsewhere
MAX_DISTRICT_RADIUS_KM = 25.0  # the largest district that its largest place stands for
MAX_REGION_WORDS = 4  # Rio Grande do Sul
MIN_CITY = 30_000  # inhabitants of a city whose parts are written after its name
COORDINATES = ["latitude", "longitude"]
MANY_UNPLACED = 0.1  # share of the listings
EXAMPLES = 3
Point = tuple[float, float]


def locate(locations: pd.Series, gazetteer: Gazetteer) -> pd.DataFrame:
    """Look up the coordinates of locations.

    "Town, Region" is the largest place of that name in the region. Other parts of a location, such
    as a county that is no official region, tell namesakes apart by distance: the one nearest to the
    median of the county's other towns is chosen, unless it is farther than MAX_COUNTY_RADIUS_KM. A
    part of a city that the gazetteer does not list ("Nowhereton, London") gets the coordinates of
    the city.

    Parameters
    ----------
    locations
        (n,) texts, such as "Leeds, West Yorkshire", "Austin, TX" or "52.52, 13.40".
    gazetteer
        The places of the country.

    Returns
    -------
    DataFrame
        `latitude` and `longitude` (degrees) of each row, with the index of `locations`; NaN where
        the place is unknown.
    """
    texts = locations.drop_duplicates().tolist()
    points: dict[str, Point | None] = {text: find_exactly(text, gazetteer) for text in texts}
    medians = _county_medians(points, gazetteer)
    for text, point in points.items():
        if point is None:
            nearby = find_nearby(text, gazetteer, medians)
            points[text] = nearby or find_postcode(text, gazetteer)
    unknown = (np.nan, np.nan)
    rows = [points[text] or unknown for text in locations]
    return pd.DataFrame(rows, index=locations.index, columns=COORDINATES, dtype=float)


def find_place(text: str, gazetteer: Gazetteer) -> Point | None:
    """Return latitude and longitude of one location; None if it is unknown."""
    return (
        find_exactly(text, gazetteer)
        or find_nearby(text, gazetteer, {})
        or find_postcode(text, gazetteer)
    )


def find_postcode(text: str, gazetteer: Gazetteer) -> Point | None:
    """Return the coordinates of a postcode alone, or of the place that has it; None if unknown.

    For the postcode of a village that the gazetteer does not have, they are the median of the
    places with the next postcodes.
    """
    row = gazetteer.find_postcode(text)
    if row is None:
        return None
    if point := _postcode_place(row, gazetteer):
        return point
    places = [_postcode_place(other, gazetteer) for other in gazetteer.next_postcodes(text)]
    known = [place for place in places if place is not None]
    latitude, longitude = np.median(known, axis=0) if known else (np.nan, np.nan)
    return (float(latitude), float(longitude)) if known else None


def _postcode_place(row: Postcode, gazetteer: Gazetteer) -> Point | None:
    if not np.isnan(row.latitude):
        return row.latitude, row.longitude
    for place in (f"{row.name}, {row.region}", row.name):
        if point := find_exactly(place, gazetteer) or find_nearby(place, gazetteer, {}):
            return point
    return None


def find_exactly(text: str, gazetteer: Gazetteer) -> Point | None:
    """Return the coordinates that a location states, or those of a town in the region it names."""
    if point := parse_coordinates(text):
        return point
    for names in _readings(text, gazetteer):
        for variant in (names, *_split_region_last(names, gazetteer)):
            if len(variant) == 1:
                place = _only_name(variant[0], gazetteer)
            else:
                place = _in_named_region(variant, gazetteer)
            if place is not None:
                return gazetteer.coordinates(place)
    return None


def find_nearby(text: str, gazetteer: Gazetteer, medians: Mapping[str, Point]) -> Point | None:
    """Return coordinates by what lies near: the county's other towns, or the city of a part.

    `medians` has the median coordinates of the towns of each county, by its key.
    """
    all_names = _readings(text, gazetteer)
    for names in all_names:
        if point := _near_county(names, gazetteer, medians):
            return point
    cities = [_city(names, gazetteer, medians) for names in all_names]
    largest = min((place for place in cities if place is not None), default=None)
    return None if largest is None else gazetteer.coordinates(largest)


def _readings(text: str, gazetteer: Gazetteer) -> list[list[str]]:
    """Return the readings of a location in this country; none for a place in another one."""
    result = []
    for names in readings(text, gazetteer.postcode_pattern):
        if len(names) > 1 and gazetteer.is_other_country(names[-1]):
            return []
        result.append(names)
        if len(names) > 1 and gazetteer.is_own_country(names[-1]):
            result.append(names[:-1])
        if variant := _split_large_first(names, gazetteer):
            result.append(variant)
    return result


def _split_large_first(names: list[str], gazetteer: Gazetteer) -> list[str]:
    """Return the names with the first one split, where a region stands before its town.

    "東京都渋谷区" and "서울특별시 강남구" become the town, then the region.
    """
    first, *rest = names
    if first.isascii() or len(gazetteer.find(first)):
        return []
    remaining, parts = first, []
    while remaining:
        ends = range(len(remaining), 1, -1)
        known = (end for end in ends if _is_known(remaining[:end], gazetteer))
        end = next(known, len(remaining))
        parts.append(remaining[:end].strip())
        remaining = remaining[end:].strip()
    return [*parts[::-1], *rest] if len(parts) > 1 else []


def _is_known(name: str, gazetteer: Gazetteer) -> bool:
    return gazetteer.is_region(name) or len(gazetteer.find(name)) > 0


def _split_region_last(names: list[str], gazetteer: Gazetteer) -> list[list[str]]:
    """Return the names with the last words of the first one split off: "Austin TX"."""
    first, *rest = names
    words = first.split()
    if len(gazetteer.find(first)):
        return []
    return [
        [" ".join(words[:-count]), " ".join(words[-count:]), *rest]
        for count in range(1, min(len(words), MAX_REGION_WORDS + 1))
        if gazetteer.is_region(" ".join(words[-count:]))
    ]


def _only_name(name: str, gazetteer: Gazetteer) -> int | None:
    """Return the row of the best match of a name that stands alone; None for a mere region."""
    namesakes = gazetteer.find(name)
    regions = gazetteer.named_regions(name)[0]
    # "California" is the state, not the village in Maryland; "New York" is the city all the same.
    is_region = regions and not len(gazetteer.within(namesakes[:1], regions))
    if not len(namesakes) or (is_region and gazetteer.population(namesakes[0]) < MIN_CITY):
        return None
    return int(namesakes[0])


def _in_named_region(names: list[str], gazetteer: Gazetteer) -> int | None:
    """Return the row of the town among the names that lies in a region among them, if there is one.

    A town that several of the named regions hold comes first, then one in a region of the first
    level, then the largest.
    """
    for position, name in enumerate(names):
        others = names[:position] + names[position + 1 :]
        chosen = namesakes = gazetteer.find(name)
        for level in range(len(LEVELS)):
            for other in others:
                inside = gazetteer.within(chosen, gazetteer.named_regions(other)[level])
                chosen = inside if len(inside) else chosen
        if len(chosen) and chosen is not namesakes:
            return int(chosen[0])
    return _district(names, gazetteer)


def _district(names: list[str], gazetteer: Gazetteer) -> int | None:
    """Return the largest place of the small district that the first name is, in a named region."""
    first, *others = names
    district = gazetteer.named_regions(first)[1]
    place = gazetteer.largest_of(district)
    if place is None or not gazetteer.is_within_reach(place, district, MAX_DISTRICT_RADIUS_KM):
        return None
    regions = [gazetteer.named_regions(other)[0] for other in others]
    is_inside = [len(gazetteer.within(np.array([place]), region)) for region in regions]
    return place if not others or any(is_inside) else None


def _county_medians(points: Mapping[str, Point | None], gazetteer: Gazetteer) -> dict[str, Point]:
    """Return the median coordinates of the towns of each county, by the county's key."""
    rows = []
    for text, point in points.items():
        names = next(iter(_readings(text, gazetteer)), [])
        if len(names) < 2:
            continue
        namesakes = gazetteer.find(names[0])
        guess = point or (gazetteer.coordinates(namesakes[0]) if len(namesakes) else None)
        if guess:
            rows.append((_county_key(names), *guess))
    table = pd.DataFrame(rows, columns=["county", *COORDINATES])
    medians = table.groupby("county").median()
    return {row.Index: (row.latitude, row.longitude) for row in medians.itertuples()}


def _county_key(names: list[str]) -> str:
    return ", ".join(map(place_key, names[1:]))


def _near_county(
    names: list[str], gazetteer: Gazetteer, medians: Mapping[str, Point]
) -> Point | None:
    """Return the namesake of the first name that lies nearest to the county's other towns."""
    median = medians.get(_county_key(names)) if len(names) > 1 else None
    if median is None:
        return None
    namesakes = gazetteer.find(names[0]).tolist()
    district = None if namesakes else _district(names[:1], gazetteer)
    namesakes = namesakes if district is None else [district]
    if not namesakes:
        return None
    points = np.array([gazetteer.coordinates(place) for place in namesakes])
    distances = distance_km(*median, on_sphere(points))
    if distances.min() > MAX_COUNTY_RADIUS_KM:
        return None
    latitude, longitude = points[distances.argmin()]
    return float(latitude), float(longitude)


def _city(names: list[str], gazetteer: Gazetteer, medians: Mapping[str, Point]) -> int | None:
    """Return the row of the city among the names, of the district, or of the first words."""
    cities = [_city_of_part(name, gazetteer) for name in names[1:]]
    is_county_known = _county_key(names) in medians or any(map(gazetteer.is_region, names[1:]))
    # "Leeds, Cornwall" is no place, but "Stuttgart (Mitte)" is Stuttgart.
    if len(names) == 1 or not is_county_known:
        cities += [_district(names[:1], gazetteer), _first_words(names[0], gazetteer)]
    return min((place for place in cities if place is not None), default=None)


def _city_of_part(name: str, gazetteer: Gazetteer) -> int | None:
    """Return the row of the city that stands for its parts; None for a town in a wide region."""
    place = gazetteer.find_primary(name)
    if place is None:
        place = _first_words(name, gazetteer)
    regions = frozenset().union(*gazetteer.named_regions(name))
    # A town somewhere in Texas does not lie in the town of Texas City.
    if place is None or not regions:
        return place
    is_compact = gazetteer.is_within_reach(place, regions, MAX_COUNTY_RADIUS_KM)
    return place if is_compact else None


def _first_words(name: str, gazetteer: Gazetteer) -> int | None:
    """Return the row of the city that a name, or its first words, are: "Paris Montmartre"."""
    words = name.split()
    for count in range(len(words), 0, -1):
        places = gazetteer.find(" ".join(words[:count]))
        if len(places) and gazetteer.population(places[0]) >= MIN_CITY:
            return int(places[0])
    return None


def place_listings(
    listings: pd.DataFrame, gazetteer: Gazetteer, coordinates: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return COORDINATES of listings: those of the export where it has them, else of the location.

    Parameters
    ----------
    listings
        `location` of each listing (n).
    gazetteer
        The places of the country.
    coordinates
        COORDINATES (n) that the export states; a pair that is none on Earth is ignored, and so is
        0, 0, which stands for an unknown place.
    """
    located = locate(listings["location"], gazetteer)
    if coordinates is None:
        return located
    stated = coordinates.set_axis(listings.index).apply(pd.to_numeric, errors="coerce")
    latitude, longitude = stated["latitude"], stated["longitude"]
    valid = latitude.between(-90, 90) & longitude.between(-180, 180)
    valid &= latitude.ne(0) | longitude.ne(0)
    return stated.astype(float).where(valid, located)


def searchable_places(listings: pd.DataFrame) -> pd.DataFrame:
    """List the places of listings by name.

    A town without its county ("Newport") means the one with the most listings.

    Parameters
    ----------
    listings
        `location`, `latitude`, `longitude` of each listing.

    Returns
    -------
    DataFrame
        `name` (normalised, unique), `latitude`, `longitude` (degrees).
    """
    located = listings.dropna(subset="latitude")
    counts = located.value_counts(["location", *COORDINATES]).reset_index()
    towns = counts["location"].str.split(",", n=1).str[0]
    names = pd.concat([counts["location"], towns], ignore_index=True).map(normalise_place_name)
    places = pd.concat([counts, counts], ignore_index=True).assign(name=names)
    places = places[places["name"].ne("")]
    return places.drop_duplicates("name", ignore_index=True)[["name", *COORDINATES]]


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


def warn_of_unknown_places(listings: pd.DataFrame, country: str, folder: str) -> str | None:
    """Return a warning if more than MANY_UNPLACED of the listings have an unknown place.

    Parameters
    ----------
    listings
        As for `count_unknown_places`.
    country
        The country that the places were looked up in.
    folder
        The folder of the search index, which lists all unknown places.
    """
    counts = count_unknown_places(listings)
    counts = counts[counts["location"].ne("")]
    number = int(listings["latitude"].isna().sum())
    if number <= MANY_UNPLACED * len(listings):
        return None
    examples = ", ".join(repr(location) for location in counts["location"].head(EXAMPLES))
    mostly_digits = counts["location"].str.count(r"\d") > counts["location"].str.len() / 3
    are_postcodes = counts.loc[mostly_digits, "listings"].sum() > number / 2
    if are_postcodes and country in VERIFIED and find_spec(PACKAGE) is None:
        return (
            f"warning: {number} of {len(listings)} listings have no known place, such as "
            f"{examples}: postcodes alone need `pip install {DISTRIBUTION}` (its data is under the "
            "ODbL), then `dvc repro -fs index && dvc repro`"
        )
    share = f"{number} of {len(listings)} listings have no known place"
    if not examples:
        return f"warning: {share}, as they have no location: `near` does not find them"
    return (
        f"warning: {share}, such as {examples}: set input.country (now {country}) to the country "
        f'of the listings, write "Town, Region" or "52.52, 13.40" as their location, or map '
        f"input.columns.latitude and longitude; {folder}/unknown_places.csv lists them all"
    )
