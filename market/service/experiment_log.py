"""The recorded searches of an experiment, and what it has found so far."""

from __future__ import annotations

import json

import pandas as pd
import sqlalchemy as sa

from market.search.experiments import ExperimentResults
from market.service.database import Database
from market.service.events import EVENTS
from market.service.search_log import SEARCHES, Kind

KINDS_OF: dict[str, tuple[Kind, ...]] = {
    "search": ("search", "photo"),
    "similar": ("similar",),
    "recommendation": ("recommendation",),
}
_COLUMNS = ("search_id", "user_id", "variant", "product_ids", "teams")


def experiment_names(database: Database) -> list[str]:
    """Return the names of the experiments with a recorded search, in alphabetical order."""
    name = SEARCHES.c.experiment
    query = sa.select(name).where(name.is_not(None)).distinct().order_by(name)
    with database.connect() as connection:
        return [*connection.execute(query).scalars()]


def read_results(
    database: Database, experiment: str, *, kind: str, share: float
) -> ExperimentResults:
    """Return what an experiment has found so far.

    Further pages of a search count as no search of their own, except with interleaving, where every
    page has teams.

    Parameters
    ----------
    database
        The database of searches and events.
    experiment
        The name of the experiment.
    kind
        A key of KINDS_OF.
    share
        Of the users that were to get B; 0 if unknown.

    Raises
    ------
    sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError
        The database does not answer.
    """
    own = (
        SEARCHES.c.experiment == experiment,
        SEARCHES.c.kind.in_(KINDS_OF[kind]),
        sa.or_(SEARCHES.c.offset == 0, SEARCHES.c.teams.is_not(None)),
    )
    names = ("search_id", "product_id", "event")
    events = (
        sa.select(*(EVENTS.c[name] for name in names))
        .join(SEARCHES, SEARCHES.c.search_id == EVENTS.c.search_id)
        .where(*own)
    )
    with database.connect() as connection:
        rows = connection.execute(sa.select(*(SEARCHES.c[name] for name in _COLUMNS)).where(*own))
        searches = pd.DataFrame(rows.all(), columns=_COLUMNS, dtype=object)
        clicks = pd.DataFrame(connection.execute(events).all(), columns=names, dtype=object)
    for name in ("product_ids", "teams"):
        searches[name] = pd.Series(
            [
                [] if teams is None else json.loads(text)
                for text, teams in zip(searches[name], searches["teams"], strict=True)
            ],
            dtype=object,
        )
    return ExperimentResults.of(searches, clicks, share=share)
