"""Coordinates of the locations of listings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from market.search.distances import distance_km, on_sphere
from market.search.gazetteer import LEVELS, Gazetteer
from market.search.place_names import (
    are_coordinates,
    normalise_place_name,
    parse_coordinates,
    place_key,
    readings,
)

MAX_COUNTY_RADIUS_KM = 80.0  # a town farther from the rest of its county is a namesake elsewhere
MAX_DISTRICT_RADIUS_KM = 25.0  # the largest district that its largest place stands for
MIN_CITY = 50_000  # inhabitants of a city whose parts are written after its name
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
            points[text] = find_nearby(text, gazetteer, medians)
    unknown = (np.nan, np.nan)
    rows = [points[text] or unknown for text in locations]
    return pd.DataFrame(rows, index=locations.index, columns=COORDINATES, dtype=float)


def find_place(text: str, gazetteer: Gazetteer) -> Point | None:
    """Return latitude and longitude of one location; None if it is unknown."""
    return find_exactly(text, gazetteer) or find_nearby(text, gazetteer, {})


def find_exactly(text: str, gazetteer: Gazetteer) -> Point | None:
    """Return the coordinates that a location states, or those of a town in the region it names."""
    if point := parse_coordinates(text):
        return point
    for names in _readings(text, gazetteer, with_split_regions=True):
        if len(names) == 1:
            namesakes = gazetteer.find(names[0])
            place = int(namesakes[0]) if len(namesakes) else None
        else:
            place = _in_named_region(names, gazetteer)
        if place is not None:
            return gazetteer.coordinates(place)
    return None


def find_nearby(
    text: str, gazetteer: Gazetteer, medians: Mapping[str, Point]
) -> Point | None:
    """Return coordinates by what lies near: the county's other towns, or the city of a part.

    `medians` has the median coordinates of the towns of each county, by its key.
    """
    for names in _readings(text, gazetteer):
        point = _near_county(names, gazetteer, medians) or _around(names, gazetteer)
        if point:
            return point
    return None


def _readings(
    text: str, gazetteer: Gazetteer, *, with_split_regions: bool = False
) -> list[list[str]]:
    """Return the readings of a location in this country; none for a place in another one."""
    result = []
    for names in readings(text, gazetteer.postcode_pattern):
        if len(names) > 1 and gazetteer.is_other_country(names[-1]):
            return []
        result.append(names)
        if len(names) > 1 and gazetteer.is_own_country(names[-1]):
            result.append(names[:-1])
        if with_split_regions:
            result += _split_off_regions(names, gazetteer)
    return result


def _split_off_regions(names: list[str], gazetteer: Gazetteer) -> list[list[str]]:
    """Return the names with a region split off the first one: "Austin TX", or "東京都渋谷区"."""
    first, *rest = names
    if len(gazetteer.find(first)):
        return []
    words = first.split()
    variants = [
        [" ".join(words[:-count]), " ".join(words[-count:]), *rest]
        for count in range(1, min(len(words), 4))
        if gazetteer.is_region(" ".join(words[-count:]))
    ]
    if not first.isascii() and len(words) == 1:
        variants += [
            [first[end:], first[:end], *rest]
            for end in range(2, len(first) - 1)
            if gazetteer.is_region(first[:end])
        ]
    return variants


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
    namesakes = gazetteer.find(names[0])
    if median is None or not len(namesakes):
        return None
    points = np.array([gazetteer.coordinates(place) for place in namesakes])
    distances = distance_km(*median, on_sphere(points))
    if distances.min() > MAX_COUNTY_RADIUS_KM:
        return None
    latitude, longitude = points[distances.argmin()]
    return float(latitude), float(longitude)


def _around(names: list[str], gazetteer: Gazetteer) -> Point | None:
    """Return the city that the last names are, or the district that the first name is."""
    for name in names[1:] or names:
        place = gazetteer.find_primary(name)
        regions = frozenset().union(*gazetteer.named_regions(name))
        # A town somewhere in Texas does not lie in the town of Texas City.
        if place is not None and (
            not regions or gazetteer.is_within_reach(place, regions, MAX_COUNTY_RADIUS_KM)
        ):
            return gazetteer.coordinates(place)
    place = _district(names[:1], gazetteer)
    return _largest_city(names[0], gazetteer) if place is None else gazetteer.coordinates(place)


def _largest_city(name: str, gazetteer: Gazetteer) -> Point | None:
    """Return the city that the first words of a name are: "Paris Montmartre"."""
    words = name.split()
    for count in range(len(words) - 1, 0, -1):
        place = gazetteer.find_primary(" ".join(words[:count]))
        if place is not None and gazetteer.population(place) >= MIN_CITY:
            return gazetteer.coordinates(place)
    return None
