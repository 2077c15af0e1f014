"""The photo artefacts: saved and loaded, they compute the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from market.core.errors import MarketError
from market.models.backbones import PhotoNetwork
from market.models.photo_classifier import PhotoClassifier
from market.models.photo_embedder import PhotoEmbedder


@pytest.fixture(scope="module")
def network() -> PhotoNetwork:
    return PhotoNetwork("efficientnet_lite0", "pretrained", 3).eval()


@pytest.mark.parametrize("finetuned", [False, True])
def test_a_classifier_is_loaded_as_it_was_saved(
    network: PhotoNetwork, tmp_path: Path, finetuned: bool
) -> None:
    parents = np.array([0, 0, 1])
    labels = ["A / a", "A / b", "B"]
    PhotoClassifier(network, ["A", "B"], labels, parents, 64, finetuned).save(tmp_path / "cnn")
    loaded = PhotoClassifier.load(tmp_path / "cnn")
    assert (loaded.categories, loaded.labels) == (["A", "B"], labels)
    assert loaded.parents.tolist() == [0, 0, 1]
    assert (loaded.photo_size, loaded.finetuned) == (64, finetuned)
    photos = np.random.default_rng(0).integers(256, size=(2, 3, 64, 64), dtype=np.uint8)
    with torch.inference_mode():
        features = network.features(torch.from_numpy(photos))
        expected = network.head(features).softmax(1)
    # A fine-tuned network computes its own features.
    features_of_embedder = features * 0 if finetuned else features
    probabilities = loaded.label_probabilities(photos, features_of_embedder)
    torch.testing.assert_close(probabilities, expected, rtol=1e-3, atol=1e-4)


def test_an_untrained_classifier_finds_every_label_equally_likely(network: PhotoNetwork) -> None:
    parents, labels = np.array([0, 0, 1]), ["A / a", "A / b", "B"]
    classifier = PhotoClassifier(network, ["A", "B"], labels, parents, 64, finetuned=True)
    untrained = classifier.untrained()
    features = torch.ones(2, network.width)
    probabilities = untrained.label_probabilities(np.empty((2, 3, 64, 64), np.uint8), features)
    torch.testing.assert_close(probabilities, torch.full((2, 3), 1 / 3))
    assert network.head.weight.any() and classifier.finetuned, "the classifier is unchanged"


def test_an_embedder_is_loaded_as_it_was_saved(network: PhotoNetwork, tmp_path: Path) -> None:
    PhotoEmbedder(network, photo_size=64, jpeg_quality=95).save(tmp_path / "embed")
    loaded = PhotoEmbedder.load(tmp_path / "embed")
    assert (loaded.photo_size, loaded.jpeg_quality) == (64, 95)
    pixels = loaded.pixels(Image.new("RGB", (64, 64), (200, 100, 50)))
    assert (pixels.shape, pixels.dtype) == ((3, 64, 64), np.uint8)
    features = loaded.features(pixels[None])
    with torch.inference_mode():
        expected = network.features(torch.from_numpy(pixels[None]))
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("artefact", [PhotoClassifier, PhotoEmbedder])
def test_a_missing_file_is_named(
    artefact: type[PhotoClassifier] | type[PhotoEmbedder], tmp_path: Path
) -> None:
    with pytest.raises(MarketError, match=r"model\.json not found: run"):
        artefact.load(tmp_path)
