"""Parallel tasks: their number, and objects that a process keeps between them."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

import joblib

Built = TypeVar("Built")
_kept: dict[str, tuple[Hashable, Any]] = {}
_lock = Lock()


def worker_count() -> int:
    """Return the number of parallel tasks: the environment variable WORKERS, or one per core."""
    return int(os.environ.get("WORKERS", joblib.cpu_count()))


def keep(name: str, key: Hashable, build: Callable[[], Built]) -> Built:
    """Return an object that is built once in each process, such as a network.

    Parameters
    ----------
    name
        Name of the object. Only the latest object of each name is kept.
    key
        Everything that determines the object: another key builds another one.
    build
        Makes the object.

    Examples
    --------
    >>> keep("list", "key 1", lambda: [1]) is keep("list", "key 1", lambda: [1])
    True
    """
    with _lock:
        if name not in _kept or _kept[name][0] != key:
            _kept[name] = key, build()
        return _kept[name][1]
