"""How photos belong to listings."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from handmade_exports import listings, put_photo

from market.data.inspection.photos import PhotoFiles, PhotoLayout, detect_photos
from market.data.inspection.profiles import profile_columns
from market.data.inspection.table_files import find_tables
from market.data.inspection.tables import read_tables

IDS = listings(rows=12)["id"].tolist()


def layout_of(folder: Path, table: pd.DataFrame | None = None) -> PhotoLayout:
    candidates = [] if table is None else profile_columns(table)
    return detect_photos(PhotoFiles.find(folder), IDS, candidates, None, {})


def column_layout(folder: Path, values: list[str]) -> PhotoLayout:
    return layout_of(folder, pd.DataFrame({"pictures": pd.Series(values, dtype="str")}))


def test_a_folder_for_each_listing(tmp_path: Path) -> None:
    for listing in IDS:
        put_photo(tmp_path / "media" / listing / "front" / "1.JPG")
    found = layout_of(tmp_path)
    assert (found.photos, found.folder, found.share) == ("folders", "media", 1)


def test_folders_of_listings_directly_in_the_raw_folder(tmp_path: Path) -> None:
    for listing in IDS:
        put_photo(tmp_path / listing / "1.jpg")
    found = layout_of(tmp_path)
    assert (found.photos, found.folder) == ("folders", ".")


def test_names_of_files_that_begin_with_the_id(tmp_path: Path) -> None:
    for listing in IDS:
        put_photo(tmp_path / "Pics" / f"{listing}_1.png")
    found = layout_of(tmp_path)
    assert (found.photos, found.folder, found.share) == ("names", "Pics", 1)


def test_photos_beside_the_tables(tmp_path: Path) -> None:
    for listing in IDS:
        put_photo(tmp_path / f"{listing}.jpg")
    found = layout_of(tmp_path)
    assert (found.photos, found.folder) == ("names", ".")


@pytest.mark.parametrize(
    ("value", "separator"),
    [("{0}.jpg", ","), ("{0}.jpg;{0}_b.jpg", ";"), ("{0}.jpg|{0}_b.jpg", "|"),
     ("{0}.jpg {0}_b.jpg", " "), ('["{0}.jpg", "{0}_b.jpg"]', ",")],
)  # fmt: skip
def test_a_column_of_names_and_its_separator(tmp_path: Path, value: str, separator: str) -> None:
    for listing in IDS:
        put_photo(tmp_path / "images" / f"{listing}.jpg")
        put_photo(tmp_path / "images" / f"{listing}_b.jpg")
    found = column_layout(tmp_path, [value.format(listing) for listing in IDS])
    assert (found.photos, found.columns) == ("column", ("pictures",))
    assert (found.folder, found.separator, found.share) == ("images", separator, 1)


def test_paths_from_the_raw_folder(tmp_path: Path) -> None:
    for listing in IDS:
        put_photo(tmp_path / "bilder" / f"{listing}.jpg")
    found = column_layout(tmp_path, [f"bilder/{listing}.jpg" for listing in IDS])
    assert (found.folder, found.share) == (".", 1)


def test_paths_from_the_folder_of_photos(tmp_path: Path) -> None:
    for listing in IDS:
        put_photo(tmp_path / "bilder" / "a" / f"{listing}.jpg")
    found = column_layout(tmp_path, [f"a/{listing}.jpg" for listing in IDS])
    assert (found.folder, found.share) == ("bilder", 1)


def test_addresses_without_an_ending_are_photos_by_the_name_of_their_column(
    tmp_path: Path,
) -> None:
    urls = [f"https://example.com/{row}?w=9 https://example.com/{row}b" for row in IDS]
    found = column_layout(tmp_path, urls)
    assert (found.photos, found.separator, found.unfetched) == ("column", " ", 1)
    pages = pd.DataFrame({"link": pd.Series(urls, dtype="str")})
    assert layout_of(tmp_path, pages).photos == ""


def test_photos_that_fit_no_listing(tmp_path: Path) -> None:
    put_photo(tmp_path / "images" / "logo.png")
    found = layout_of(tmp_path)
    assert (found.photos, found.evidence) == ("", "none of the photo files (1) fits a listing")


def images_layout(folder: Path, images: pd.DataFrame) -> PhotoLayout:
    listings(rows=12).to_csv(folder / "products.csv", index=False)
    images.to_csv(folder / "images.csv", index=False)
    table = read_tables(find_tables(folder)[1]).images
    assert table is not None
    return detect_photos(PhotoFiles.find(folder), IDS, [], table.rows, table.matches)


def test_a_table_whose_ids_are_names_of_files(tmp_path: Path) -> None:
    for row in range(12):
        put_photo(tmp_path / "images" / f"p{row}.jpg")
    table = pd.DataFrame({"id": [f"p{row}" for row in range(12)], "listing": IDS})
    found = images_layout(tmp_path, table)
    assert (found.photos, found.image_columns) == ("table", {"product_id": "listing"})


def test_a_table_of_paths_without_ids(tmp_path: Path) -> None:
    for row in range(12):
        put_photo(tmp_path / "media" / f"p{row}.jpg")
    table = pd.DataFrame({"file": [f"p{row}.jpg" for row in range(12)], "product_id": IDS})
    found = images_layout(tmp_path, table)
    assert found.image_columns == {"id": None, "image_ref": "file"}
    assert (found.folder, found.share) == ("media", 1)
