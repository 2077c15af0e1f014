"""The settings from the environment."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pydantic import ValidationError
from repository import REPO

from market.core.errors import MarketError
from market.service.settings import Settings

KEY = "0123456789abcdef-key"


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_WAITING", "5")
    monkeypatch.setenv("MAX_UPLOAD_MB", "0.5")
    monkeypatch.setenv("API_KEY", KEY)
    settings = Settings.from_environment()
    assert (settings.max_waiting, settings.max_upload_mb) == (5, 0.5)
    assert settings.api_key is not None and settings.api_key.get_secret_value() == KEY
    assert KEY not in repr(settings)


def test_settings_are_immutable() -> None:
    with pytest.raises(ValidationError):
        Settings().max_waiting = 1


def test_every_setting_has_a_description() -> None:
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("HISTORY_EVENTS", "many", "HISTORY_EVENTS='many' must be a valid integer"),
        ("MAX_UPLOAD_MB", "0", "MAX_UPLOAD_MB='0' must be greater than 0"),
        ("MAX_UPLOAD_SECONDS", "inf", "MAX_UPLOAD_SECONDS='inf' must be a finite number"),
        ("MAX_WAIT_SECONDS", "nan", "MAX_WAIT_SECONDS='nan' must be a finite number"),
        ("MAX_AT_ONCE", "0", "MAX_AT_ONCE='0' must be greater than 0"),
        ("MAX_UPLOADS", "0", "MAX_UPLOADS='0' must be greater than 0"),
        ("MAX_WAITING", "1.5", "MAX_WAITING='1.5' must be a valid integer"),
        ("API_KEY", "", "API_KEY must have at least 16"),
        ("API_KEY", "open sesame, open sesame", "API_KEY must have at least 16"),
        ("API_KEY", "a secret\nkey of many words", "API_KEY must have at least 16"),
    ],
)
def test_invalid_setting_gives_a_one_line_error(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(MarketError, match=message) as raised:
        Settings.from_environment()
    assert "\n" not in str(raised.value)
    if name == "API_KEY" and value:
        assert value not in str(raised.value)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux has CPU affinity")
def test_concurrent_searches_default_to_usable_cores() -> None:
    """A batch system or a container gives a process fewer cores than the machine has."""
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from market.service.settings import Settings; print(Settings().max_at_once)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "1"
