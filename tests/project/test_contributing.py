"""CONTRIBUTING.md's recipe for a stage: followed, it passes the pipeline's checks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from repository import REPO

STAGE = '''"""Count the listings.

In:  data/merged/listings.parquet.
Out: metrics/count.json.
"""

from repository import REPO
from market.core.atomic import write_json
from market.core.params import load_params
from market.core.stage import stage


@stage
def main() -> str:
    return f"at least {load_params('count').least}, by {write_json.__name__}"
'''
ENTRY = """stages:
  count:
    desc: Count the listings that there are
    cmd: python stages/count.py
    deps:
      - data/merged/listings.parquet
      - stages/count.py
      - market/core/atomic.py
      - market/core/params.py
      - market/core/stage.py
    params:
      - count
    metrics:
      - metrics/count.json:
          cache: false
"""


@pytest.mark.campaign  # it starts pytest within pytest
def test_a_stage_by_the_recipe_passes(tmp_path: Path) -> None:
    for folder in ("market", "stages", "tests"):
        shutil.copytree(REPO / folder, tmp_path / folder)
    for name in ("params.yaml", "dvc.yaml", "pyproject.toml"):
        shutil.copy(REPO / name, tmp_path)
    (tmp_path / "stages/count.py").write_text(STAGE)
    for name, old, new in (
        ("params.yaml", "\nrank:", "\ncount:\n  least: 1\n\nrank:"),
        (
            "market/core/settings.py",
            "class Params(",
            "class CountStage(Section):\n    least: Count\n\n\nclass Params(",
        ),
        ("market/core/settings.py", "    rank: Rank\n", "    rank: Rank\n    count: CountStage\n"),
        ("dvc.yaml", "stages:\n", ENTRY),
    ):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    chosen = "code_deps and count or params_are and count or every_param or says_what and count"
    command = [sys.executable, "-m", "pytest", "tests/project/test_pipeline.py", "-k", chosen]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout
    assert "passed" in result.stdout
