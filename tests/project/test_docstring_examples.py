"""The examples in the docstrings of the package print what they say they print."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules_with_examples() -> list[str]:
    """Return the dotted names of the modules of market/ that show an example, sorted."""
    return [
        ".".join(path.relative_to(REPO).with_suffix("").parts)
        for path in sorted((REPO / "market").rglob("*.py"))
        if ">>> " in path.read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize("module", modules_with_examples())
def test_docstring_examples_print_what_they_show(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # for examples that write a file
    imported = importlib.import_module(module)
    results = doctest.testmod(imported, optionflags=OPTIONS)
    assert results.attempted, f"{module}: doctest finds none of its examples"
    # doctest prints each difference; pytest shows it above this line.
    assert not results.failed, f"{module}: {results.failed} examples print something else"
