"""CONTRIBUTING.md's recipe for a stage: a stage made by it passes the pipeline's checks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from repository import REPO

SCRIPT = '''"""Count the listings.

In:  data/merged/listings.parquet.
Out: metrics/count.json.
"""

from market.core.atomic import write_json
from market.core.params import load_params
from market.core.stage import stage


@stage
def main() -> str:
    return f"at least {load_params('count').min_listings}, by {write_json.__name__}"
'''
ENTRY = """stages:
  count:
    desc: Count the listings of the dataset
    cmd: python stages/count.py
    deps:
      - data/merged/listings.parquet
    params:
      - count
    metrics:
      - metrics/count.json:
          cache: false
"""
CHECKS = "code_deps and count or params_are and count or every_param or says_what and count"
OUTPUTS = shutil.ignore_patterns("*.parquet", "*.csv", "*.npy", "photos", "images", "raw")
SECTION = "class CountStage(Section):\n    min_listings: Count\n\n\nclass Params("


def schema_path(project: Path) -> str:
    """Return the path of the module that holds the schema of params.yaml."""
    (path,) = (
        path
        for path in (project / "market/core").glob("*.py")
        if "class Params(" in path.read_text(encoding="utf-8")
    )
    return path.relative_to(project).as_posix()


@pytest.mark.campaign  # it starts pytest within pytest
def test_a_stage_made_by_the_recipe_passes(tmp_path: Path) -> None:
    for folder in ("market", "stages", "tests"):
        shutil.copytree(REPO / folder, tmp_path / folder)
    shutil.copytree(REPO / "data", tmp_path / "data", ignore=OUTPUTS)
    for name in ("params.yaml", "dvc.yaml", "pyproject.toml"):
        shutil.copy(REPO / name, tmp_path)
    (tmp_path / "stages/count.py").write_text(SCRIPT, encoding="utf-8")
    schema = schema_path(tmp_path)
    for name, old, new in (
        ("params.yaml", "\nrank:", "\ncount:\n  min_listings: 1\n\nrank:"),
        (schema, "class Params(", SECTION),
        (schema, "    rank: Rank\n", "    rank: Rank\n    count: CountStage\n"),
        ("dvc.yaml", "stages:\n", ENTRY),
    ):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert text.count(old) >= 1, f"{name} has no {old!r}"
        (tmp_path / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    # Both commands import the copy's market/ and stages/, not the installed ones.
    for command in (
        ["-m", "market.core.dependencies"],
        ["-m", "pytest", "-n0", "tests/project/test_pipeline.py", "-k", CHECKS],
    ):
        result = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert result.returncode == 0, result.stdout + result.stderr
    assert "passed" in result.stdout
    assert "market/core/atomic.py" in (tmp_path / "dvc.yaml").read_text(encoding="utf-8")
