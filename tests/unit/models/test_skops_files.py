"""skops files: a model comes back equal, equal models are equal bytes, other types are refused."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from market.core.errors import MarketError
from market.core.settings import ClassifyRf
from market.models import skops_files
from market.models.price_baselines import linear_regression
from market.models.random_forest import build_pipeline
from market.models.skops_files import load_model, save_model

pytestmark = pytest.mark.slow

WORDS = pd.DataFrame(
    {
        "name": ["oak chair", "blue lamp", "oak desk", "red lamp"] * 5,
        "description": ["in good condition", "as new", "well used", "as new"] * 5,
        "location": ["Bath", "Leeds", "Bath", "York"] * 5,
    }
)
PRICE = np.arange(20.0)


def text_model():
    return linear_regression().fit(WORDS, PRICE)


def trees():
    boosted = HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=2, random_state=0)
    model = make_pipeline(SimpleImputer(), boosted)
    return model.fit(PRICE[:, None], PRICE)


def forest():
    arrays = np.random.default_rng(0).integers(256, size=(40, 3, 8, 8), dtype=np.uint8)
    settings = ClassifyRf(n_estimators=5, min_samples_leaf=1, seed=0)
    model = build_pipeline((3, 8, 8), settings)
    return model.fit(arrays, np.repeat(["chair", "lamp"], 20))


def test_a_text_model_comes_back_equal(tmp_path: Path) -> None:
    model = text_model()
    save_model(model, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict(WORDS), model.predict(WORDS))
    assert np.ptp(model.predict(WORDS)) > 1


def test_a_forest_comes_back_equal(tmp_path: Path) -> None:
    model = forest()
    save_model(model, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    arrays = np.random.default_rng(1).integers(256, size=(30, 3, 8, 8), dtype=np.uint8)
    np.testing.assert_array_equal(loaded.predict_proba(arrays), model.predict_proba(arrays))
    assert len(set(loaded.predict(arrays))) == 2


def digests(folder: Path) -> list[str]:
    folder.mkdir(exist_ok=True)
    hashes = []
    for model in (text_model(), forest(), trees()):
        save_model(model, folder / "model.skops")
        hashes.append(hashlib.sha256((folder / "model.skops").read_bytes()).hexdigest())
    return hashes


def test_files_are_compressed_at_the_fastest_level(tmp_path: Path) -> None:
    save_model(text_model(), tmp_path / "model.skops")
    with zipfile.ZipFile(tmp_path / "model.skops") as archive:
        for entry in archive.infolist():
            fast = zlib.compressobj(1, zlib.DEFLATED, -15)
            size = len(fast.compress(archive.read(entry)) + fast.flush())
            assert entry.compress_size == size, entry.filename


def test_trees_grown_in_other_processes_give_the_same_bytes(tmp_path: Path) -> None:
    here, elsewhere = forest(), forest()
    # As a cluster's workers return them: equal, but what the trees shared is copied for each.
    grown = elsewhere[-1].estimators_
    elsewhere[-1].estimators_ = [pickle.loads(pickle.dumps(tree)) for tree in grown]
    for name, model in (("here", here), ("elsewhere", elsewhere)):
        save_model(model, tmp_path / name)
    assert (tmp_path / "here").read_bytes() == (tmp_path / "elsewhere").read_bytes()


def test_equal_models_give_equal_bytes_in_any_process(tmp_path: Path) -> None:
    code = (
        f"import sys, pathlib, runpy; digests = runpy.run_path({__file__!r})['digests']\n"
        "unused = [object() for _ in range(2000)]\n"  # moves addresses in memory
        "print(*digests(pathlib.Path(sys.argv[1])))\n"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "other"],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    here = digests(tmp_path / "here")
    assert here == digests(tmp_path / "here"), "twice in one process"
    assert other.stdout.split() == here


class Foreign(LogisticRegression):
    pass


def test_a_type_that_no_model_here_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    skops.io.dump(Foreign().fit([[0], [1]], [0, 1]), path)
    with pytest.raises(MarketError) as error:
        load_model(path)
    message = str(error.value)
    assert str(path) in message and "Foreign" in message and "\n" not in message


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match="not found: run `dvc repro`"):
        load_model(tmp_path / "model.skops")


def test_a_file_that_is_not_a_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(b"not a zip file")
    with pytest.raises(MarketError, match=r"model\.skops"):
        load_model(path)


def rewrite(path: Path, change: Callable[[dict], object]) -> None:
    """Apply `change` to the schema of a skops file."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(content["schema.json"])
    change(schema)
    content["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in content.items():
            archive.writestr(name, body)


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: schema.update(protocol=10_000, __loader__="NewNode"),
        lambda schema: schema.update(__loader__="NewNode"),
        lambda schema: schema.clear(),
    ],
    ids=["newer", "unknown node", "nothing"],
)
def test_a_file_of_another_version_is_a_one_line_error(
    tmp_path: Path, change: Callable[[dict], object]
) -> None:
    path = tmp_path / "model.skops"
    save_model(text_model(), path)
    rewrite(path, change)
    with pytest.raises(MarketError, match="versions of skops and scikit-learn") as error:
        load_model(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_zip_file_without_a_model_and_a_folder_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.skops", "w") as archive:
        archive.writestr("readme", "no schema")
    (tmp_path / "folder.skops").mkdir()
    for name in ("model.skops", "folder.skops"):
        with pytest.raises(MarketError, match=f"{name} cannot be read"):
            load_model(tmp_path / name)


def test_only_types_in_use_are_allowed(tmp_path: Path) -> None:
    used = set()
    for model in (text_model(), forest(), trees()):
        save_model(model, tmp_path / "model.skops")
        used |= set(skops.io.get_untrusted_types(file=tmp_path / "model.skops"))
    assert used == skops_files.ALLOWED_TYPES


def test_a_clock_before_1980_is_a_one_line_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skops_files.time, "localtime", lambda: time.gmtime(0))
    with pytest.raises(MarketError, match="the clock of this machine says 1970"):
        save_model(text_model(), tmp_path / "model.skops")
    assert not list(tmp_path.iterdir())
