"""Names of places: one spelling for each, and the parts of a location as people write it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

# Letters that Unicode does not decompose into a base letter and a mark.
LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
)
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
UMLAUT_LETTERS = frozenset("äöüåø")
WORD = re.compile(r"[^\s!-/:-@\[-`{-~]+")  # of letters and digits, and of marks beyond ASCII
MARKS = re.compile("[\u0300-\u036f]")  # of Latin, Greek and Cyrillic letters
# Also the marks of Hawaiian, Arabic and Ukrainian names in Latin letters.
APOSTROPHE = re.compile("['’‘ʻʼʿʾ`]")
ABBREVIATIONS = {"saint": "st", "fort": "ft", "mount": "mt"}
SMALL_WORDS = {"and", "upon", "on", "the", "city", "centre"}
SEPARATOR = re.compile(r"\s*[,;/|\n、，・·]\s*")
DASH_OR_BRACKET = re.compile(r"\s*[()\[\]（）【】]\s*|\s+[-–—:]+\s+")
EDGES = " -–—.:#〒\"'"
HYPHEN = re.compile(r"\s*[-–—]\s*")
WORD_WITH_DIGIT = re.compile(r"\S*\d\S*")
COUNTRY_PREFIX = re.compile(r"\b[A-Z]{1,2}[-–](?=\d)")  # "D-80331"
COUNTING_WORD = re.compile(
    r"\b(arrondissement|bezirk|district|kerület|eme|ème|er|zip|cp|cep|plz|〒)(?!\w)", re.IGNORECASE
)
# What Japanese, Chinese and Korean names of towns end in, and how it is romanised.
KIND_OF_TOWN = re.compile(
    r"(?<=..)[市区區町村县縣시구군읍]$|[-\s](shi|ku|machi|cho|mura|si|gu|gun)$", re.IGNORECASE
)
NUMBER = r"([-+]?\d{1,3}(?:[.,]\d+)?)\s*°?\s*([NSEWO]?)"
# Without a hemisphere both numbers have decimals, as "80331, 12" is no pair of coordinates.
COORDINATES = re.compile(rf"\(?\s*{NUMBER}\s*[,;/\s]\s*{NUMBER}\s*\)?", re.IGNORECASE)


def place_key(name: str) -> str:
    """Return one spelling for a place's name, with all its words.

    Lower case, letters and digits only, single spaces, no accents, and "st" for "saint".
    """
    text = APOSTROPHE.sub("", name.casefold())
    if not text.isascii():
        text = MARKS.sub("", unicodedata.normalize("NFKD", text).translate(LETTERS))
        # A mark ("M") is part of a letter in the scripts of India.
        text = "".join(
            letter if letter.isalnum() or unicodedata.category(letter)[0] == "M" else " "
            for letter in unicodedata.normalize("NFKC", text)
        )
    return " ".join(ABBREVIATIONS.get(word, word) for word in WORD.findall(text))


def normalise_place_name(name: str) -> str:
    """Return the `place_key` without small words such as "upon", unless it has no other word."""
    return _without_small_words(place_key(name))


def _without_small_words(key: str) -> str:
    return " ".join(word for word in key.split() if word not in SMALL_WORDS) or key


def spellings(name: str) -> dict[str, None]:
    """Return the keys under which a gazetteer lists a name, the exact one first."""
    exact = place_key(name)
    lower = name.casefold()
    keys = [exact, _without_small_words(exact)]
    if not UMLAUT_LETTERS.isdisjoint(lower):
        keys.append(place_key(lower.translate(UMLAUTS)))
    return dict.fromkeys(key for key in keys if key)


def parse_coordinates(text: str) -> tuple[float, float] | None:
    """Return latitude and longitude of a text such as "52.52, 13.40" or "52.52° N 13.4° E"."""
    match = COORDINATES.fullmatch(text.strip())
    if not match:
        return None
    first, north, second, east = match.groups()
    has_decimals = all(re.search("[.,]", number) for number in (first, second))
    if not has_decimals and not (north and east):
        return None
    latitude, longitude = (float(number.replace(",", ".")) for number in (first, second))
    latitude = -latitude if north.upper() == "S" else latitude
    longitude = -longitude if east.upper() in ("W", "O") else longitude
    return (latitude, longitude) if are_coordinates(latitude, longitude) else None


def are_coordinates(latitude: float, longitude: float) -> bool:
    """Return whether these are a latitude and a longitude, in degrees; 0, 0 stands for neither."""
    return abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude, longitude) != (0, 0)


def readings(text: str, postcode: re.Pattern[str] | None = None) -> Iterator[list[str]]:
    """Yield the ways to read a location as names of places, the most literal first.

    Parameters
    ----------
    text
        A location, such as "80331 München" or "Frankfurt (Oder), Brandenburg".
    postcode
        Matches a postcode of the country.

    Yields
    ------
    list of str
        Names, in the order of the text; never empty, and never twice the same list.
    """
    seen: list[list[str]] = []
    literal = _names(SEPARATOR.split(text))
    split = _names(part for name in literal for part in DASH_OR_BRACKET.split(name))
    for reading in (literal, split, *_without_numbers(split, postcode)):
        for variant in (reading, _each(reading, lambda name: KIND_OF_TOWN.sub("", name))):
            if variant and variant not in seen:
                seen.append(variant)
                yield variant


def _without_numbers(names: list[str], postcode: re.Pattern[str] | None) -> list[list[str]]:
    """Return the names without postcodes, then without every word that has a digit."""
    names = _each(names, lambda name: COUNTRY_PREFIX.sub("", name))
    bare = [] if postcode is None else _each(names, lambda name: postcode.sub(" ", name))
    words = _each(
        bare or names, lambda name: COUNTING_WORD.sub(" ", WORD_WITH_DIGIT.sub(" ", name))
    )
    # "Berlin-Kreuzberg": the part of the town comes last.
    parts: list[str] = []
    for name in words:
        pieces = HYPHEN.split(name)
        parts += pieces[::-1] if len(pieces) == 2 else [name]
    return [bare, words, _names(parts)]


def _each(names: list[str], change: Callable[[str], str]) -> list[str]:
    return _names(change(name) for name in names)


def _names(parts: Iterable[str]) -> list[str]:
    stripped = (" ".join(part.split()).strip(EDGES) for part in parts)
    return [part for part in stripped if place_key(part)]
