"""Dates such as 05/03/2024: one order for a whole column."""

from __future__ import annotations

import pandas as pd
import pytest

from market.data.dates import OPEN, date_order, to_iso_dates
from market.data.interactions import read_times


def column(*texts: str | None) -> pd.Series:
    return pd.Series(texts, dtype="str")


@pytest.mark.parametrize(
    ("country", "first"),
    [("GB", "day"), ("DE", "day"), ("FR", "day"), ("AU", "day"), ("IN", "day"), ("US", "month"),
     ("PH", "month"), ("JP", "year"), ("KR", "year"), ("CN", "year"), ("SE", "year")],
)  # fmt: skip
def test_a_country_has_an_order_of_its_own(country: str, first: str) -> None:
    assert date_order(country)[0] == first


@pytest.mark.parametrize(
    ("country", "texts", "expected", "note"),
    [
        ("GB", ["05/03/2024"], ["2024-03-05"], "'05/03/2024' are read as day/month/year, as in GB"),
        ("US", ["05/03/2024"], ["2024-05-03"], "'05/03/2024' are read as month/day/year, as in US"),
        ("GB", ["05/03/2024", "25/03/2024"], ["2024-03-05", "2024-03-25"], ""),
        ("US", ["05/03/2024", "3/25/2024"], ["2024-05-03", "2024-03-25"], ""),
        # The column outweighs the country.
        ("US", ["05/03/2024", "25/03/2024"], ["2024-03-05", "2024-03-25"], "unlike in US"),
        ("GB", ["05-03-2024", "03-25-2024"], ["2024-05-03", "2024-03-25"], "unlike in GB"),
        ("JP", ["05/03/2024", "25/03/2024"], ["2024-03-05", "2024-03-25"], ""),
        ("GB", ["25/3/24", "1/2/24"], ["2024-03-25", "2024-02-01"], ""),
        ("JP", ["24/03/05", "24-3-5"], ["2024-03-05", "2024-03-05"], ""),
        ("US", ["3/13/99"], ["1999-03-13"], ""),
    ],
)
def test_a_column_has_one_order(
    country: str, texts: list[str], expected: list[str], note: str
) -> None:
    dates = to_iso_dates(column(*texts), country)
    assert dates.texts.tolist() == expected
    assert note in dates.note and bool(note) == bool(dates.note)


def test_a_date_that_fits_only_the_other_order_is_rejected() -> None:
    times, faults = read_times(column("13/03/2024", "14/03/2024", "03/25/2024"), "GB")
    assert times.isna().tolist() == [False, False, True]
    assert faults.ne("").tolist() == [False, False, True]
    assert "fit the other order" in to_iso_dates(column("13/3/2024", "3/25/2024"), "GB").note


@pytest.mark.parametrize("country", ["JP", "SE"])
def test_where_the_year_comes_first_nothing_tells_day_from_month(country: str) -> None:
    _, faults = read_times(column("05/03/2024"), country)
    assert faults.tolist() == [OPEN]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2024-3-5", "2024-03-05"),
        ("2024/3/5 9:30", "2024-03-05 09:30"),
        ("2024.03.05", "2024-03-05"),
        ("2024. 3. 5. 10:11", "2024-03-05 10:11"),
        ("2024年3月5日 9:05", "2024-03-05 09:05"),
        ("5.3.2024 10:30", "2024-03-05 10:30"),
        ("13/03/2024, 22:30:05", "2024-03-13 22:30:05"),
        ("13/03/2024 12:05 am", "2024-03-13 00:05"),
        ("13/03/2024 12:05\u202fPM", "2024-03-13 12:05"),
        ("13/03/2024T10:30:00+02:00", "2024-03-13 08:30"),
        ("2024-03-05 10:30 PM", "2024-03-05 22:30"),
        ("5 March 2024", "2024-03-05"),
        ("March 5th, 2024 at 4:05 pm", "2024-03-05 16:05"),
        ("Tue, 05 Mar 2024 10:30:00 +0100", "2024-03-05 09:30"),
        ("Tuesday, March 5, 2024", "2024-03-05"),
        ("05-MAR-2024", "2024-03-05"),
        ("5. März 2024", "2024-03-05"),
        ("1er mars 2024 à 9:30", "2024-03-01 09:30"),
        ("5 de marzo de 2024", "2024-03-05"),
        ("5 de março de 2024", "2024-03-05"),
    ],
)
def test_other_ways_to_write_times_are_read(written: str, expected: str) -> None:
    times, faults = read_times(column(written), "GB")
    assert faults.tolist() == [""]
    assert times.tolist() == [pd.Timestamp(expected)]


@pytest.mark.parametrize(
    "text",
    [
        "80-60-40",
        "1.2.3",
        "99/99/2024",
        "31/02/2024",
        "1/2/2024x",
        "March 2024",
        "31 June 2024",
        "5 chairs 2024",
        "Chair 12, 2024",
        "",
    ],
)
def test_what_is_no_date_is_not_read(text: str) -> None:
    times, _ = read_times(column(text or None), "GB")
    assert times.isna().all()
