"""Changed listings join the groups of copies of their text or photo."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from market.search.copies import KnownTexts, group_changed

LONG = "a solid oak table with six chairs and two leaves"
OTHER = "a quiet fridge with freezer, four years old, works well"
COMMON = "please see all of my other ads on this very site"
DESCRIPTIONS = pd.Series([LONG, OTHER, COMMON, COMMON, "short"])
GROUPS = np.array([0, 1, 2, 3, 4])
NOTHING = np.empty(0, np.int64)


def groups_of(
    descriptions: list[str],
    photos: list[list[bytes]] | None = None,
    same_photo: list[list[int]] | None = None,
    former: list[int] | None = None,
) -> list[int]:
    count = len(descriptions)
    return group_changed(
        pd.Series(descriptions, dtype="str"),
        photos or [[]] * count,
        [np.array(each, np.int64) for each in same_photo or [[]] * count],
        np.array(former or [-1] * count),
        KnownTexts.build(DESCRIPTIONS),
        GROUPS,
        first_new=5,
    ).tolist()


@pytest.mark.parametrize(
    ("descriptions", "groups"),
    [
        ([LONG], [0]),
        (["A solid  OAK table with six chairs and two leaves"], [0]),  # case and spaces
        (["something new"], [5]),
        (["short"], [5]),  # few words are equal by chance
        ([COMMON], [5]),  # boilerplate: the index left it in two groups
        ([COMMON, COMMON], [5, 6]),
        (["a new text of more than eight words in all"] * 2, [5, 5]),
        ([], []),
    ],
)
def test_equal_descriptions_share_a_group(descriptions: list[str], groups: list[int]) -> None:
    assert groups_of(descriptions) == groups


def test_equal_photos_share_a_group() -> None:
    assert groups_of(["a", "b", "c"], [[b"1"], [b"2", b"1"], [b"3"]]) == [5, 5, 6]
    assert groups_of(["a"], same_photo=[[1]]) == [1]
    assert groups_of(["a"], same_photo=[[1, 2]]) == [5], "a photo of two groups is boilerplate"
    assert groups_of(["a", LONG], [[b"1"], [b"1"]]) == [0, 0], "a copy of a copy is a copy"


def test_a_changed_listing_stays_in_its_group_while_it_keeps_its_text_or_a_photo() -> None:
    assert groups_of([COMMON], former=[3]) == [3]
    assert groups_of(["new text"], same_photo=[[0, 1]], former=[1]) == [1]
    assert groups_of(["new text"], former=[1]) == [5]
