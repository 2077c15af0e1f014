"""Packages of an extra: a missing one names the command that installs it."""

from __future__ import annotations

import pytest

from market.core.errors import MarketError
from market.core.extras import needs_extra


def test_a_missing_package_names_its_pip_command() -> None:
    with pytest.raises(MarketError) as raised, needs_extra("cluster"):
        import distributed_of_another_world.client  # noqa: F401
    assert str(raised.value) == (
        "package 'distributed_of_another_world' is not installed: run "
        "`pip install -c requirements.txt -e '.[cluster]'` in the project's folder"
    )


def test_a_missing_module_of_the_project_is_no_missing_package() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"market\.absent"), needs_extra("cluster"):
        import market.absent  # noqa: F401


def test_an_installed_package_is_imported() -> None:
    with needs_extra("train"):
        import json
    assert json.loads("1") == 1
