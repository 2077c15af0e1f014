"""What the experiments between two rankers have found."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from market.search.experiments import summarize
from market.service import schemas
from market.service.experiment_log import experiment_names, read_results
from market.service.queues import queued_route
from market.service.routes.dependencies import State
from market.service.routes.responses import ERROR, UNAVAILABLE

router = APIRouter(
    tags=["analytics"],
    route_class=queued_route("analytics", "analytics"),
    responses={404: ERROR, 503: UNAVAILABLE},
)


@router.get("/experiments", summary="Comparison of two rankers")
def experiment(
    state: State, query: Annotated[schemas.ExperimentQuery, Query()]
) -> schemas.ExperimentReport:
    """Return clicks and conversions of both variants, with intervals that hold at every look.

    docs/compare.md says how to start an experiment and when to end it.
    """
    database, running = state.events.database, state.experiment
    recorded = experiment_names(database)
    name = query.experiment or (running.name if running else None)
    is_running = running is not None and name == running.name
    if name is not None and not is_running and name not in recorded:
        known = ", ".join(recorded) or "none"
        raise HTTPException(404, f"there is no experiment {name!r} (recorded: {known})")
    share = running.share if running is not None and is_running else 0.0
    results = read_results(database, name or "", kind=query.kind, share=share)
    fields = {
        "experiment": name, "is_running": is_running, "recorded": recorded, "kind": query.kind,
    }  # fmt: skip
    return schemas.ExperimentReport.model_validate(fields | summarize(results))
