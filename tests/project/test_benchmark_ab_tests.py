"""The benchmark of comparisons between two rankers: false alarms, and a known effect."""

from __future__ import annotations

import importlib

import pytest
from repository import REPO

with (
    pytest.MonkeyPatch.context() as patch
):  # as for a script, whose folder is where it imports from
    patch.syspath_prepend(str(REPO / "benchmarks"))
    script = importlib.import_module("ab_tests")


def test_looking_daily_raises_few_false_alarms_only_with_the_interval_for_all_looks() -> None:
    outcomes = [script.run_split(number, 400, 7, 0.5, 0.0, seed=1) for number in range(200)]
    final, peeked, sequential = (
        sum(column) / 200 for column in list(zip(*outcomes, strict=True))[:3]
    )
    assert 0.01 <= final <= 0.1 < peeked
    assert sequential <= 0.05


def test_a_large_effect_is_found_by_both() -> None:
    split = [script.run_split(number, 2000, 7, 0.5, 0.4, seed=1) for number in range(5)]
    mixed = [script.run_interleaving(number, 1000, 7, 0.6, seed=1) for number in range(5)]
    assert all(outcome.final and outcome.sequential for outcome in split + mixed)
