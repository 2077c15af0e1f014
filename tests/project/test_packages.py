"""What is installed: pins, extras, the imports that need them, and the Python that is chosen."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from repository import REPO

PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
GROUPS = {"": PROJECT["dependencies"], **EXTRAS}
PINS = re.findall(r"^([\w.-]+)==", (REPO / "requirements.txt").read_text(encoding="utf-8"), re.M)
# Packages that are imported, but installed as a dependency of another one.
INDIRECT = {
    "httpcore": "httpx",
    "markupsafe": "jinja2",
    "ruamel.yaml": "dvc",
    **dict.fromkeys(("gto", "scmrepo", "dvc-data"), "dvc"),
}
OPTIONAL = {"pillow_heif"}  # of the extra heic: used if it is installed
FIRST, LAST = (3, 11), (3, 14)
DISTRIBUTIONS = packages_distributions()  # takes a second


# --- Extras ---------------------------------------------------------------------------------------
def test_every_pinned_package_is_named_in_one_group() -> None:
    names = [name for group in GROUPS.values() for name in group]
    assert sorted(names) == sorted(PINS), "pyproject.toml must name each pin of requirements.txt"


def _imported_packages(path: Path) -> list[tuple[str, str]]:
    """Return (extra, package) of each import in a module; "" outside of `needs_extra`."""
    imported: list[tuple[str, str]] = []

    def visit(node: ast.AST, extra: str) -> None:
        if isinstance(node, ast.With):
            call = node.items[0].context_expr
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "needs_extra":
                extra = ast.literal_eval(call.args[0])
        if isinstance(node, ast.Import):
            imported.extend((extra, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.append((extra, (node.module or "").partition(".")[0]))
        for child in ast.iter_child_nodes(node):
            visit(child, extra)

    visit(ast.parse(path.read_text(encoding="utf-8")), "")
    return imported


@pytest.mark.parametrize(
    "path",
    sorted((REPO / "market").rglob("*.py")),
    ids=lambda path: path.relative_to(REPO).as_posix(),
)
def test_a_module_imports_only_packages_that_its_install_has(path: Path) -> None:
    default = "service" if "service" in path.relative_to(REPO).parts else ""
    imported = _imported_packages(path)
    guarded = {package for extra, package in imported if extra}
    for extra, package in imported:
        if package in (*sys.stdlib_module_names, *OPTIONAL, "market"):
            continue
        if not extra and package in guarded:  # imported again, after the guarded import
            continue
        distributions = {name.lower() for name in DISTRIBUTIONS[package]}
        distributions = {INDIRECT.get(name, name).replace("_", "-") for name in distributions}
        available = {*GROUPS[""], *GROUPS[extra or default]}
        assert distributions & available, (
            f"{package} is in no group that {path.name} may count on: import it inside "
            "`with needs_extra(...)`, or add it to a group of pyproject.toml"
        )


# --- Python ---------------------------------------------------------------------------------------
def test_every_document_names_the_same_pythons() -> None:
    assert PROJECT["requires-python"] == f">=3.{FIRST[1]},<3.{LAST[1] + 1}"
    assert f"Python 3.{FIRST[1]} to 3.{LAST[1]}" in (REPO / "README.md").read_text("utf-8")
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    assert f"not {FIRST} <= sys.version_info < {(LAST[0], LAST[1] + 1)}" in makefile
    assert f"--python-version 3.{FIRST[1]} " in makefile


@pytest.fixture
def pythons(tmp_path: Path) -> Path:
    """A folder first on the PATH, in which no Python works yet."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("python3", *(f"python3.{minor}" for minor in range(8, 20))):
        _fake(folder / name, "exit 127")
    return folder


def _fake(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)


def _install_commands(pythons: Path) -> subprocess.CompletedProcess[str]:
    """Return the output of `make -n` in a fresh clone without .venv."""
    clone = pythons.parent
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(REPO / name, clone)
    environment = os.environ | {"PATH": f"{pythons}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("PYTHON", None)
    return subprocess.run(
        ["make", "-n", ".venv/.installed"],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_make_chooses_the_newest_python_that_works(pythons: Path) -> None:
    for minor in (11, 13):
        _fake(pythons / f"python3.{minor}", "exit 0")
    assert "python3.13 -m venv .venv" in _install_commands(pythons).stdout


@pytest.mark.parametrize(("version", "supported"), [((3, 10), 0), ((3, 12), 1), ((3, 15), 0)])
def test_make_chooses_python3_only_if_it_is_supported(
    pythons: Path, version: tuple[int, int], supported: int
) -> None:
    # The stub runs make's check with another version.
    check = f'code=$(echo "$2" | sed "s/sys.version_info/{version}/")'
    _fake(pythons / "python3", f'{check}; exec {sys.executable} -c "$code"')
    result = _install_commands(pythons)
    assert ("python3 -m venv .venv" in result.stdout) == bool(supported)
    if not supported:
        assert result.returncode != 0 and "no Python 3.11 to 3.14 on the PATH" in result.stderr
