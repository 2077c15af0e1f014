"""Packed display photos: two sizes of each, within the disk budget, in order."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from market.core.display_settings import Resize
from market.core.errors import MarketError
from market.core.params import load_params
from market.core.settings import Clean
from market.data import display_store
from market.data.display_store import DisplayPhotos, files_of_photos, write_display_photos

SETTINGS = Resize(small_size=48, large_size=120, quality=80, max_gigabytes=1.0)


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "1")


@pytest.fixture
def limits() -> Clean:
    return load_params("clean")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Five photos of noise: wide, tall, small, and two more."""
    rng = np.random.default_rng(0)
    paths = []
    for number, (width, height) in enumerate([(240, 180), (90, 120), (20, 30), (64, 64), (50, 40)]):
        paths.append(tmp_path / f"{number}.png")
        pixels = rng.integers(60, 256, size=(height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(paths[-1])
    return paths


def write(files: list[Path], folder: Path, limits: Clean, **changes: float) -> int:
    settings = SETTINGS.model_copy(update=changes)
    ids = [path.stem for path in files]
    return write_display_photos(files, ids, folder, settings, limits)


def size_of(encoded: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(encoded)).size


def test_photos_have_two_sizes_in_the_order_of_packing(
    files: list[Path], tmp_path: Path, limits: Clean, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display_store, "PHOTOS_PER_PART", 2)
    monkeypatch.setattr(display_store, "ROWS_PER_BATCH", 1)
    assert write(files, tmp_path / "out", limits) == 80
    photos = DisplayPhotos(tmp_path / "out")
    assert len(photos) == 5 and photos.nominal_sizes == (48, 120)
    assert photos.sizes(0) == (48, 36, 120, 90)
    assert photos.sizes(1) == (36, 48, 90, 120)
    assert photos.sizes(2) == (20, 30, 20, 30)
    for number in range(5):
        small, large = photos.read(number, 48), photos.read(number, 120)
        assert (*size_of(small), *size_of(large)) == photos.sizes(number)
        assert (small == large) == (number == 2)
    copied = pickle.loads(pickle.dumps(photos))
    assert copied.read(4, 48) == photos.read(4, 48)
    assert copied.version() == photos.version()


def test_display_photos_are_deterministic(files: list[Path], tmp_path: Path, limits: Clean) -> None:
    for name in ("first", "second"):
        write(files, tmp_path / name, limits)
    first, second = (tmp_path / name / "part-00000.arrow" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_a_small_disk_budget_lowers_the_quality(
    files: list[Path], tmp_path: Path, limits: Clean
) -> None:
    write(files, tmp_path / "full", limits)
    size = display_store.folder_size(tmp_path / "full")
    quality = write(files, tmp_path / "less", limits, max_gigabytes=0.9 * size / 1e9)
    assert 50 <= quality < 80
    assert display_store.folder_size(tmp_path / "less") < size


def test_a_disk_budget_that_no_quality_keeps_is_an_error(
    files: list[Path], tmp_path: Path, limits: Clean
) -> None:
    with pytest.raises(MarketError, match=r"resize\.max_gigabytes=1e-06: raise it in params\.yaml"):
        write(files, tmp_path / "out", limits, max_gigabytes=1e-6)
    assert not (tmp_path / "out").exists()


def test_a_file_that_changed_since_clean_is_named(
    files: list[Path], tmp_path: Path, limits: Clean
) -> None:
    files[1].write_bytes(b"<html>")
    with pytest.raises(MarketError, match=r"1\.png: not one of .*changed since stage clean"):
        write(files, tmp_path / "out", limits)


def test_a_photo_that_the_raw_folder_lost_is_named() -> None:
    with pytest.raises(MarketError, match="no longer has the photo 'b'"):
        files_of_photos({"a": Path("a.jpg")}, ["a", "b"])


@pytest.mark.parametrize("number", [-1, 5])
def test_a_number_without_a_photo_is_an_index_error(
    files: list[Path], tmp_path: Path, limits: Clean, number: int
) -> None:
    write(files, tmp_path / "out", limits)
    with pytest.raises(IndexError):
        DisplayPhotos(tmp_path / "out").read(number, 48)
