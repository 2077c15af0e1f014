"""The handmade listings and an engine over them, shared by tests, none of which changes them."""

from __future__ import annotations

import pytest
from handmade import Handmade

from market.search.engine import Engine


@pytest.fixture(scope="module")
def handmade() -> Handmade:
    return Handmade()


@pytest.fixture(scope="module")
def shop(handmade: Handmade) -> Engine:
    return handmade.engine()
