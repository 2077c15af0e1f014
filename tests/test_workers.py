"""How many processes: as many as asked, else one for each core."""

from __future__ import annotations

import joblib
import pytest

from shared.workers import worker_count


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "3")
    assert worker_count() == 3
    monkeypatch.delenv("WORKERS")
    assert worker_count() == joblib.cpu_count()
