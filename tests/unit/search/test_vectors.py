"""Nearest vectors: exact with "Flat", approximate otherwise, never outside the filter."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
from sklearn.preprocessing import normalize

from market.core.errors import MarketError
from market.search import vectors
from market.search.vectors import VectorIndex

pytestmark = pytest.mark.slow

N, WIDTH = 600, 16
FACTORIES = ["Flat", "HNSW16", "IVF8,Flat"]


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return normalize(np.random.default_rng(0).normal(size=(N, WIDTH))).astype(np.float32)


@pytest.fixture(scope="module")
def queries() -> np.ndarray:
    return normalize(np.random.default_rng(1).normal(size=(9, WIDTH))).astype(np.float32)


def nearest(points: np.ndarray, queries: np.ndarray, k: int, allowed: np.ndarray) -> np.ndarray:
    cosines = np.where(allowed, queries @ points.T, -np.inf)
    return np.argsort(-cosines, axis=1)[:, :k]


def built_and_loaded(points: np.ndarray, factory: str, tmp_path: Path) -> list[VectorIndex]:
    """Return the index as built and as loaded: FAISS may load it as another class."""
    index = VectorIndex.build(points, factory, 64)
    index.save(tmp_path / "index.faiss")
    return [index, VectorIndex.load(tmp_path / "index.faiss", 64)]


def test_flat_is_exact(points: np.ndarray, queries: np.ndarray, tmp_path: Path) -> None:
    for index in built_and_loaded(points, "Flat", tmp_path):
        similarities, positions = index.search(queries, 10)
        np.testing.assert_array_equal(positions, nearest(points, queries, 10, np.ones(N, bool)))
        cosines = np.take_along_axis(queries @ points.T, positions, axis=1)
        np.testing.assert_allclose(similarities, cosines, atol=1e-6)


def test_a_filtered_exact_search_copies_no_vectors(
    points: np.ndarray, queries: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(*_: object) -> None:
        raise AssertionError("copied")

    monkeypatch.setattr(VectorIndex, "_search_all", copy)
    allowed = np.arange(N) % 2 == 0
    for index in built_and_loaded(points, "Flat", tmp_path):
        assert (index.search(queries, 5, allowed)[1] % 2 == 0).all()


@pytest.mark.parametrize("exact_up_to", [0, 20_000])
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0, 0.0])
def test_all_vectors_within_a_similarity_are_found(
    points: np.ndarray, queries: np.ndarray, tmp_path: Path, share: float, exact_up_to: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """All with "Flat", or among few vectors; otherwise most of them, and never a farther one."""
    monkeypatch.setattr(vectors, "EXACT_UP_TO", exact_up_to)
    allowed = np.random.default_rng(2).random(N) < share
    for some in (queries[:1], queries[:3], queries[:0]):
        cosines = (some @ points.T).max(axis=0) if len(some) else np.full(N, -1.0)
        expected = np.flatnonzero(allowed & (cosines >= 0.3))
        for factory in FACTORIES:
            for index in built_and_loaded(points, factory, tmp_path):
                positions, similarities = index.within(some, 0.3, allowed)
                np.testing.assert_allclose(similarities, cosines[positions], atol=1e-6)
                if factory == "Flat" or exact_up_to:
                    np.testing.assert_array_equal(positions, expected)
                else:
                    assert set(positions) <= set(expected) and (np.diff(positions) > 0).all()
                    assert len(positions) >= 0.8 * len(expected)


@pytest.mark.parametrize("factory", FACTORIES)
def test_equal_vectors_give_equal_bytes(points: np.ndarray, factory: str, tmp_path: Path) -> None:
    threads = faiss.omp_get_max_threads()
    for name, count in {"one": 1, "two": 2}.items():
        faiss.omp_set_num_threads(count)
        VectorIndex.build(points, factory, 64).save(tmp_path / name)
        assert faiss.omp_get_max_threads() == count, "building changed the setting"
    faiss.omp_set_num_threads(threads)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("share", [0.0, 0.005, 0.3, 1.0])
@pytest.mark.parametrize("exact_up_to", [0, 20_000])
def test_only_allowed_vectors_are_found_and_none_pads_the_rest(
    points: np.ndarray,
    queries: np.ndarray,
    factory: str,
    share: float,
    exact_up_to: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vectors, "EXACT_UP_TO", exact_up_to)
    allowed = np.arange(N) < share * N
    for index in built_and_loaded(points, factory, tmp_path):
        _, positions = index.search(queries, 20, allowed)
        assert positions.shape == (len(queries), 20)
        for row in positions:
            real = row[row >= 0]
            assert allowed[real].all() and len(np.unique(real)) == len(real)
            assert (row[len(real) :] == -1).all(), "the rest of a row is empty"
        if factory == "Flat" or exact_up_to:
            count = min(20, int(allowed.sum()))
            assert ((positions >= 0).sum(1) == count).all()
            np.testing.assert_array_equal(
                positions[:, :count], nearest(points, queries, count, allowed)
            )


@pytest.mark.parametrize("factory", FACTORIES)
def test_k_may_exceed_the_number_of_vectors(points: np.ndarray, factory: str) -> None:
    index = VectorIndex.build(points[:50], factory, 64)
    _, positions = index.search(points[:1], 80)
    assert sorted(positions[0]) == [-1] * 30 + list(range(50)), "each once"
    assert positions[0, 0] == 0 and (positions[0, 50:] == -1).all()


@pytest.mark.parametrize("factory", FACTORIES)
def test_vectors_are_returned_by_position(points: np.ndarray, factory: str, tmp_path: Path) -> None:
    for index in built_and_loaded(points, factory, tmp_path):
        assert len(index) == N and index.width == WIDTH
        np.testing.assert_array_equal(index.vectors(np.array([5, 0, 5])), points[[5, 0, 5]])
        assert index.vectors(np.empty(0, np.int64)).shape == (0, WIDTH)


def test_recall_is_1_if_exact_and_less_for_a_narrow_search(
    points: np.ndarray, queries: np.ndarray
) -> None:
    exact = VectorIndex.build(points, "Flat", 1)
    assert exact.recall_of(exact, queries) == 1
    assert VectorIndex.build(points, "IVF8,Flat", 8).recall_of(exact, queries) == 1
    narrow = VectorIndex.build(points, "IVF64,Flat", 1)
    approximate, true = narrow.search(queries, 10)[1], exact.search(queries, 10)[1]
    shared = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(approximate, true, strict=True)])
    assert 0 < shared < 0.8
    assert narrow.recall_of(exact, queries) == pytest.approx(shared)


def test_an_empty_index_finds_nothing(queries: np.ndarray, tmp_path: Path) -> None:
    for index in built_and_loaded(np.empty((0, WIDTH), np.float32), "Flat", tmp_path):
        assert len(index) == 0
        for allowed in (None, np.empty(0, bool)):
            assert (index.search(queries, 3, allowed)[1] == -1).all()
        assert index.search(queries[:0], 3)[1].shape == (0, 3)
        assert index.recall_of(index, queries) == 1


@pytest.mark.parametrize(
    ("factory", "reason"),
    [("Flatt", "could not parse index string Flatt"), ("IVF1024,Flat", "training points")],
)
def test_an_unusable_factory_is_reported_in_one_line(
    points: np.ndarray, factory: str, reason: str
) -> None:
    with pytest.raises(MarketError) as error:
        VectorIndex.build(points, factory, 64)
    message = str(error.value)
    assert message.startswith(f"params.yaml: index.factory is '{factory}'")
    assert reason in message and "\n" not in message and "600 vectors" in message
