"""The file that a reference means, in folders of any depth and letter case."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from market.core.errors import MarketError
from market.data.photo_folder import FETCHED, PhotoFolder, natural_key
from market.data.photo_formats import UnusablePhoto
from market.data.photo_references import fetched_name


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    for name in (
        *("Products.csv", "Images/1/front.jpg", "Images/2/front.jpg", "Images/2/Back.JPG"),
        *("Images/a b.png", "Images/deep/er/only.jpeg", "Images/.DS_Store", "Images/.x/y.jpg"),
        *("Images/Same.jpg", "Images/same.JPG", "media/a.jpg"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_files_are_found_in_nested_folders(raw: Path) -> None:
    folder = PhotoFolder(raw, "images")
    assert [folder.relative(path) for path in folder.files] == [
        "Images/1/front.jpg",
        "Images/2/Back.JPG",
        "Images/2/front.jpg",
        "Images/Same.jpg",
        "Images/a b.png",
        "Images/deep/er/only.jpeg",
        "Images/same.JPG",
    ]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("Images/1/front.jpg", "Images/1/front.jpg"),
        ("images/2/back.jpg", "Images/2/Back.JPG"),
        ("2/BACK.JPG", "Images/2/Back.JPG"),
        ("./2\\back.jpg", "Images/2/Back.JPG"),
        ("/images/1/front.jpg", "Images/1/front.jpg"),
        ("only.jpeg", "Images/deep/er/only.jpeg"),
        ("only", "Images/deep/er/only.jpeg"),
        ("a%20b.png", "Images/a b.png"),
        ("Same.jpg", "Images/Same.jpg"),
        ("images/x/../1/front.jpg", "Images/1/front.jpg"),
        ("file:///images/1/front.jpg", "Images/1/front.jpg"),
    ],
)
def test_a_reference_means_a_file(raw: Path, reference: str, expected: str) -> None:
    folder = PhotoFolder(raw, "images")
    assert folder.relative(folder.find(reference)) == expected


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("3/front.jpg", "no file in Images/ (3/front.jpg)"),
        ("front.jpg", "several files have this name (Images/1/front.jpg, Images/2/front.jpg)"),
        ("SAME.jpg", "several files have this name (Images/Same.jpg, Images/same.JPG)"),
        ("../secret.jpg", "leads out of the raw folder"),
        ("images/../../secret.jpg", "leads out of the raw folder"),
        ("..%2Fsecret.jpg", "leads out of the raw folder"),
        ("/etc/passwd", "leads out of the raw folder"),
        ("C:\\photos\\a.jpg", "leads out of the raw folder"),
        ("ftp://a.example/b.jpg", "neither a path nor an http address"),
        ("data:image/png;base64,iVBO", "neither a path nor an http address"),
        ("https://a.example/b.jpg", "not fetched yet (https://a.example/b.jpg)"),
        (".", "no file in Images/ (.)"),
        (".DS_Store", "no file in Images/ (.DS_Store)"),
    ],
)
def test_a_reference_to_no_file_has_a_reason(raw: Path, reference: str, reason: str) -> None:
    with pytest.raises(UnusablePhoto) as error:
        PhotoFolder(raw, "images").find(reference)
    assert str(error.value) == reason


def test_a_fetched_url_is_a_file(raw: Path) -> None:
    file = raw / "Images" / FETCHED / f"{fetched_name('https://a.example/b.jpg')}.webp"
    file.parent.mkdir()
    file.touch()
    assert PhotoFolder(raw, "images").find("//a.example/b.jpg#1") == file


def test_accents_are_compared_however_they_are_encoded(raw: Path) -> None:
    (raw / "Images" / unicodedata.normalize("NFD", "Käfer.jpg")).touch()
    found = PhotoFolder(raw, "images").find(unicodedata.normalize("NFC", "käfer.jpg"))
    assert unicodedata.normalize("NFC", found.name) == "Käfer.jpg"


def test_of_two_files_with_one_id_the_first_by_path_is_taken(tmp_path: Path) -> None:
    for name in ("b.png", "b.jpg", "a.jpg", ".DS_Store", "b.webp"):
        (tmp_path / name).touch()
    photos, clashing = PhotoFolder(tmp_path, ".").by_id()
    assert photos == {"a": tmp_path / "a.jpg", "b": tmp_path / "b.jpg"}
    assert clashing == [tmp_path / "b.png", tmp_path / "b.webp"]


def test_photos_may_lie_beside_the_tables(raw: Path) -> None:
    names = [path.name for path in PhotoFolder(raw, "").files]
    assert "Products.csv" not in names and "a.jpg" in names


def test_an_absent_photo_folder_is_named_with_the_others(raw: Path) -> None:
    with pytest.raises(MarketError) as error:
        PhotoFolder(raw, "pictures")
    assert str(error.value) == (
        f"{raw}/pictures does not exist: put the photos there, each as <id>.jpg, or set "
        "input.photo_folder to the folder that has them (Images, media)"
    )
    assert PhotoFolder(raw, "pictures", partial=True).files == []


def test_links_to_folders_are_not_followed(raw: Path, tmp_path: Path) -> None:
    (raw / "Images/loop").symlink_to(raw)
    assert raw / "Images/loop" in PhotoFolder(raw, "images").files


def test_photo_2_comes_before_photo_10() -> None:
    names = ["10.jpg", "2.jpg", "b.jpg", "A.jpg", "2b.jpg", "²"]
    expected = ["2.jpg", "2b.jpg", "10.jpg", "A.jpg", "b.jpg", "²"]
    assert sorted(names, key=natural_key) == expected
