"""The start of the service."""

from __future__ import annotations

from pathlib import Path

import pytest

from market.service.app import create_app


def test_missing_index_gives_a_one_line_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        create_app()
    assert ended.value.code == "Error: models/index not found: run `dvc repro` or `dvc pull`"


def test_invalid_setting_gives_a_one_line_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_WAITING", "many")
    with pytest.raises(SystemExit, match="Error: MAX_WAITING='many' must be a valid integer"):
        create_app()
