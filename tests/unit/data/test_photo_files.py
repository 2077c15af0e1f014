"""Photo files and the rows that name them: each is matched or rejected."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from raw_input import raw_table

from market.core.errors import MarketError
from market.data.photo_files import find_photos, match_images
from market.data.rejects import reject_files
from market.data.schemas import IMAGES_SCHEMA, check_rows


def images(**columns: list[str | None]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    usual = {"id": [f"i{i}" for i in range(n)], "product_id": ["p0"] * n}
    return pd.DataFrame({**usual, **columns}, dtype="str")


def test_of_two_files_with_one_id_the_first_by_name_is_taken(tmp_path: Path) -> None:
    for name in ("b.png", "b.jpg", "a.jpg", ".DS_Store", "b.webp"):
        (tmp_path / name).touch()
    found, clashing = find_photos(tmp_path)
    assert found == {"a": tmp_path / "a.jpg", "b": tmp_path / "b.jpg"}
    assert clashing == [tmp_path / "b.png", tmp_path / "b.webp"]


def test_an_absent_photo_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match=r"images does not exist: put the photos there, .*$"):
        find_photos(tmp_path / "images")


def test_rows_and_files_are_matched_or_listed() -> None:
    rows = images(id=["i0", "i1", "i2", "i3"], product_id=["p0", "gone", "p1", "gone"])
    files = {name: Path(f"images/{name}.jpg") for name in ("i0", "i1", "extra")}
    matched, rejects = match_images(rows, files, pd.Series(["p0", "p1"]))
    assert matched["id"].tolist() == ["i0"]
    assert rejects[["source", "id", "reason"]].to_numpy().tolist() == [
        ["Images.csv", "i1", "its product is not in Products.csv"],
        ["Images.csv", "i2", "no file in images/"],
        ["Images.csv", "i3", "its product is not in Products.csv"],
        ["images/extra.jpg", "extra", "no row in Images.csv"],
    ]
    assert rejects["record"].tolist()[:3] == [2, 3, 4]


def test_records_count_the_table_not_what_is_left_of_it() -> None:
    table = images(id=["i0", "../x", "i2"])
    rows, _ = check_rows(raw_table(table, Path("Images.csv")), IMAGES_SCHEMA)
    _, rejects = match_images(rows, {"i0": Path("images/i0.jpg")}, pd.Series(["p0"]))
    assert rejects["record"].tolist() == [3]


def test_rejected_files_keep_their_ending() -> None:
    rejects = reject_files([Path("raw/images/a.png")], ["damaged"])
    assert rejects[["source", "id", "reason"]].to_numpy().tolist() == [
        ["images/a.png", "a", "damaged"]
    ]
