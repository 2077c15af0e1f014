"""How many processes: as many as asked, else one for each core; and a cluster that is not there."""

from __future__ import annotations

import signal
import time
from _thread import interrupt_main

import joblib
import pytest

from market.core import workers
from market.core.errors import MarketError
from market.core.workers import worker_count


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "3")
    assert worker_count() == 3
    monkeypatch.delenv("WORKERS")
    assert worker_count() == joblib.cpu_count()


def test_a_scheduler_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULER", "tcp://127.0.0.1:1")
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 1)
    with (
        pytest.raises(MarketError, match=r"tcp://127\.0\.0\.1:1: no Dask scheduler answers"),
        workers.cluster(),
    ):
        pytest.fail("entered")


def test_a_job_in_the_background_can_be_interrupted_too() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(KeyboardInterrupt), workers._interruptible():
            interrupt_main()
            time.sleep(5)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
