"""The number of parallel tasks, and what a process keeps between them."""

from __future__ import annotations

import joblib
import pytest

from market.core.workers import keep, worker_count


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "3")
    assert worker_count() == 3
    monkeypatch.delenv("WORKERS")
    assert worker_count() == joblib.cpu_count()


def test_an_object_is_built_once_for_each_key() -> None:
    built: list[None] = []

    def build() -> int:
        built.append(None)
        return len(built)

    assert [keep("test", key, build) for key in ("a", "a", "b", "a")] == [1, 1, 2, 3]
