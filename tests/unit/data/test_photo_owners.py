"""The listing that a file belongs to, by its name or its folders."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from market.data.photo_formats import UnusablePhoto
from market.data.photo_owners import OwnerFinder

IDS = ["1", "12", "a", "a-1", "B7", "b7", "Süß", "x.y", "two words"]


@pytest.mark.parametrize(
    ("name", "product_id", "others"),
    [
        ("1.jpg", "1", ()),
        ("12.JPG", "12", ()),
        ("1_2.jpg", "1", ()),
        ("12-2.JPG", "12", ()),
        ("12 (3).jpeg", "12", ()),
        ("12(3).jpeg", "12", ()),
        ("1__front-left.png", "1", ()),
        ("a-1.jpg", "a-1", ("a",)),
        ("a-1_2.jpg", "a-1", ("a",)),
        ("a-2.jpg", "a", ()),
        ("A-1.jpg", "a-1", ("a",)),
        ("B7_1.jpg", "B7", ()),
        ("b7_1.jpg", "b7", ()),
        ("SÜSS_1.jpg", "Süß", ()),
        ("su\u0308ß.jpg", "Süß", ()),
        ("x.y.1.jpg", "x.y", ()),
        ("two words 2.jpg", "two words", ()),
    ],
)
def test_the_longest_id_at_the_beginning_of_a_name_counts(
    name: str, product_id: str, others: tuple[str, ...]
) -> None:
    assert OwnerFinder(IDS).by_name(PurePath("nested") / name) == (product_id, others)


@pytest.mark.parametrize("name", ["123.jpg", "IMG_1.jpg", "_1.jpg", "a1.jpg", "two.jpg"])
def test_a_name_that_begins_with_no_id_belongs_to_nobody(name: str) -> None:
    with pytest.raises(UnusablePhoto, match=r"^no listing has an id that its name begins with$"):
        OwnerFinder(IDS).by_name(PurePath(name))


def test_ids_that_differ_in_letter_case_are_ambiguous() -> None:
    finder = OwnerFinder(["Ab", "aB", "ab-x"])
    assert finder.by_name(PurePath("AB-x.jpg")).product_id == "ab-x"
    with pytest.raises(UnusablePhoto, match=r"^its name fits several listings \(Ab, aB\)$"):
        finder.by_name(PurePath("AB.jpg"))


@pytest.mark.parametrize("path", ["12/x.jpg", "12/thumbs/x.jpg", "2024/12/x.jpg", "A/x.jpg"])
def test_one_of_the_folders_is_named_after_the_listing(path: str) -> None:
    assert OwnerFinder(IDS).by_folders(PurePath(path)).product_id in ("12", "a")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("12.jpg", "in no listing's folder"),
        ("13/1.jpg", "no listing has the name of its folder"),
        ("12/1/x.jpg", "its folders name several listings (12, 1)"),
    ],
)
def test_a_file_in_no_listings_folder_has_a_reason(path: str, reason: str) -> None:
    with pytest.raises(UnusablePhoto) as error:
        OwnerFinder(IDS).by_folders(PurePath(path))
    assert str(error.value) == reason
