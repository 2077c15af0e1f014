"""Fetch the searches and events that the service recorded from its database.

They are off by default (pull_logs.store is empty). To fetch them again, run
`dvc repro --force --single-item pull_logs && dvc repro` (docs/serve.md).

Out: data/logs (searches, events, and hashes of erased users), which stage clean adds to the raw
     logs. `python -m market.pull_logs` adds them to the raw folder instead.
"""

from __future__ import annotations

from market.core.extras import needs_extra
from market.core.params import load_params
from market.core.paths import LOGS
from market.core.stage import stage
from market.data.pulled_logs import PulledLogs


@stage
def main() -> str:
    settings = load_params("pull_logs")
    if not settings.store:
        PulledLogs.none().save(LOGS)
        return "no searches and events, as pull_logs.store in params.yaml is empty"
    with needs_extra("service"):  # a machine that only trains need not have a driver of databases
        from market.service.log_pulling import read_logs
    logs = read_logs(settings.store, "pull_logs.store")
    logs.save(LOGS)
    return f"{len(logs.searches)} searches and {len(logs.events)} events in {LOGS}"


if __name__ == "__main__":
    main()
