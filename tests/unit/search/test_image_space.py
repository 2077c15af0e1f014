"""The image space: the same object is nearest, and colours count by their weight."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from market.search.image_space import COLOUR_BINS, ImageSpace, colour_histogram

pytestmark = pytest.mark.slow


def plain(red: int, green: int, blue: int, side: int = 8) -> np.ndarray:
    return np.broadcast_to(np.array([red, green, blue], np.uint8)[:, None, None], (3, side, side))


RED, GREEN, GREY = plain(220, 20, 20), plain(20, 220, 20), plain(128, 128, 128)


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    """Features of fifty photos of five kinds, dominated by one direction that all share."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(5, 32))[np.arange(50) % 5]
    shared = 30 * rng.normal(size=(50, 1)) * rng.normal(size=32)
    return (kinds + 0.3 * rng.normal(size=(50, 32)) + shared).astype(np.float32)


@pytest.fixture(scope="module")
def colours() -> np.ndarray:
    """Histograms of fifty photos: the even ones reddish, the odd ones greenish."""
    rng = np.random.default_rng(1)
    photos = []
    for number in range(50):
        noise = rng.integers(0, 60, size=(3, 8, 8))
        photos.append((np.minimum(RED if number % 2 == 0 else GREEN, 195) + noise).astype(np.uint8))
    return np.array([colour_histogram(photo) for photo in photos])


def fit(
    features: np.ndarray, histograms: np.ndarray, colour_weight: float, n_components: int = 8
) -> ImageSpace:
    return ImageSpace.fit(
        features, histograms, n_components=n_components, colour_weight=colour_weight, seed=0
    )


def test_a_histogram_counts_colours_wherever_they_are() -> None:
    for photo in (RED, GREEN, GREY, plain(0, 0, 0, 1), plain(255, 255, 255, 1)):
        histogram = colour_histogram(photo)
        assert histogram.shape == (COLOUR_BINS,) and histogram.dtype == np.float32
        assert (histogram > 0).sum() == 1
        assert histogram @ histogram == pytest.approx(1), "most similar to itself"
    half = np.concatenate([RED, GREEN], axis=1)
    upside_down = half[:, ::-1]
    np.testing.assert_array_equal(colour_histogram(half), colour_histogram(upside_down))
    assert colour_histogram(half) @ colour_histogram(RED) == pytest.approx(np.sqrt(0.5))
    assert colour_histogram(RED) @ colour_histogram(GREEN) == 0


@pytest.mark.parametrize("colour_weight", [0.0, 0.6])
def test_vectors_have_length_1_and_a_photo_is_nearest_to_itself(
    features: np.ndarray, colours: np.ndarray, colour_weight: float
) -> None:
    vectors = fit(features, colours, colour_weight).transform(features, colours)
    assert vectors.shape == (50, 8 + COLOUR_BINS) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert ((vectors @ vectors.T).argmax(1) == np.arange(50)).all()


def gap(vectors: np.ndarray) -> float:
    """How much more similar photos of one kind are than photos of two kinds."""
    cosines = vectors @ vectors.T
    kind = np.arange(50) % 5
    same = kind[:, None] == kind[None, :]
    return float(cosines[same].mean() - cosines[~same].mean())


def test_whitening_removes_what_all_photos_share(features: np.ndarray, colours: np.ndarray) -> None:
    centred = features - features.mean(0)
    assert gap(centred / np.linalg.norm(centred, axis=1, keepdims=True)) < 0.1
    assert gap(fit(features, colours, 0.0).transform(features, colours)) > 0.3


def test_a_larger_colour_weight_makes_colours_matter_more(
    features: np.ndarray, colours: np.ndarray
) -> None:
    reddish, greenish = colours[0], colours[1]  # for photos with the same network features
    gaps = []
    for colour_weight in (0.0, 0.3, 1.0):
        space = fit(features, colours, colour_weight)
        histograms = np.array([reddish, reddish, greenish])
        one, red, green = space.transform(features[[0, 0, 0]], histograms)
        gaps.append(float(one @ red - one @ green))
    assert gaps[0] == pytest.approx(0, abs=1e-6)
    assert 0.01 < gaps[1] < gaps[2]


def test_photos_of_one_colour_or_one_pixel_have_unit_vectors(
    features: np.ndarray, colours: np.ndarray
) -> None:
    space = fit(features, colours, 0.6)
    odd = [GREY, plain(0, 0, 0, 1), plain(255, 255, 255, 1)]
    histograms = np.array([colour_histogram(photo) for photo in odd])
    vectors = space.transform(features[:3], histograms)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_photos_are_enough(features: np.ndarray, colours: np.ndarray, count: int) -> None:
    space = fit(features[:count], colours[:count], 0.6, n_components=384)
    vectors = space.transform(features[:count], colours[:count])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_equal_spaces_give_equal_bytes_and_load_unchanged(
    features: np.ndarray, colours: np.ndarray, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        fit(features, colours, 0.6).save(tmp_path / f"{name}.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    loaded = ImageSpace.load(tmp_path / "one.npz").transform(features, colours)
    np.testing.assert_array_equal(loaded, fit(features, colours, 0.6).transform(features, colours))
