"""Where a stage's parallel parts run: on this machine's cores, or on the workers of a cluster."""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import joblib
from click import ClickException

# What another version of would give other bytes.
DECISIVE = ("numpy", "pillow", "scikit-learn", "sentence-transformers", "torch")
CONNECT_SECONDS = 30
START_HINT = "start each in the project's shared folder: PYTHONPATH=stages dask worker ADDRESS"

Built = TypeVar("Built")
_kept: dict[str, tuple[Hashable, Any]] = {}
_building = Lock()


def worker_count() -> int:
    """WORKERS, an environment variable; by default every core that this process may use."""
    return int(os.environ.get("WORKERS", joblib.cpu_count()))


@contextmanager
def cluster() -> Iterator[None]:
    """Inside, joblib's tasks run on the Dask cluster whose scheduler's address is in SCHEDULER.

    Without this environment variable nothing changes: joblib starts processes on this machine.
    Raises ClickException if no scheduler or no worker answers, or if a worker does not see this
    folder or has other code: it would take every photo for a missing file.
    """
    address = os.environ.get("SCHEDULER")
    if not address:
        yield
        return
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=True)
    except (OSError, ValueError, TimeoutError) as error:
        raise ClickException(
            f"SCHEDULER={address}: no Dask scheduler answers there ({type(error).__name__}): "
            "start one with `dask scheduler`, or unset SCHEDULER"
        ) from None
    with client:
        _check_workers(client, address)
        with joblib.parallel_config("dask"):
            yield


def _check_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except TimeoutError:
        raise ClickException(
            f"SCHEDULER={address}: it has no workers after {CONNECT_SECONDS} s: {START_HINT}"
        ) from None
    with tempfile.NamedTemporaryFile(dir=".", prefix=".cluster-") as shared:
        name = Path(shared.name).name
        here = environment(name)
        found = client.run(environment, name, on_error="return")
    for worker, there in sorted(found.items()):
        if isinstance(there, Exception):
            raise ClickException(
                f"Dask worker {worker} cannot read this project's code ({there}): {START_HINT}"
            )
        for what, value in here.items():
            if there[what] != value:
                raise ClickException(
                    f"Dask worker {worker}: its {what} is {there[what]}, here it is {value}: "
                    f"{START_HINT}"
                )


def environment(shared_file: str) -> dict[str, str]:
    """What must be equal wherever tasks run; `shared_file` is one in the current folder."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parent.parent.rglob("*.py")):
        code.update(path.read_bytes())
    return {
        "view of this folder": "shared" if Path(shared_file).exists() else "of another one",
        "code": code.hexdigest()[:16],
        "Python": platform.python_version(),
        **{name: version(name) for name in DECISIVE},
    }


def keep(name: str, key: Hashable, build: Callable[[], Built]) -> Built:
    """What `build` returns, built once in each process that runs tasks, as a network is.

    Only the latest of each `name` is kept; another `key` (all that determines it) replaces it.
    """
    with _building:
        if name not in _kept or _kept[name][0] != key:
            _kept[name] = key, build()
        return _kept[name][1]
