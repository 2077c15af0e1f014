"""One embedder of photos: the index, predictions and search by photo use the same vectors."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from market.core.settings import Clean
from market.data.images import decode_limits, decode_photo, to_array
from market.data.photo_store import PhotoStore
from market.models.predictor import PhotoModels, read_batch
from market.search.engine import Engine
from market.search.image_space import colour_histogram
from market.search.index import SearchIndex

STEP = 7  # every so many packed photos, one is tested


@pytest.fixture(scope="module")
def clean_settings(ran: Path) -> Clean:
    return Clean(**yaml.safe_load((ran / "params.yaml").read_text(encoding="utf-8"))["clean"])


@pytest.fixture(scope="module")
def raw_files(ran: Path) -> dict[int, Path]:
    """The raw file of some packed photos, by their number."""
    batches = PhotoStore(ran / "data/clean/photos").batches()
    ids = [image_id for batch in batches for image_id in batch["image_id"].to_pylist()]
    files = {path.stem: path for path in (ran / "data/sample/raw/images").iterdir()}
    return {number: files[ids[number]] for number in range(0, len(ids), STEP)}


def test_a_raw_photo_gets_the_vector_in_the_index(
    engine: Engine, clean_settings: Clean, raw_files: dict[int, Path]
) -> None:
    assert len(raw_files) > 10
    for number, path in raw_files.items():
        picture, _, _ = decode_photo(path, **decode_limits(clean_settings))
        vector = engine.build_query(photo=picture).image_vector
        (indexed,) = engine.photo_vectors(np.array([number]))
        assert vector is not None
        assert vector @ indexed == pytest.approx(1, abs=1e-5), path.name


def test_predict_and_search_compute_the_same_features(
    ran: Path, engine: Engine, clean_settings: Clean, raw_files: dict[int, Path]
) -> None:
    limits = decode_limits(clean_settings)
    space = SearchIndex.load(ran / "models/index").image_space
    with contextlib.chdir(ran):
        models = PhotoModels(torch.device("cpu"))
        for path in list(raw_files.values())[:5]:
            (answer,) = read_batch(models, [path], limits)
            assert not isinstance(answer, str)
            picture, _, _ = decode_photo(path, **limits)
            colours = colour_histogram(to_array(picture, clean_settings.array_size))
            (vector,) = space.transform(answer[None, : models.width], colours[None])
            np.testing.assert_array_equal(vector, engine.build_query(photo=picture).image_vector)
