"""Tests of one module, or of one group of modules, run in one process."""

from __future__ import annotations

from module_scheduling import group_of
from repository import REPO


def test_modules_of_a_group_run_together() -> None:
    pages = {group_of(f"tests/service/test_page_{name}.py") for name in ("search", "access")}
    assert pages == {"page"}
    assert group_of("tests/service/test_event_store.py") == group_of("tests/service/test_serve.py")
    assert group_of("tests/unit/core/test_tiers.py") == "tests/unit/core/test_tiers.py"
    assert group_of("tests/nowhere.py") == "tests/nowhere.py"


def test_every_mark_is_recognised() -> None:
    mark = "pytest.mark." + "xdist_group"
    for path in (REPO / "tests").rglob("test_*.py"):
        module = path.relative_to(REPO).as_posix()
        is_marked = mark in path.read_text(encoding="utf-8")
        assert (group_of(module) != module) == is_marked, "write the group in double quotes"
