"""Every stage has a help that says all, bars that suit where they are shown, and a last line."""

from __future__ import annotations

import io
import sys

import pytest
from repository import REPO

from market.core import stage
from market.core.params import ranges
from stages import merge

STAGES = stage.pipeline_stages(REPO)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("name", STAGES)
def test_help_names_inputs_outputs_and_params(name: str) -> None:
    declared = stage._declared(name)
    text = "\n".join(line for lines in declared.values() for line in lines)
    for kind in ("deps", "outs", "metrics"):
        for entry in STAGES[name].get(kind, []):
            path = entry if isinstance(entry, str) else next(iter(entry))
            assert path.endswith((".py", ".j2")) or path.replace("${dataset}", "<dataset>") in text
    for key in STAGES[name].get("params", []):
        for known, range_ in ranges().items():
            if known == key or known.startswith(f"{key}."):
                assert f"{known.rpartition('.')[2]}:" in text
                assert range_.split()[-1] in text


def test_help_is_laid_out_as_it_is_written() -> None:
    with merge.main.make_context("merge", ["merge"], resilient_parsing=True) as context:
        text = merge.main.get_help(context)
    assert "Reads:" in text and "  In:  data/clean/ products.parquet" in text
    assert "val_folds: 1       # a whole number from 1;" in text


def test_a_log_has_lines_and_a_terminal_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "BAR_DELAY", 0)
    monkeypatch.setattr(stage, "LOG_INTERVAL", 0)
    log, terminal = io.StringIO(), Terminal()
    for stream in (log, terminal):
        monkeypatch.setattr(sys, "stderr", stream)
        assert list(stage.progress(range(3), total=3, desc="count", unit="thing")) == [0, 1, 2]
    assert "\r" not in log.getvalue()
    assert log.getvalue().splitlines()[-1].startswith("count: 3 of 3, ")
    assert "\r" in terminal.getvalue() and "3/3" in terminal.getvalue()


def test_a_bar_inside_another_one_writes_whole_lines_to_a_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stage, "BAR_DELAY", 0)
    monkeypatch.setattr(stage, "LOG_INTERVAL", 0)
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    for _ in stage.progress(range(2), desc="outer", unit="thing"):
        assert [*stage.progress(range(2), desc="inner", unit="thing")] == [0, 1]
    assert all(line.startswith(("outer: ", "inner: ")) for line in log.getvalue().splitlines())


def test_a_quick_loop_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    assert list(stage.progress(range(3), total=3, desc="count", unit="thing")) == [0, 1, 2]
    assert log.getvalue() == ""
