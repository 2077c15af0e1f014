"""The tiers of tests: unit tests run without a trained pipeline."""

from __future__ import annotations

import pytest

PIPELINE_FIXTURES = {"ran", "engine", "reproduced", "run_stage", "invoke_stage"}


def test_unit_tests_need_no_trained_pipeline(request: pytest.FixtureRequest) -> None:
    slow = [
        item.nodeid
        for item in request.session.items
        if "/tests/unit/" in item.path.as_posix()
        and PIPELINE_FIXTURES & set(getattr(item, "fixturenames", ()))
    ]
    assert not slow
