"""Telephone numbers and postcodes of many countries are masked; prices and sizes are not."""

from __future__ import annotations

import time

import pandas as pd
import pytest

from market.data.personal_data import personal_data

pytestmark = pytest.mark.slow


def masked(country: str, text: str) -> str:
    """Return the text with one space where the mask puts several."""
    return " ".join(personal_data(country).mask(pd.Series([text])).iloc[0].split())


@pytest.mark.parametrize(
    ("country", "phone"),
    [
        ("GB", "07700 900123"), ("GB", "075 10120534"), ("GB", "0044 20 7946 0123"),
        ("DE", "0170/1234567"), ("DE", "(030) 123 45 67"), ("DE", "+49 170 1234567"),
        ("DE", "0 1 7 0 1 2 3 4 5 6 7"), ("AT", "0664 1234567"), ("CH", "079 123 45 67"),
        ("US", "512-555-0134"), ("US", "(512) 423-8888"), ("US", "+1 512 423 8888"),
        ("CA", "416-967-1111"), ("FR", "06.12.34.56.78"), ("ES", "612 345 678"),
        ("IT", "333 1234567"), ("NL", "06-12345678"), ("PL", "600 123 456"),
        ("BR", "(11) 98765-4321"), ("IN", "98765 43210"), ("AU", "0412 345 678"),
        ("JP", "090-1234-5678"), ("JP", "０９０－１２３４－５６７８"), ("CN", "138 0013 8000"),
        ("SE", "070-123 45 67"), ("TH", "081-234-5678"), ("DE", "+44 20 7946 0123"),
    ],
)  # fmt: skip
def test_a_telephone_number_is_masked(country: str, phone: str) -> None:
    assert masked(country, f"Tel. {phone}, danke") == "Tel. [phone] , danke"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("メールはa.b+1@example.comまで", "メールは [email] まで"),
        ("詳細はhttps://example.jp/a?b=1をご覧ください。", "詳細は [link] をご覧ください。"),
        ("http://example.jp/x。次", "[link] 。次"),
        ("an müller.k@bücher.example.de schreiben", "an [email] schreiben"),
        ("ติดต่อa@example.co.thได้", "ติดต่อ [email] ได้"),
    ],
)
def test_an_address_ends_where_its_script_does(text: str, expected: str) -> None:
    assert masked("JP", text) == expected


def test_a_number_that_is_glued_to_a_word_is_masked() -> None:
    assert masked("DE", "Anruf0170 1234567") == "Anruf [phone]"


@pytest.mark.parametrize(
    ("country", "text", "expected"),
    [
        ("GB", "in RG40 2AB", "in [postcode]"),
        ("CA", "in K1A 0B1", "in [postcode]"),
        ("DE", "in 10115 Berlin", "in [postcode] Berlin"),
        ("DE", "PLZ: 10115", "PLZ: [postcode]"),
        ("DE", "in 61348 Bad Homburg", "in [postcode] Bad Homburg"),
        ("FR", "à 75011 Paris", "à [postcode] Paris"),
        ("NL", "1012 AB Amsterdam", "[postcode] Amsterdam"),
        ("US", "Austin, TX 78701", "Austin, TX [postcode]"),
        ("US", "zip 78701-1234", "zip [postcode]"),
        ("AU", "Sydney NSW 2000", "Sydney NSW [postcode]"),
        ("JP", "〒150-0001 渋谷区", "〒 [postcode] 渋谷区"),
        ("JP", "150-0001 東京都", "[postcode] 東京都"),
        ("JP", "発送元の郵便番号150-0001", "発送元の郵便番号 [postcode]"),
    ],
)
def test_a_postcode_is_masked(country: str, text: str, expected: str) -> None:
    assert masked(country, text) == expected


@pytest.mark.parametrize(
    ("country", "text"),
    [
        ("DE", "Preis 12345 Euro"), ("DE", "12500 Kilometer"), ("DE", "1.250,00 € VB"),
        ("DE", "64000 Farben"), ("DE", "10000 mAh"), ("DE", "01.05.2019 10:00 Uhr"),
        ("DE", "von 02/2019 bis 12/2020, 02/2019 12/2020"), ("DE", "120 x 60 x 75 cm"),
        ("DE", "EAN 4006381333931"), ("US", "asking 78701"), ("US", "$12,345"),
        ("US", "123456 miles"), ("US", "ISBN 0306406152"), ("JP", "型番 123-4567"),
        ("JP", "12,000円"), ("JP", "2019/05/01"), ("NL", "1200 KM"), ("FR", "15000 km"),
        ("PL", "1 200 000 zł"), ("SE", "1 250 kr"), ("AQ", "12345 Base"),
    ],
)  # fmt: skip
def test_prices_sizes_and_dates_stay(country: str, text: str) -> None:
    assert masked(country, text) == text


@pytest.mark.parametrize("country", ["GB", "DE", "US", "JP"])
@pytest.mark.parametrize("unit", ["1 ", "0", "a1", "(", "01.05.", "+49 170 ", "12345 Berlin "])
def test_the_masks_of_a_long_text_take_no_time(country: str, unit: str) -> None:
    text = pd.Series([unit * (20_000 // len(unit))])
    personal_data(country).mask(pd.Series([unit]))  # builds the expressions
    start = time.perf_counter()
    personal_data(country).mask(text)
    assert time.perf_counter() - start < 5
