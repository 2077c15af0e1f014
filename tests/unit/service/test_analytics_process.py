"""The process that computes analytics."""

from __future__ import annotations

import os
import signal
from datetime import date, datetime
from pathlib import Path

import pytest

from market.core.errors import MarketError
from market.service.analytics_process import AnalyticsProcess
from market.service.daily_outcomes import PeriodError
from market.service.events import EventStore
from market.service.search_log import RecordedSearch, SearchLog
from market.service.user_data import UserData

DAY = date(2026, 3, 1)


@pytest.mark.slow
def test_another_process_computes_and_a_killed_one_is_replaced(tmp_path: Path) -> None:
    database = EventStore(f"sqlite:///{tmp_path}/events.sqlite").database
    UserData(database)
    search = RecordedSearch("s", "anna", datetime(2026, 3, 1, 12), "sauna", [], total=0)
    SearchLog(database).add([search])
    analytics = AnalyticsProcess(database)
    assert analytics.rates(DAY, DAY, None, 1)["zero_results"].tolist() == [1]
    with pytest.raises(PeriodError, match="days"):
        analytics.rates(date(2020, 1, 1), DAY, None, 1)
    assert analytics.queries_without_results(DAY, DAY, 1)["query"].tolist() == ["sauna"]
    (process_id,) = analytics._executor._processes  # type: ignore[union-attr]
    assert process_id != os.getpid()
    os.kill(process_id, signal.SIGKILL)
    with pytest.raises(MarketError, match="try again"):
        analytics.rates(DAY, DAY, None, 1)
    assert analytics._executor is None, "the next request starts another"
    analytics.close()
