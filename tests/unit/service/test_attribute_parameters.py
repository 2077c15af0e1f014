"""The parameters attr.NAME of a request."""

from __future__ import annotations

import pandas as pd
import pytest

from market.core.errors import MarketError
from market.search.attributes import AttributeColumns, AttributeType, Condition
from market.service.attribute_parameters import MAX_PARAMETERS, parse_conditions

TYPES = (
    AttributeType("brand", "category"),
    AttributeType("size", "number", "cm"),
    AttributeType("size_min", "number"),
    AttributeType("made on", "date"),
)
COLUMNS = AttributeColumns.build(
    pd.DataFrame({
        "attribute_brand": pd.array(["Sony", "Hay"], dtype="str"),
        "attribute_size": [1.0, 2.0],
        "attribute_size_min": [3.0, 4.0],
        "attribute_made on": pd.to_datetime(["2024-01-01", "2024-02-01"]),
    }),
    TYPES,
)  # fmt: skip


def parse(*parameters: tuple[str, str]) -> dict[str, Condition]:
    return parse_conditions(parameters, COLUMNS)


def test_repeated_values_are_alternatives() -> None:
    conditions = parse(("attr.brand", "Sony"), ("q", "x"), ("attr.brand", "Hay"), ("attr.size", ""))
    assert conditions == {"brand": Condition(any_of=("Sony", "Hay"))}


def test_endings_set_bounds_and_existence() -> None:
    conditions = parse(
        ("attr.size_max", "5"), ("attr.made on_min", "2024-01-15"), ("attr.brand_exists", "FALSE")
    )
    assert conditions == {
        "size": Condition(maximum="5"),
        "made on": Condition(minimum="2024-01-15"),
        "brand": Condition(exists=False),
    }


def test_a_whole_name_comes_before_an_ending() -> None:
    assert parse(("attr.size_min", "3")) == {"size_min": Condition(any_of=("3",))}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([("attr.brnd", "x")], "no attribute 'brnd': the attributes are brand, size, size_min"),
        ([("attr.brnd_max", "x")], "no attribute 'brnd_max'"),
        ([("attr.", "x")], "no attribute ''"),
        ([("attr.size", "big")], "'big' is not a number"),
        ([("attr.size_max", "inf")], "'inf' is not a number"),
        ([("attr.size_max", "1"), ("attr.size_max", "2")], "attr.size_max: given more than once"),
        ([("attr.brand_exists", "ja")], "attr.brand_exists: 'ja' is neither true nor false"),
        ([("attr.made on_min", "2024-02-01"), ("attr.made on_max", "2024-01-01")],
         "attr.made on_min is above attr.made on_max"),
        ([("attr.brand", "a" * 301)], "attr.brand: longer than 300"),
        ([("attr.brand", "a")] * (MAX_PARAMETERS + 1), "more than 100 conditions"),
    ],
)  # fmt: skip
def test_a_parameter_without_a_meaning_is_one_clear_line(
    parameters: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(MarketError) as error:
        parse(*parameters)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_without_attributes_the_message_says_so() -> None:
    with pytest.raises(MarketError, match="no attribute 'brand': listings have none"):
        parse_conditions([("attr.brand", "Sony")], AttributeColumns())
