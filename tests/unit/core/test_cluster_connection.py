"""A cluster that does not answer, and a stage that waits for one."""

from __future__ import annotations

import signal
import time
from _thread import interrupt_main

import pytest

from market.core import cluster
from market.core.errors import MarketError


def test_a_scheduler_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULER", "tcp://127.0.0.1:1")
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with (
        pytest.raises(MarketError, match=r"tcp://127\.0\.0\.1:1: no Dask scheduler answers"),
        cluster.cluster(),
    ):
        pytest.fail("entered")


def test_a_job_in_the_background_can_be_interrupted_too() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(KeyboardInterrupt), cluster._interruptible():
            interrupt_main()
            time.sleep(5)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
