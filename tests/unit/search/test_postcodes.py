"""A location that is a postcode alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from market.search.gazetteer import Gazetteer
from market.search.locations import find_place, warn_of_unknown_places
from market.search.postcodes import PACKAGE, VERIFIED, postcode_keys, read_postcodes

TOWNS = {"graz": (47.07, 15.44), "linz": (48.31, 14.29), "traun": (48.22, 14.24)}


def gazetteer(postcodes: pd.DataFrame) -> Gazetteer:
    """Three towns of Austria."""
    places = pd.DataFrame(TOWNS.values(), columns=["latitude", "longitude"])
    return Gazetteer(
        places=places.assign(population=[300_000, 200_000, 25_000], regions=[[], [], []]),
        names=pd.DataFrame({"name": [*TOWNS], "primary": True, "place": range(len(TOWNS))}),
        regions=pd.DataFrame({"name": [], "region": [], "level": []}),
        countries=pd.DataFrame({"name": ["austria"], "own": [True]}),
        postcode=r"\d{4}",
        postcodes=postcodes,
    )


def rows_of(*rows: tuple[str, str | None, float | None, float | None]) -> list[dict]:
    return [
        {"code": code, "stateCode": None, "localityName": name, "latitude": latitude,
         "longitude": longitude}
        for code, name, latitude, longitude in rows
    ]  # fmt: skip


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package with the postcodes, installed with a few."""
    package = tmp_path / PACKAGE
    content = {
        "AT": rows_of(
            ("8010", "Almhütte bei Graz", None, None), ("8010", "Graz", None, None),
            ("8020", "Graz", None, None), ("4020", "Linz", None, None),
            ("4041", "Kleinstdorf", None, None), ("4050", "Traun", None, None),
        ),
        "US": rows_of(("10001", None, 40.75, -74.0)),
        "GB": rows_of(("LS", "Leeds", 53.8, -1.5), ("B", "Birmingham", 52.5, -1.9)),
        "ES": rows_of(("28001", "Acebeda, La", None, None)),
    }  # fmt: skip
    for country, rows in content.items():
        folder = package / "data/by-country" / country
        folder.mkdir(parents=True)
        (folder / "postcodes.json").write_text(json.dumps(rows), encoding="utf-8")
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop(PACKAGE, None)  # which reading its files has imported


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("10115", ["10115"]),
        ("D-10115", ["10115"]),
        ("〒150-0001", ["1500001"]),
        ("10001-1234", ["100011234", "10001"]),
        ("1012 AB", ["1012AB", "1012"]),
        ("m5v 2t6", ["M5V2T6", "M5V", "M"]),
        ("LS1 4AB", ["LS14AB", "LS1", "LS"]),
        ("LS1", ["LS1", "LS1", "LS"]),
        ("Leeds", []),
        ("10115 Berlin", []),
        ("", []),
    ],
)
def test_a_postcode_alone_has_keys(text: str, keys: list[str]) -> None:
    assert postcode_keys(text) == keys


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8010", TOWNS["graz"]),  # of the places with this code, the town
        ("A-8020", TOWNS["graz"]),
        # The village is not in the gazetteer: the median of the next postcodes.
        ("4041", (48.265, 14.265)),
        ("9999", None),
        ("Graz", TOWNS["graz"]),
    ],
)
def test_a_postcode_is_the_place_that_has_it(text: str, expected: tuple | None) -> None:
    place = find_place(text, gazetteer(read_postcodes("AT")))
    assert place == (None if expected is None else pytest.approx(expected))


@pytest.mark.usefixtures("installed")
def test_coordinates_of_a_postcode_count(tmp_path: Path) -> None:
    british = gazetteer(read_postcodes("GB"))
    assert find_place("LS1 4AB", british) == (53.8, -1.5)
    assert find_place("b1 1aa", british) == (52.5, -1.9)
    assert find_place("10001-9999", gazetteer(read_postcodes("US"))) == (40.75, -74.0)
    british.save(tmp_path / "gazetteer")
    assert find_place("LS1", Gazetteer.load(tmp_path / "gazetteer")) == (53.8, -1.5)


@pytest.mark.usefixtures("installed")
def test_a_country_whose_codes_are_wrong_is_left_out() -> None:
    assert "ES" not in VERIFIED and read_postcodes("ES").empty


def test_without_the_package_a_postcode_is_no_place_and_the_warning_names_it(
    tmp_path: Path,
) -> None:
    assert find_place("8010", gazetteer(read_postcodes("AT"))) is None
    gazetteer(read_postcodes("AT")).save(tmp_path / "gazetteer")
    assert not (tmp_path / "gazetteer/postcodes.parquet").exists()
    listings = pd.DataFrame({"location": ["8010", "4020", "Graz"], "latitude": [None, None, 47.0]})
    warning = warn_of_unknown_places(listings, "AT", "models/index") or ""
    assert "pip install countrystatecity-postal-codes" in warning
    towns = listings.assign(location=["Nowhere", "Elsewhere", "Graz"])
    assert "pip install" not in (warn_of_unknown_places(towns, "AT", "models/index") or "")
