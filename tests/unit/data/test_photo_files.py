"""The four ways in which photos belong to listings: each reference and file is used or rejected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raw_input import input_settings

from market.core.errors import MarketError
from market.data.photo_files import RawImages, read_images
from market.data.photo_references import fetched_name
from market.data.raw_folder import RawFolder
from market.data.rejects import reject_files

URL = "https://cdn.example/a,1.jpg"


def write(raw: Path, *files: str, **tables: str) -> Path:
    """Write empty files below a raw folder, and tables by the names of their files."""
    for name in files:
        path = raw / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name, content in tables.items():
        (raw / f"{name}.csv").write_text(content, encoding="utf-8")
    return raw


def read(raw: Path, rejected: tuple[str, ...] = (), *, partial: bool = False, **changes: Any):
    folder = RawFolder(raw, input_settings(**changes))
    listings = folder.listings(labelled=False)
    kept = ~listings.rows["id"].isin(rejected).to_numpy()
    return read_images(folder, listings, kept, partial=partial)


def usable(images: RawImages, raw: Path) -> list[tuple[str, str, str]]:
    """Return the id, the listing and the file of each usable photo, in order."""
    assert images.usable["id"].is_unique
    return [
        (row.id, row.product_id, row.path.relative_to(raw).as_posix())
        for row in images.usable.itertuples()
    ]


def rejects(images: RawImages) -> list[list[Any]]:
    table = images.rejects.astype(object).where(images.rejects.notna(), None)
    return table[["source", "record", "id", "reason"]].to_numpy().tolist()


# --- A table of photos ----------------------------------------------------------------------------
def test_rows_and_files_are_matched_or_listed(tmp_path: Path) -> None:
    raw = write(
        tmp_path,
        *("images/i0.jpg", "images/i1.jpg", "images/extra.jpg", "images/i5.png", "images/i5.jpg"),
        Products="id\np0\np1\nbad\n",
        Images="id,product_id\ni0,p0\ni1,gone\ni2,p1\ni3,gone\n../x,p1\ni5,bad\n",
    )
    images = read(raw, rejected=("bad",))
    assert usable(images, raw) == [("i0", "p0", "images/i0.jpg")]
    assert rejects(images) == [
        ["Images.csv", 5, "../x", "id is not a file name"],
        ["Images.csv", 2, "i1", "its product is not in Products.csv"],
        ["Images.csv", 3, "i2", "no file in images/"],
        ["Images.csv", 4, "i3", "its product is not in Products.csv"],
        ["Images.csv", 6, "i5", "its product was rejected"],
        ["images/extra.jpg", None, "extra", "no row in Images.csv"],
        ["images/i5.png", None, "i5", "another file has this id"],
    ]
    assert (images.files, images.total, images.unit) == (5, 6, "rows")


def test_files_of_a_table_may_be_nested_and_have_any_letter_case(tmp_path: Path) -> None:
    raw = write(
        tmp_path,
        *("IMAGES/2024/I0.JPG", "IMAGES/b.c.jpeg"),
        Products="id\np0\n",
        Images="id,product_id\ni0,p0\nb.c.jpeg,p0\n",
    )
    assert usable(read(raw), raw) == [
        ("b.c.jpeg", "p0", "IMAGES/b.c.jpeg"),
        ("i0", "p0", "IMAGES/2024/I0.JPG"),
    ]


def test_a_table_may_have_paths_or_urls_instead_of_ids(tmp_path: Path) -> None:
    raw = write(
        tmp_path,
        *("Photos/x/1.jpg", "Photos/x/2.jpg", f"Photos/fetched/{fetched_name(URL)}.webp"),
        Products="id\np/0\n",
        Images=f'listing,file\np/0,x/2.jpg\np/0,x/1.jpg\np/0,"{URL}"\np/0,X/2.JPG\np/0,//a.de/b\n',
    )
    columns = {"id": None, "product_id": "listing", "image_ref": "file"}
    images = read(raw, image_columns=columns, photo_folder="photos")
    assert usable(images, raw) == [
        ("p/0-0001", "p/0", "Photos/x/2.jpg"),
        ("p/0-0002", "p/0", "Photos/x/1.jpg"),
        ("p/0-0003", "p/0", f"Photos/fetched/{fetched_name(URL)}.webp"),
    ]
    assert rejects(images) == [
        ["Images.csv", 4, "p/0-0004", "its file is an earlier photo of the listing"],
        ["Images.csv", 5, "p/0-0005", "not fetched yet (//a.de/b)"],
    ]
    assert images.messages == [
        f"{raw}/Images.csv: 1 of 5 photos are not fetched yet: run `python -m market.fetch_photos`"
    ]


def test_without_a_table_of_photos_there_are_none(tmp_path: Path) -> None:
    raw = write(tmp_path, "images/p0.jpg", Products="id\np0\n")
    images = read(raw, images="")
    assert images.usable.empty and images.rejects.empty
    assert images.messages == [f"{raw}: input.images is empty: no photo is read"]
    images = read(raw, partial=True)
    assert images.messages == [f"{raw}/Images.csv does not exist: no photo is read"]
    with pytest.raises(MarketError, match=r"Images\.csv does not exist"):
        read(raw)


# --- A column of the listings ---------------------------------------------------------------------
def test_a_column_holds_the_photos_of_a_listing_in_order(tmp_path: Path) -> None:
    raw = write(
        tmp_path,
        *("images/b.jpg", "images/a.JPG", "images/1/c.png", "images/unused.jpg"),
        *(f"images/fetched/{fetched_name(URL)}.jpg", "secret.jpg"),
        Products=(
            "id,pictures,more\n"
            "p0,b.jpg | A.jpg|b.jpg,1/c.png\n"
            f'p1,"[""{URL}"", ""../secret.jpg""]",none.jpg\n'
            "p2,,\n"
            "p3,a.jpg,\n"
        ),
    )
    settings: dict[str, Any] = {
        "photos": "column",
        "photo_columns": ["pictures", "more"],
        "photo_separator": "|",
    }
    images = read(raw, rejected=("p3",), **settings)
    assert usable(images, raw) == [
        ("p0-0001", "p0", "images/b.jpg"),
        ("p0-0002", "p0", "images/a.JPG"),
        ("p0-0004", "p0", "images/1/c.png"),
        ("p1-0001", "p1", f"images/fetched/{fetched_name(URL)}.jpg"),
    ]
    assert rejects(images) == [
        ["Products.csv", 1, "p0-0003", "its file is an earlier photo of the listing"],
        ["Products.csv", 2, "p1-0002", "leads out of the raw folder"],
        ["Products.csv", 2, "p1-0003", "no file in images/ (none.jpg)"],
        ["Products.csv", 4, "p3-0001", "its product was rejected"],
        ["images/unused.jpg", None, "unused", "no listing names it"],
    ]
    assert (images.files, images.total, images.unit) == (5, 8, "photos")


def test_lists_of_json_lines_are_read_as_they_are(tmp_path: Path) -> None:
    raw = write(tmp_path, "images/a,1.jpg", "images/b.jpg")
    rows = [{"id": "p0", "pictures": ["a,1.jpg", {"url": "b.jpg"}]}, {"id": "p1", "pictures": []}]
    (raw / "listings.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings: dict[str, Any] = {
        "photos": "column",
        "photo_columns": ["pictures"],
        "products": "listings.jsonl",
    }
    images = read(raw, **settings)
    assert [path for _, _, path in usable(images, raw)] == ["images/a,1.jpg", "images/b.jpg"]


def test_urls_that_were_not_fetched_end_clean_with_the_command(tmp_path: Path) -> None:
    raw = write(tmp_path, Products=f'id,pictures\np0,"{URL},{URL}?2"\n')
    images = read(raw, photos="column", photo_columns=["pictures"])
    with pytest.raises(MarketError) as error:
        images.check_share(images.rejected_of_total, 0.5)
    assert str(error.value).startswith(
        f"{raw}/Products.csv: 2 of 2 photos are rejected: not fetched yet (the first is row 1, "
        "'p0-0001'): run `python -m market.fetch_photos`"
    )
    images = read(raw, photos="column", photo_columns=["pictures"], partial=True)
    assert images.messages[-1].endswith(f"run `python -m market.fetch_photos --raw {raw}`")


def test_an_absent_photo_column_is_named(tmp_path: Path) -> None:
    raw = write(tmp_path, Products="id,pictures\np0,a.jpg\n")
    with pytest.raises(MarketError) as error:
        read(raw, photos="column", photo_columns=["photos"])
    assert str(error.value) == (
        f"{raw}/Products.csv: no column 'photos' (found: 'id', 'pictures'): correct "
        "input.photo_columns in params.yaml"
    )


# --- Folders or files named after the listing -----------------------------------------------------
def test_each_listing_has_a_folder(tmp_path: Path) -> None:
    raw = write(
        tmp_path,
        *("images/p0/10.jpg", "images/p0/2.jpg", "images/P1/more/x.HEIC", "images/p1/a.png"),
        *("images/loose.jpg", "images/gone/a.jpg", "images/bad/a.jpg"),
        Products="id\np0\np1\nbad\n",
    )
    images = read(raw, rejected=("bad",), photos="folders")
    assert usable(images, raw) == [
        ("p0-0001", "p0", "images/p0/2.jpg"),
        ("p0-0002", "p0", "images/p0/10.jpg"),
        ("p1-0001", "p1", "images/p1/a.png"),
        ("p1-0002", "p1", "images/P1/more/x.HEIC"),
    ]
    assert sorted(rejects(images)) == [
        ["images/bad/a.jpg", None, "a", "its product was rejected"],
        ["images/gone/a.jpg", None, "a", "no listing has the name of its folder"],
        ["images/loose.jpg", None, "loose", "in no listing's folder"],
    ]


def test_files_are_named_after_the_listing(tmp_path: Path) -> None:
    raw = write(
        tmp_path,
        *("images/1_2.jpg", "images/1.jpg", "images/1-10.JPG", "images/12 (3).jpeg"),
        *("images/old/a-1.jpg", "images/IMG.jpg"),
        Products="id\n1\n12\na\na-1\n",
    )
    images = read(raw, photos="names")
    assert usable(images, raw) == [
        ("1-0001", "1", "images/1.jpg"),
        ("1-0002", "1", "images/1-10.JPG"),
        ("1-0003", "1", "images/1_2.jpg"),
        ("12-0001", "12", "images/12 (3).jpeg"),
        ("a-1-0001", "a-1", "images/old/a-1.jpg"),
    ]
    assert rejects(images) == [
        ["images/IMG.jpg", None, "IMG", "no listing has an id that its name begins with"]
    ]
    assert images.messages == [
        f"{raw}/images: the names of 1 files begin with several ids, such as 'a-1.jpg' (a-1, a): "
        "each belongs to the longest"
    ]


@pytest.mark.parametrize("way", ["folders", "names"])
def test_a_wrong_way_ends_clean(tmp_path: Path, way: str) -> None:
    raw = write(tmp_path, "images/x/1.jpg", "images/x/2.jpg", Products="id\np0\n")
    images = read(raw, photos=way)
    with pytest.raises(MarketError, match=r"images: 2 of 2 files are rejected: no listing has"):
        images.check_share(images.rejected_of_total, 0.5)


@pytest.mark.parametrize("way", ["table", "column", "folders", "names"])
def test_the_order_of_listings_changes_no_photo(tmp_path: Path, way: str) -> None:
    rows = ["p1,p1_1.jpg;p1_2.jpg", "p0,p0_2.jpg;p0_1.jpg"]
    files = [f"images/{name[:2]}/{name}" for row in rows for name in row[3:].split(";")]
    settings: dict[str, Any] = {"photos": way, "photo_columns": ["files"], "photo_separator": ";"}
    found = []
    for folder, order in (("a", rows), ("b", rows[::-1])):
        (tmp_path / folder).mkdir()
        products = "id,files\n" + "\n".join(order) + "\n"
        table = "id,product_id\n" + "".join(f"{Path(f).stem},{f[7:9]}\n" for f in files)
        raw = write(tmp_path / folder, *files, Products=products, Images=table)
        found.append(usable(read(raw, **settings), raw))
    assert found[0] == found[1] and len(found[0]) == 4


def test_rejected_files_keep_their_ending() -> None:
    file = Path("raw/images/nested/a.png")
    table = reject_files([file], ["damaged"], Path("raw"))
    assert table[["source", "id", "reason"]].to_numpy().tolist() == [
        ["images/nested/a.png", "a", "damaged"]
    ]
    assert reject_files([file], ["damaged"], Path("raw"), ["p0-0001"])["id"].tolist() == ["p0-0001"]


def test_photos_that_cannot_be_decoded_are_rejected_under_their_ids(tmp_path: Path) -> None:
    raw = write(tmp_path, "images/p0/1.jpg", Products="id\np0\n")
    images = read(raw, photos="folders")
    rejected = images.reject_photos(images.usable[np.array([True])], ["empty file"])
    assert rejected[["source", "id", "reason"]].to_numpy().tolist() == [
        ["images/p0/1.jpg", "p0-0001", "empty file"]
    ]
