"""Recommend listings to every user of the log, for e-mails and pages that are made at night.

In:  models/index, models/rank, models/embed, data/price/expected.parquet and
     data/clean/interactions.parquet; with --events FILE that log instead, in the format that
     params.yaml describes under `input`.
Out: a .parquet file: user_id, rank (from 1), product_id and score. The first rows, whose user_id is
     missing, are for users without a history. The others are sorted by user. No user is recommended
     a listing of their own history. Beside it, <name>.rejects.csv lists the rows of FILE that
     cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import click
import pandas as pd
import pyarrow as pa
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from market.core.atomic import replace_when_done
from market.core.errors import MarketError
from market.core.params import load_params
from market.core.paths import (
    EXPECTED_PRICES,
    INTERACTIONS,
    PHOTO_EMBEDDER,
    RANKER,
    RULES,
    SEARCH_INDEX,
    require,
)
from market.core.stage import progress, stage
from market.core.torch_setup import set_up_torch
from market.core.workers import keep, worker_count
from market.data.histories import HISTORY_EVENTS, LoggedHistories
from market.data.interactions import sort_interactions
from market.data.raw_folder import RawFolder
from market.export.parquet_file import check_out, out_option, write_chunks
from market.models.embeddings import folder_stamp
from market.search.engine import Engine

SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("rank", pa.int32()),
        ("product_id", pa.string()),
        ("score", pa.float64()),
    ]
)
USERS_PER_TASK = 500


@stage
@out_option
@click.option(
    "--top-k",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Listings for each user.",
)
@click.option(
    "--events",
    type=click.Path(path_type=Path),
    help="A log to read the histories from, instead of the one that stage clean wrote.",
)
def main(out: Path, top_k: int, events: Path | None) -> str:
    check_out(out)
    inputs = (SEARCH_INDEX, RANKER, PHOTO_EMBEDDER, EXPECTED_PRICES)
    require(*inputs, *(() if events else (INTERACTIONS,)))
    if events is None:
        histories, rejects = LoggedHistories.load(INTERACTIONS, HISTORY_EVENTS), pd.DataFrame()
    else:
        log, rejects = read_events(events)
        histories = LoggedHistories(log, HISTORY_EVENTS)
    artefacts = [*inputs, *(() if events else (INTERACTIONS,))]
    write_chunks(out, SCHEMA, recommendation_chunks(histories, top_k), artefacts)
    summary = f"recommendations for {len(histories)} users in {out}"
    if len(rejects):
        path = out.with_suffix(".rejects.csv")
        with replace_when_done(path) as temporary:
            rejects.to_csv(temporary, index=False, lineterminator="\n")
        summary += f"; {len(rejects)} events rejected: see {path}"
    return summary


def read_events(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a log and its rejects, as `interactions.sort_interactions` does.

    Raises
    ------
    MarketError
        If the file cannot be read, or none of its rows can.
    """
    settings = load_params("input").model_copy(update={"interactions": path.name})
    log, rejects = sort_interactions(
        RawFolder(path.parent, settings).interactions(), country=settings.country
    )
    if log.empty:
        cause = f": {rejects['reason'].iloc[0]} in row 1" if len(rejects) else ": it has no rows"
        raise MarketError(f"{path} holds no event that can be read{cause}")
    return log, rejects


def recommendation_chunks(histories: LoggedHistories, top_k: int) -> Iterator[pa.Table]:
    """Yield the recommendations of USERS_PER_TASK users at a time, first those for new users.

    Processes work in parallel, each with an index of its own in memory: as many as the environment
    variable WORKERS says, by default one per core. Their number changes no byte.

    Parameters
    ----------
    histories
        The histories of all users.
    top_k
        Listings for each user; fewer where the catalogue has no more.

    Raises
    ------
    MarketError
        If a process was killed.
    """
    users: list[str | None] = [None, *histories.users]
    tasks = [
        users[start : start + USERS_PER_TASK] for start in range(0, len(users), USERS_PER_TASK)
    ]
    rules_time = RULES.stat().st_mtime_ns if RULES.exists() else None
    stamps = (*(folder_stamp(folder) for folder in (SEARCH_INDEX, RANKER)), rules_time)
    parallel = Parallel(n_jobs=min(worker_count(), len(tasks)), return_as="generator")
    calls = (
        delayed(_task)(task, [user and histories.history(user) for user in task], top_k, stamps)
        for task in tasks
    )
    with progress(total=len(users), desc="recommend", unit="user") as bar:
        try:
            for task, table in zip(tasks, parallel(calls), strict=True):
                yield table
                bar.update(len(task))
        except BrokenProcessPool:
            raise MarketError(
                "a process that computes recommendations was killed, perhaps out of memory: run "
                "the export again with fewer processes (WORKERS=1)"
            ) from None


def _task(
    users: Sequence[str | None],
    histories: Sequence[pd.DataFrame | None],
    top_k: int,
    stamps: tuple,
) -> pa.Table:
    engine = keep(
        "recommend", stamps, lambda: Engine.load(rules=RULES, device=str(set_up_torch(seed=0)))
    )
    return recommend_to_users(engine, users, histories, top_k)


def recommend_to_users(
    engine: Engine,
    users: Sequence[str | None],
    histories: Sequence[pd.DataFrame | None],
    top_k: int,
) -> pa.Table:
    """Return the recommendations (SCHEMA) for some users, in their order.

    Parameters
    ----------
    engine
        The search engine.
    users
        (n,) user ids; None for users without a history.
    histories
        (n,) the history of each, as `Engine.recommend` takes it.
    top_k
        Listings for each user.
    """
    rows: list[tuple[str | None, int, str, float]] = []
    # Arrays are so small here that threads would only wait for each other, and cost most of the
    # time on a busy machine.
    with threadpool_limits(1):
        for user, history in zip(users, histories, strict=True):
            hits = engine.recommend(history, limit=top_k).hits
            rows += [(user, rank, hit.product_id, hit.score) for rank, hit in enumerate(hits, 1)]
    columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
    return pa.table([list(column) for column in columns], schema=SCHEMA)
