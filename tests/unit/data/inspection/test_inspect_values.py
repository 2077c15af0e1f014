"""Currency, decimal mark, language, country and levels of categories."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pytest
from handmade_exports import PLACES, TEXTS

from market.data.inspection.attributes import propose_attribute
from market.data.inspection.categories import detect_category_separator
from market.data.inspection.country import detect_country
from market.data.inspection.finding import Finding, percent
from market.data.inspection.language import detect_language
from market.data.inspection.prices import detect_decimal, possible_currencies
from market.data.inspection.profiles import Profile

pytestmark = pytest.mark.slow

NONE = pd.Series(dtype="str")
NO_COORDINATES = pd.DataFrame({"latitude": [], "longitude": []}, dtype=float)


def column(values: Sequence[str | None], name: str = "column") -> Profile:
    return Profile(name, 1, pd.Series(values, dtype="str"))


# --- Money ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("prices", "first"),
    [
        (["£5.00", "£1,250", "Free"], "GBP"),
        (["5,00 €", "EUR 12", "3 € VB"], "EUR"),
        (["$5", "12.00 USD", "$1.2k"], "USD"),
        (["CA$5", "7 CAD"], "CAD"),
        (["1 250 kr", "90 kr"], "SEK"),
        (["50 zł", "20 PLN"], "PLN"),
        (["500 Kč"], "CZK"),
        (["1200円", "￥3,000", "１,２００円"], "JPY"),
        (["120元", "¥300", "50 CNY"], "CNY"),
        (["12000원"], "KRW"),
        (["₹1,20,000", "Rs. 500"], "INR"),
        (["R$ 1.250,00"], "BRL"),
        (["CHF 20.-", "Fr. 30"], "CHF"),
        (["500 руб.", "300 ₽"], "RUB"),
    ],
)
def test_the_sign_of_prices_tells_their_currency(prices: list[str], first: str) -> None:
    assert possible_currencies(column(prices, "price"), []).value[0] == first


def test_a_shared_sign_leaves_its_currencies_to_the_country() -> None:
    assert {"USD", "CAD", "AUD"} <= {*possible_currencies(column(["$5", "$20"]), []).value}


def test_a_column_of_codes_tells_the_currency_of_plain_numbers() -> None:
    codes = column(["CAD"] * 3, "price.currency")
    assert possible_currencies(column(["5", "7.5", "12"]), [codes]).value == ("CAD",)


def test_the_name_of_the_column_tells_the_currency_of_plain_numbers() -> None:
    assert possible_currencies(column(["5", "7.5"], "Preis in EUR"), []).value == ("EUR",)


def test_plain_numbers_have_no_currency() -> None:
    assert possible_currencies(column(["5", "7.5"], "price"), []).share == 0


@pytest.mark.parametrize(
    ("prices", "country", "mark"),
    [
        (["1.250,00 €", "5,50 €"], "GB", ","),
        (["1,250.00", "5.5"], "DE", "."),
        (["1,250", "7,300"], "DE", "."),
        (["1.250", "7.300"], "GB", ","),
        (["1 250 kr"], "GB", ","),
        (["5", "120"], "DE", ","),
        (["5", "120"], "US", "."),
        (["1.250.000"], "GB", ","),
        (["12,34,567"], "IN", "."),
    ],
)
def test_digits_beside_marks_tell_the_decimal_mark(
    prices: list[str], country: str, mark: str
) -> None:
    assert detect_decimal(pd.Series(prices), country).value == mark


def test_marks_that_contradict_each_other_make_a_guess() -> None:
    assert detect_decimal(pd.Series(["5,50", "5.50", "7,25", "7.25"]), "DE").is_guess


# --- Language and country -------------------------------------------------------------------------
@pytest.mark.parametrize("language", TEXTS)
def test_the_language_of_texts_is_found(language: str) -> None:
    found = detect_language(pd.Series(TEXTS[language] * 5))
    assert (found.value, found.is_guess) == (language, False)


def test_without_texts_the_language_is_open() -> None:
    assert detect_language(NONE).share == 0


@pytest.mark.parametrize(
    ("language", "country", "currencies"),
    [("en", "GB", ("GBP",)), ("de", "DE", ("EUR",)), ("fr", "FR", ("EUR",)),
     ("es", "ES", ("EUR",)), ("ja", "JP", ("JPY", "CNY"))],
)  # fmt: skip
def test_places_currency_and_language_tell_the_country(
    language: str, country: str, currencies: tuple[str, ...]
) -> None:
    places = pd.Series(PLACES[language] * 5)
    found = detect_country(places, NO_COORDINATES, NONE, currencies, language)
    assert (found.value, found.is_guess) == (country, False)


@pytest.mark.parametrize(
    ("places", "country"),
    [(["Austin, TX", "Portland, OR", "Miami, FL"], "US"), (["Wien", "Graz", "Linz"], "AT"),
     (["Zürich", "Bern", "Basel"], "CH"), (["Toronto, ON", "Calgary, AB"], "CA"),
     (["Sydney NSW 2000", "Perth WA"], "AU"), (["10115 Berlin", "80331 München"], "DE")],
)  # fmt: skip
def test_places_alone_tell_the_country(places: list[str], country: str) -> None:
    found = detect_country(pd.Series(places * 4), NO_COORDINATES, NONE, (), "")
    assert found.value == country


def test_coordinates_tell_the_country() -> None:
    degrees = pd.DataFrame({"latitude": [40.71, 34.05], "longitude": [-74.0, -118.24]})
    assert detect_country(NONE, degrees, NONE, ("USD", "CAD"), "en").value == "US"


def test_international_telephone_numbers_tell_the_country() -> None:
    texts = pd.Series(["Call +61 2 9374 4000", "ring +61 3 9374 4000", "+61 7 3374 4000"])
    assert detect_country(NONE, NO_COORDINATES, texts, (), "en").value == "AU"


def test_a_country_by_its_language_alone_is_open() -> None:
    assert detect_country(NONE, NO_COORDINATES, NONE, (), "de").share == 0


# --- Categories and attributes --------------------------------------------------------------------
@pytest.mark.parametrize(
    ("values", "separator"),
    [
        (["Home > Garden", "Home > Kitchen"], " > "),
        (["本＞漫画", "本＞雑誌"], "＞"),
        (["Home|Garden", "Home|Kitchen"], "|"),
        (["Women/Tops/Shirts", "Women/Tops/Blouses", "Men/Shoes/Boots", "Men/Tops/Shirts"], "/"),
        (["Music / AC/DC", "Music / Pop"], " / "),
        (["Home::Garden", "Home::Kitchen"], "::"),
        (["Sofas", "AC/DC", "Chairs, tables"], " / "),
    ],
)
def test_levels_of_categories_are_separated(values: list[str], separator: str) -> None:
    assert detect_category_separator(column(values * 3)).value == separator


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["red", "blue", "red", "green"] * 5, "category"),
        (["yes", "no"] * 10, "boolean"),
        ([f"{row % 7 + 1} cm" for row in range(20)], "number"),
        ([f"2024-01-{row + 1:02d}" for row in range(20)], "date"),
        ([f"text number {row} with several words" for row in range(20)], "text"),
        (["same"] * 20, None),
        ([None] * 20, None),
        ([f"https://example.com/{row}" for row in range(20)], None),
        ([f"code{row}x" for row in range(20)], None),
    ],
)
def test_further_columns_have_a_type(values: list[str | None], kind: str | None) -> None:
    found, reason = propose_attribute(column(values), ".")
    assert found == kind
    assert bool(reason) == (kind is None)


def test_only_a_whole_share_is_100_percent() -> None:
    assert [percent(share) for share in (0.004, 0.5, 0.999, 1.0)] == [
        "0 %",
        "50 %",
        "99 %",
        "100 %",
    ]
    assert Finding("x", 0.79, "").is_guess
