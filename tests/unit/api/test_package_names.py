"""`import market` loads nothing, and its names lead to the API."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from repository import REPO

import market
from market.core.dependencies import all_imports


def test_importing_the_package_loads_none_of_its_modules(tmp_path: Path) -> None:
    code = "import json, sys, market; print(json.dumps([*sys.modules]))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(result.stdout))
    assert {name for name in loaded if name.startswith("market")} == {"market"}
    assert not loaded & {"numpy", "pandas", "torch"}


def test_every_name_is_documented_and_listed() -> None:
    assert {*market.__all__} <= {*dir(market)}
    for name in market.__all__:
        assert getattr(market, name).__doc__, name


def test_type_checkers_see_the_names_that_are_imported_lazily() -> None:
    tree = ast.parse((REPO / "market/__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    modules = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert modules == market._MODULE_OF
    assert sorted(modules) == market.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Serach'"):
        _ = market.Serach  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", sorted((REPO / "market/api").glob("*.py")), ids=lambda p: p.stem)
def test_the_api_needs_neither_the_service_nor_the_report(module: Path) -> None:
    reached = {path.relative_to(REPO).parts[1] for path in all_imports(module)}
    assert not reached & {"service", "reporting"}
