"""Columns beyond the usual six: typed by their kind, and what cannot be read is named."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from raw_input import input_settings

from market.core.errors import MarketError
from market.data.attributes import Details, clean_details
from market.data.tables import RawTable
from market.data.values import parse_booleans, parse_numbers


def numbers(*texts: str | None, decimal: str = ".") -> tuple[list[float], str, list[str]]:
    values, faults, unit = parse_numbers(pd.Series(texts, dtype="str"), decimal)
    return values.tolist(), unit, faults.tolist()


@pytest.mark.parametrize(
    ("texts", "decimal", "expected", "unit"),
    [
        (("120 cm", "1.2 m", "95", "5 mm"), ".", [120, 120, 95, 0.5], "cm"),
        (("1,5 kg", "500 g", "2kg"), ",", [1.5, 0.5, 2], "kg"),
        (("1.250 km", "12.000 km"), ",", [1250, 12000], "km"),
        (("128 GB", "1 TB", "256 GB"), ".", [128, 1000, 256], "gb"),
        (("1,250", "-3", "0.5"), ".", [1250, -3, 0.5], ""),
        (("ca. 50 m²", "60 m²"), ".", [50, 60], "m²"),
        (('15.6"', '13 "'), ".", [15.6, 13], '"'),
        (("90 %",), ".", [90], "%"),
        (("１２ cm",), ".", [12], "cm"),
    ],
)
def test_numbers_are_read_in_the_commonest_unit(
    texts: tuple[str, ...], decimal: str, expected: list[float], unit: str
) -> None:
    values, found, faults = numbers(*texts, decimal=decimal)
    assert values == pytest.approx(expected) and found == unit and not any(faults)


def test_values_that_are_no_numbers_are_faults() -> None:
    values, _, faults = numbers("5 cm", "6 cm", "huge", "7 kg", "1-2 cm", None)
    assert values[:2] == [5, 6] and all(map(math.isnan, values[2:]))
    assert faults == ["", "", "is not a number", "is not in cm", "is not a number", ""]


def test_truth_values_are_read_in_many_languages() -> None:
    texts = ["Yes", "1", "ja", "TRUE", "はい", "no", "0", "Nein", "false", "perhaps", None]
    values, faults, _ = parse_booleans(pd.Series(texts, dtype="str"))
    assert values.tolist()[:9] == [True] * 5 + [False] * 4
    assert values.isna().tolist() == [False] * 9 + [True, True]
    assert faults.tolist() == [""] * 9 + ["is neither yes nor no", ""]


def details(columns: dict[str, list[str | None]], max_share: float = 1.0) -> Details:
    fields = {"latitude": "lat", "longitude": "lon", "created": "seit", "status": "Status",
              "seller_id": "Verkäufer"}  # fmt: skip
    own = input_settings(
        columns={"id": "id", **fields},
        attributes={"Marke": "category", "Größe": "number", "neu": "boolean", "frei ab": "date"},
        decimal=",",
    )
    read = pd.DataFrame(columns, dtype="str")
    wanted = {**fields, **{f"attribute_{name}": name for name in own.attributes}}
    table = RawTable.select(Path("raw/Artikel.csv"), read, {"id": "id", **wanted})
    return clean_details(table, table.rows, own, max_share=max_share)


def test_fields_and_attributes_are_typed_and_carried() -> None:
    columns, attributes, metrics, messages = details(
        {
            "id": ["1", "2", "3", "4"],
            "lat": ["52,5", "48.1", "91", "0"],
            "lon": ["13.4", None, "10", "0"],
            "seit": ["2024-03-05T10:00:00+01:00", "05.03.2024", "1709632800", "soon"],
            "Status": ["sold", None, "active", "active"],
            "Verkäufer": ["7", "7", "8", None],
            "Marke": ["Ikea", " Ikea  GmbH ", None, "Hay"],
            "Größe": ["1,5 m", "80 cm", "0,5 m", "groß"],
            "neu": ["ja", "nein", None, "vielleicht"],
            "frei ab": ["2024-03-05", None, None, "05.13.2024"],
        }
    )
    assert columns["latitude"].dropna().to_dict() == {0: 52.5}, "both, on earth, and not 0, 0"
    assert columns["longitude"].dropna().to_dict() == {0: 13.4}
    times = [pd.Timestamp("2024-03-05 09:00"), pd.Timestamp("2024-03-05")]
    assert columns["created"].tolist()[:2] == times and columns["created"].isna()[3]
    assert columns["status"].fillna("").tolist() == ["sold", "", "active", "active"]
    assert columns["seller_id"].fillna("").tolist() == ["7", "7", "8", ""]
    assert columns["attribute_Marke"].fillna("").tolist() == ["Ikea", "Ikea GmbH", "", "Hay"]
    assert columns["attribute_Größe"].tolist()[:3] == [1.5, 0.8, 0.5]
    assert columns["attribute_neu"].tolist()[:2] == [True, False]
    assert columns["attribute_frei ab"].notna().tolist() == [True, False, False, False]
    assert metrics["Größe"] == {
        "type": "number", "values": 3, "missing": 0, "unreadable": 1, "unit": "m",
    }  # fmt: skip
    assert attributes["Größe"] == {"type": "number", "unit": "m"}
    assert [*attributes] == ["Marke", "Größe", "neu", "frei ab"]
    assert metrics["lat"]["unreadable"] == 1 and metrics["Marke"]["missing"] == 1
    assert (
        "raw/Artikel.csv: 1 of 4 values of 'Größe' cannot be read: is not a number (the first is "
        "row 4, 'groß'): left empty"
    ) in messages
    assert len(messages) == 5


def test_personal_data_in_attributes_is_masked_by_the_country() -> None:
    own = input_settings(country="DE", attributes={"Hinweis": "text"})
    read = pd.DataFrame({"id": ["1"], "Hinweis": ["Abholung in 20095 Hamburg"]}, dtype="str")
    table = RawTable.select(Path("raw/A.csv"), read, {"id": "id", "attribute_Hinweis": "Hinweis"})
    columns = clean_details(table, table.rows, own, max_share=1.0).columns
    assert columns["attribute_Hinweis"].tolist() == ["Abholung in [postcode] Hamburg"]


def test_a_column_of_another_type_ends_the_run() -> None:
    with pytest.raises(MarketError) as error:
        details({"id": ["1", "2", "3"], "Größe": ["small", "large", "3"]}, 0.5)
    assert "2 of 3 values of 'Größe' cannot be read" in str(error.value)
    assert "set input.attributes.Größe to text" in str(error.value)


def test_a_table_without_further_columns_has_no_details() -> None:
    columns, attributes, metrics, messages = details({"id": ["1", "2"]})
    assert columns.shape == (2, 0) and not attributes and not metrics and not messages
