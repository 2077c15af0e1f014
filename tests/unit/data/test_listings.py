"""A listing's fields: what is cut, what is masked, what is flagged."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd
import pytest
from raw_input import input_settings, raw_table

from market.data.listing_faults import listing_faults, price_faults
from market.data.listings import (
    clean_description,
    clean_name,
    clean_products,
    is_placeholder,
)
from market.data.money import Money


def one(clean: Callable[[pd.Series], pd.Series], value: str | None) -> str:
    return clean(pd.Series([value], dtype="str")).iloc[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Oak desk | in Wokingham, Berkshire | Gumtree", "Oak desk"),
        ("Oak desk | in Swansea | Gumtree", "Oak desk"),
        ("Oak desk | solid | in St. Ives, Cornwall | Gumtree ", "Oak desk | solid"),
        ("Oak  desk\rand chair", "Oak desk\nand chair"),
        ("Clothes bundle | in good condition", "Clothes bundle | in good condition"),
        ("Gumtree sign | Gumtree", "Gumtree sign | Gumtree"),
        (None, ""),
    ],
)
def test_the_names_ending_is_cut(name: str | None, expected: str) -> None:
    assert one(clean_name, name) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hose. Posted by Nisha in Patio, Hoses in Leeds. 25 February 2022", "Hose."),
        ("Hose. Posted by Nisha in Patio, Hoses in Leeds. 25. February 2022", "Hose."),
        ("Hose. Posted by Nisha in Patio, Hoses in Leeds. February 25, 2022", "Hose."),
        ("Hose. Posted by Nisha in Patio, Hoses in Leeds.", "Hose."),
        ("Hose. Posted by Nisha in Patio, Hoses in Leeds", "Hose."),
        ("Hose. Posted by Nisha in Patio in St. Ives. 4 October 2021", "Hose."),
        ("Hose. Posted by J. Smith in Patio in Bath. 4 October 2021", "Hose."),
        ("Hose. Posted by Tom in Patio in Bath. 4 October 2021Green", "Hose. Green"),
        ("Hose. Posted by Tom in Patio in Bath. Green hose", "Hose. Green hose"),
        ("Posted by Tom in Patio in Bath. 4 October 2021", ""),
        ("Can be posted by arrangement", "Can be posted by arrangement"),
    ],
)
def test_the_boilerplate_that_names_the_category_is_cut(text: str, expected: str) -> None:
    description, name = pd.Series([text]), pd.Series(["Hose | in Leeds | Gumtree"])
    assert clean_description(description, name).iloc[0] == expected


@pytest.mark.parametrize("name", ["Hose", "Hose | in Leeds", None])
def test_other_marketplaces_keep_what_begins_like_boilerplate(name: str | None) -> None:
    text = "Posted by owner in Austin. Pick up only."
    assert clean_description(pd.Series([text]), pd.Series([name])).iloc[0] == text


@pytest.mark.parametrize(
    "phone",
    [
        "07700900123",
        "07700 900123",
        "07700 900 123",
        "07700-900-123",
        "07700.900.123",
        "0 7 7 0 0 9 0 0 1 2 3",
        "+44 7700 900123",
        "+447700900123",
        "0044 7700 900123",
        "020 7946 0123",
        "(020) 7946-0123",
    ],
)
@pytest.mark.parametrize(("before", "after"), [("", ""), ("Call", "today"), ("Tel: ", ". Thanks")])
def test_telephone_numbers_are_masked(phone: str, before: str, after: str) -> None:
    cleaned = one(clean_description, before + phone + after)
    assert "[phone]" in cleaned
    assert not any(character.isdigit() for character in cleaned)


@pytest.mark.parametrize(
    "text",
    [
        "£07700900123",
        "10 x 20 x 30cm",
        "1000 1200 1400",
        "H 200 W 600 D 580 mm",
        "Model 1234567890123",
        "Was £1,200.00 now £800.00",
        "25.02.2022",
        "10 20 30 40 50 60",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert one(clean_description, text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mail tom.b+x@mail.example.co.uk please", "Mail [email] please"),
        ("See https://example.com/a?b=c#d now", "See [link] now"),
        ("See WWW.example.com/shop", "See [link]"),
        ("Collect from RG40 2AB today", "Collect from [postcode] today"),
        ("Collect from SW1A 1AA", "Collect from [postcode]"),
        ("Collect from E171AB", "Collect from [postcode]"),
        ("8GB RAM, 256GB SSD, 1TB", "8GB RAM, 256GB SSD, 1TB"),
        ("Adapter ACDC12 2AB", "Adapter ACDC12 2AB"),
        ("one\rtwo\r\n \rthree \t four", "one\ntwo\nthree four"),
        (None, ""),
    ],
)
def test_descriptions_are_masked_and_squeezed(text: str | None, expected: str) -> None:
    assert one(clean_description, text) == expected


@pytest.mark.parametrize(
    ("text", "pounds"),
    [
        ("£1,234.50", 1234.5),
        ("£ 10", 10.0),
        (" 7.5 ", 7.5),
        ("£0.00", 0.0),
        ("£10,000,000.00", 1e7),
        *(
            (text, math.nan)
            for text in (
                "123,45",
                "1.234,56",
                "12,34,567",
                "1,5",
                "£1,2,3",
                "1.234",
                "£12.500",
                "1e5",
                "$20",
                "1 250",
                "NaN",
                "-inf",
                "1234567890123",
                "5.",
                "£",
                "ask me",
            )
        ),
        ("20 GBP", 20.0),
        ("１２", 12.0),
        ("0.125", 0.125),
        ("1234.567", 1234.567),
        ("9.990000000001", 9.990000000001),
        ("inf", math.nan),
        ("", math.nan),
        (None, math.nan),
    ],
)
def test_prices_are_pounds_or_missing(text: str | None, pounds: float) -> None:
    parsed = Money("GBP", ".").parse(pd.Series([text], dtype="str"))
    pd.testing.assert_series_equal(parsed, pd.Series([pounds]))


@pytest.mark.parametrize(
    ("pounds", "flagged"),
    [
        *[(pounds, True) for pounds in (0, 12345, 1234567, 1111111, 1233333, 99999, 11111)],
        *[(pounds, False) for pounds in (1250, 99.99, 5000, 1110, 9999, 123, 80000, math.nan)],
        *[(pounds, False) for pounds in (1230, 1235, 12300)],
        *[(pounds, True) for pounds in (100_001, 10_000_000)],
    ],
)
def test_prices_that_nobody_asks_are_flagged(pounds: float, flagged: bool) -> None:
    assert is_placeholder(pd.Series([pounds], dtype=float), above=100_000).tolist() == [flagged]


def test_the_highest_sound_price_is_a_param() -> None:
    prices = pd.Series([80_000.0, 100_000.0, 300_000.0])
    assert is_placeholder(prices, above=100_000).tolist() == [False, False, True]
    assert is_placeholder(prices, above=90_000).tolist() == [False, True, True]


def test_a_price_is_refused_or_read_never_guessed() -> None:
    prices = ["£5.00", "123,45", None, "-5", "$20", "1,234"]
    rows = pd.DataFrame({"id": list("abcdef"), "price": prices}, dtype="str")
    faults = price_faults(raw_table(rows), input_settings()).tolist()
    amount = "price is not an amount in pounds"
    assert faults == ["", amount, "", "price is negative", f"{amount}, but in $", ""]
    read = clean_products(rows, placeholder_above=100_000, settings=input_settings())["price"]
    assert read.dropna().to_dict() == {0: 5.0, 5: 1234.0}


@pytest.mark.parametrize(
    ("path", "levels"),
    [
        ("Home / ", ["Home"]),
        ("Home /", ["Home"]),
        ("/ Home", ["Home"]),
        ("Home/ ", ["Home"]),
        ("Home //Garden", ["Home", "Garden"]),
        ("Home /  / Garden", ["Home", "Garden"]),
        ("Home  &   Garden / Tools", ["Home & Garden", "Tools"]),
        ("Home\u00a0/\u00a0Lamps", ["Home", "Lamps"]),
        ("home / Lamps", ["home", "Lamps"]),
        ("Sport / AC/DC", ["Sport", "AC/DC"]),
        (" / ", []),
        ("//", []),
    ],
)
def test_empty_levels_are_no_levels(path: str, levels: list[str]) -> None:
    rows = pd.DataFrame({"id": ["a"], "category": [path]}, dtype="str")
    table = clean_products(rows, placeholder_above=100_000, settings=input_settings())
    faults = listing_faults(raw_table(rows), input_settings()).tolist()
    if levels:
        assert table["category"].tolist() == levels[:1]
        assert table["category_levels"].tolist() == [levels] and faults == [""]
    else:
        assert table[["category", "category_levels"]].isna().all(axis=None)
        assert faults == ["category is missing"]


ROWS = pd.DataFrame(
    {
        "id": ["a", "b", "c"],
        "product_name": ["Desk | in Bath, Somerset | Gumtree", None, "Lamp"],
        "category": ["Home & Garden / Dining, Living / Lamps", "Other Goods", "Appliances / AC/DC"],
        "product_description": ["Oak", None, "Call 07700 900123"],
        "price": ["£10.00", "£1,234,567.00", "£0.00"],
        "location": ["Wokingham, Berkshire", "Swansea", None],
    },
    dtype="str",
    index=[4, 7, 9],
)


def test_a_row_becomes_typed_columns() -> None:
    table = clean_products(ROWS, placeholder_above=100_000, settings=input_settings())
    assert table["product_id"].tolist() == ["a", "b", "c"]
    assert table["name"].tolist() == ["Desk", "", "Lamp"]
    assert table["description"].tolist() == ["Oak", "", "Call [phone]"]
    assert table["town"].tolist() == ["Wokingham", "Swansea", ""]
    assert table["county"].tolist() == ["Berkshire", "", ""]
    assert table["location"].tolist() == ["Wokingham, Berkshire", "Swansea", ""]
    assert table["category"].tolist() == ["Home & Garden", "Other Goods", "Appliances"]
    assert table["category_levels"].tolist() == [
        ["Home & Garden", "Dining, Living", "Lamps"],
        ["Other Goods"],
        ["Appliances", "AC/DC"],
    ]
    assert table["price"].tolist() == [10.0, 1234567.0, 0.0]
    assert table["price_is_placeholder"].tolist() == [False, True, True]


def test_unlabelled_rows_have_the_same_columns() -> None:
    labelled = clean_products(ROWS, placeholder_above=100_000, settings=input_settings())
    table = clean_products(
        ROWS.drop(columns=["category", "price"]),
        placeholder_above=100_000,
        settings=input_settings(),
    )
    assert list(table.columns) == list(labelled.columns)
    assert table["category"].isna().all() and table["price"].isna().all()
    assert not table["price_is_placeholder"].any()
    pd.testing.assert_frame_equal(table.iloc[:, :6], labelled.iloc[:, :6])


def test_no_rows_give_no_rows() -> None:
    table = clean_products(ROWS.iloc[:0], placeholder_above=100_000, settings=input_settings())
    assert len(table) == 0 and "town" in table.columns
