"""Packed photos: what goes in comes out, in order, over several files and processes."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from market.core.errors import MarketError
from market.data import photo_store
from market.data.photo_store import PhotoStore, open_photo, pack_photos

Packed = tuple[str, bytes, np.ndarray]


def photos(n: int) -> list[Packed]:
    rng = np.random.default_rng(0)
    return [
        (f"id-{i}", rng.bytes(5 + i), rng.integers(256, size=(3, 4, 4), dtype=np.uint8))
        for i in range(n)
    ]


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., PhotoStore]:
    """Return pack(photos, name): a store of four photos a part, two a batch."""
    monkeypatch.setattr(photo_store, "PHOTOS_PER_PART", 4)
    monkeypatch.setattr(photo_store, "ROWS_PER_BATCH", 2)

    def fill(content: list[Packed], name: str = "photos") -> PhotoStore:
        assert pack_photos(iter(content), tmp_path / name, array_size=4) == len(content)
        return PhotoStore(tmp_path / name)

    return fill


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 8, 11])
def test_photos_come_back_in_order(pack: Callable[..., PhotoStore], n: int) -> None:
    content = photos(n)
    store = pack(content)
    encoded = [photo for _, photo, _ in content]
    assert len(store) == n
    assert list(store) == encoded
    assert [store[i] for i in reversed(range(n))] == encoded[::-1]
    assert len(list(store.folder.glob("*"))) >= n / 4


@pytest.mark.parametrize("n", [0, 5, 8])
def test_batches_hold_every_column(pack: Callable[..., PhotoStore], n: int) -> None:
    content = photos(n)
    store = pack(content)
    batches = list(store.batches())
    ids = [image_id for batch in batches for image_id in batch["image_id"].to_pylist()]
    assert ids == [image_id for image_id, *_ in content]
    for batch in batches:
        assert batch["image_array"].to_numpy_ndarray().shape == (len(batch), 3, 4, 4)
    arrays = [array for batch in batches for array in batch["image_array"].to_numpy_ndarray()]
    for array, (*_, expected) in zip(arrays, content, strict=True):
        np.testing.assert_array_equal(array, expected)
    read = [array for part in store.arrays() for array in part.to_numpy_ndarray()]
    np.testing.assert_array_equal(read, arrays)
    assert store.array_type == pa.fixed_shape_tensor(pa.uint8(), (3, 4, 4))


@pytest.mark.parametrize("index", [5, 100])
def test_an_index_beyond_the_end_is_an_error(pack: Callable[..., PhotoStore], index: int) -> None:
    with pytest.raises(IndexError):
        pack(photos(5))[index]


def test_an_absent_folder_is_no_empty_store(tmp_path: Path) -> None:
    with pytest.raises((MarketError, FileNotFoundError), match=str(tmp_path)):
        PhotoStore(tmp_path / "photos")


def read(store: PhotoStore) -> list[bytes]:
    return list(store)


def test_a_worker_process_reads_the_same_photos(pack: Callable[..., PhotoStore]) -> None:
    content = photos(100)
    store = pack(content)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as worker:
        assert worker.submit(read, store).result() == list(store)
    assert len(pickle.dumps(store)) < 400, "its photos do not travel"


def test_equal_photos_are_equal_bytes(pack: Callable[..., PhotoStore]) -> None:
    one, two = (pack(photos(9), name).folder for name in ("one", "two"))
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in two.iterdir())
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_a_packed_photo_opens_as_pixels() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (24, 16), (200, 10, 10)).save(buffer, "JPEG")
    pixels = open_photo(buffer.getvalue())
    assert (pixels.shape, pixels.dtype) == ((16, 24, 3), np.uint8)
    assert np.abs(pixels.astype(int) - (200, 10, 10)).max() < 4
