"""Spellings of places, and the ways to read a location."""

from __future__ import annotations

import re

import pytest

from market.search.place_names import (
    normalise_place_name,
    parse_coordinates,
    place_key,
    readings,
    spellings,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Stoke-on-Trent", "stoke trent"),
        ("St. Ives", "Saint Ives"),
        ("King's Lynn", "KING’S  LYNN"),
        ("Newcastle upon Tyne", "Newcastle Tyne"),
        ("Tyne & Wear", "Tyne and Wear"),
        ("Bath City Centre", "Bath"),
        ("São Paulo", "sao paulo"),
        ("Łódź", "lodz"),
        ("İstanbul", "istanbul"),
        ("ＴＯＫＹＯ", "Tokyo"),
    ],
)
def test_spellings_of_a_place_are_equal_after_normalisation(one: str, other: str) -> None:
    assert normalise_place_name(one) == normalise_place_name(other) != ""


def test_a_name_of_small_words_only_is_kept() -> None:
    assert normalise_place_name("The City") == "the city"
    assert normalise_place_name(" 🔥 ") == ""


def test_marks_of_other_scripts_are_part_of_a_letter() -> None:
    assert place_key("が") == "が" != place_key("か")
    assert place_key("मुंबई") == "मुंबई"


def test_an_umlaut_has_two_spellings() -> None:
    assert set(spellings("Köln")) == {"koln", "koeln"}
    assert set(spellings("Leeds")) == {"leeds"}


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("52.52, 13.40", (52.52, 13.40)),
        ("52,52; 13,40", (52.52, 13.40)),
        ("(-23.5505 -46.6333)", (-23.5505, -46.6333)),
        ("30.27° N, 97.74° W", (30.27, -97.74)),
        ("33.9 S 151.2 E", (-33.9, 151.2)),
        ("91.0, 13.4", None),
        ("0.0, 0.0", None),
        ("12, 34", None),
        ("80331, München", None),
        ("", None),
    ],
)
def test_coordinates_in_a_location_are_read(text: str, point: tuple | None) -> None:
    assert parse_coordinates(text) == (None if point is None else pytest.approx(point))


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("Austin, TX", ["Austin", "TX"]),
        ("São Paulo - SP", ["São Paulo", "SP"]),
        ("Rio de Janeiro/RJ", ["Rio de Janeiro", "RJ"]),
        ("Milano (MI)", ["Milano", "MI"]),
        ("渋谷区、東京都", ["渋谷区", "東京都"]),
        ("80331 München", ["München"]),
        ("D-80331 München", ["München"]),
        ("〒150-0002 東京都渋谷区", ["東京都渋谷区"]),
        ("Paris 15e", ["Paris"]),
        ("Wien, 10. Bezirk", ["Wien"]),
        ("Berlin-Kreuzberg", ["Kreuzberg", "Berlin"]),
        ("Shibuya-ku, Tokyo", ["Shibuya", "Tokyo"]),
    ],
)
def test_a_location_is_read_in_the_ways_that_people_write_it(text: str, reading: list) -> None:
    assert reading in list(readings(text, re.compile(r"\b\d{5}\b")))


@pytest.mark.parametrize("text", ["", "🔥", " , ", "--"])
def test_a_location_without_a_name_has_no_reading(text: str) -> None:
    assert list(readings(text)) == []
