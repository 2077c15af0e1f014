"""One function for each of many photo files, on every core or worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

import joblib

from market.core.errors import MarketError
from market.core.stage import progress
from market.core.workers import worker_count

PHOTOS_PER_TASK = 16  # few, so that no core is idle for long while the last task ends

Result = TypeVar("Result")


def map_photos(
    function: Callable[[Path], Result], paths: Sequence[Path], *, verb: str
) -> Iterator[Result]:
    """Call a function for each photo file.

    Parameters
    ----------
    function
        Can be pickled. It runs in other processes.
    paths
        The files (n).
    verb
        Names the work in the progress bar.

    Yields
    ------
    Result
        In the order of `paths`. Memory holds the results that are not yet consumed.

    Raises
    ------
    MarketError
        If a process was killed.
    """
    tasks = [paths[i : i + PHOTOS_PER_TASK] for i in range(0, len(paths), PHOTOS_PER_TASK)]
    parallel = joblib.Parallel(n_jobs=worker_count(), return_as="generator")
    with progress(total=len(paths), desc=verb, unit="photo") as bar:
        try:
            for results in parallel(joblib.delayed(_task)(function, task) for task in tasks):
                bar.update(len(results))
                yield from results
        except BrokenProcessPool:
            raise MarketError(
                f"a process that {verb}s photos was killed, perhaps out of memory: run the stage "
                "again with fewer processes (WORKERS=1)"
            ) from None


def _task(function: Callable[[Path], Result], paths: Sequence[Path]) -> list[Result]:
    return [function(path) for path in paths]
