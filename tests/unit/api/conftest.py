"""A project's folder with the settings of the original marketplace, whatever params.yaml says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from raw_input import ORIGINAL
from repository import REPO


@pytest.fixture
def root(tmp_path: Path) -> Path:
    params = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))
    params["input"] |= ORIGINAL
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    return folder
