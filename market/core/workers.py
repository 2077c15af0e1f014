"""Where a stage's parallel parts run: on this machine's cores, or on the workers of a cluster."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import signal
import tempfile
import time
from _thread import interrupt_main
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, TypeVar

import joblib

import market
from market.core.errors import MarketError

# What another version of would give other bytes.
DECISIVE = ("numpy", "pillow", "scikit-learn", "sentence-transformers", "torch")
CONNECT_SECONDS = 60
GONE = "the scheduler is gone, and with it what was computed: start one and run it again"
START_HINT = (
    "start each in the project's shared folder, with the same TORCH_THREADS as the stage: "
    "dask worker ADDRESS"
)

Built = TypeVar("Built")
_kept: dict[str, tuple[Hashable, Any]] = {}
_building = Lock()


def worker_count() -> int:
    """WORKERS, an environment variable; by default every core that this process may use.

    With SCHEDULER it is how many of the cluster's workers to wait for, and by default one.
    """
    return int(os.environ.get("WORKERS", joblib.cpu_count()))


class ClusterFault(Exception):
    """What is wrong with the cluster, for whoever started it."""


@contextmanager
def cluster() -> Iterator[None]:
    """Inside, joblib's tasks run on the Dask cluster whose scheduler's address is in SCHEDULER.

    Without this environment variable nothing changes: joblib starts processes on this machine.
    What a worker was doing when it died runs again on another. Raises MarketError if no
    scheduler or no worker answers, now or later; if a worker, one that joins later too, does not
    see this folder or has other code, as it would take every photo for a missing file; and if a
    task ended each worker that it ran on. In the main thread only: a watch interrupts it.
    """
    address = os.environ.get("SCHEDULER")
    if not address:
        yield
        return
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=True)
    except (OSError, ValueError, TimeoutError) as error:
        raise MarketError(
            f"SCHEDULER={address}: no Dask scheduler answers there ({type(error).__name__}): "
            "start one with `dask scheduler`, or unset SCHEDULER"
        ) from None
    # It logs tracebacks of what is said in one line here.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    with client, _interruptible():
        watch = _Watch(client)
        try:
            watch.start()
            with joblib.parallel_config(_backend(client)):
                yield
            watch.end()
        except (Exception, KeyboardInterrupt) as error:
            fault = watch.explain(error)
            if fault is None:
                raise
            raise MarketError(f"SCHEDULER={address}: {fault}") from None
        finally:
            watch.end()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Inside, the main thread can be interrupted. A job that a script starts with `&` ignores that,
    as POSIX has it, and would wait for a cluster that is gone."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Watch(Thread):
    """Asks each worker that joins what it is, and interrupts the main thread, which would wait for
    ever, when the scheduler or the last worker is gone."""

    def __init__(self, client: Any) -> None:
        super().__init__(daemon=True)
        self.client = client
        self.asked: set[str] = set()
        self.fault: ClusterFault | None = None
        self.ended = Event()
        self.deciding = Lock()

    def start(self) -> None:
        """Ask the workers that there are; then go on in the background."""
        wanted = int(os.environ.get("WORKERS", 1))
        with suppress(TimeoutError):
            self.client.wait_for_workers(wanted, timeout=CONNECT_SECONDS)
        workers = set(self.client.nthreads())
        if len(workers) < wanted:
            raise ClusterFault(
                f"it has {len(workers)} of {wanted} workers after {CONNECT_SECONDS} s: {START_HINT}"
            )
        self.ask(workers)
        super().start()

    def run(self) -> None:
        seen = time.monotonic()
        try:
            while not self.ended.wait(1):
                if self.client.status != "running":
                    raise ClusterFault(GONE)
                with suppress(OSError):  # by the next second it is gone, or answers
                    workers = set(self.client.nthreads())
                    self.ask(workers - self.asked)
                    if workers:
                        seen = time.monotonic()
                if time.monotonic() - seen > CONNECT_SECONDS:
                    raise ClusterFault(f"its last worker is gone: {START_HINT}, and run it again")
        except ClusterFault as fault:
            with self.deciding:
                if not self.ended.is_set():
                    self.fault = fault
                    interrupt_main()

    def end(self) -> None:
        with self.deciding:
            self.ended.set()

    def explain(self, error: BaseException) -> BaseException | str | None:
        """The fault of the cluster behind an error in the main thread, if it is one."""
        from distributed import KilledWorker

        if self.fault is not None:
            return self.fault
        if self.client.status != "running":
            return GONE
        if isinstance(error, KilledWorker):
            return f"a task ended every worker that it ran on, perhaps for want of memory: {error}"
        return error if isinstance(error, ClusterFault) else None

    def ask(self, workers: set[str]) -> None:
        """Raises ClusterFault if one of these workers is not as this process."""
        from distributed.comm import CommClosedError

        if not workers:
            return
        with tempfile.NamedTemporaryFile(dir=".", prefix=".cluster-") as shared:
            name = Path(shared.name).name
            here = environment(name)
            found = self.client.run(environment, name, workers=list(workers), on_error="return")
        for worker, there in sorted(found.items()):
            if isinstance(there, CommClosedError | ConnectionError | TimeoutError):
                continue  # it died while it was asked
            if isinstance(there, Exception):
                raise ClusterFault(
                    f"worker {worker} cannot read this project's code ({there}): {START_HINT}"
                )
            for what, value in here.items():
                if there[what] != value:
                    raise ClusterFault(
                        f"worker {worker}: its {what} is {there[what]}, here it is {value}: "
                        f"{START_HINT}"
                    )
            self.asked.add(worker)


def _backend(client: Any) -> Any:
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):
        def retrieve_result_callback(self, out: Any) -> Any:
            # joblib hands on a cancelled task's error as if it were its result.
            if isinstance(out, BaseException):
                raise ClusterFault(
                    f"data that a task needs died with a worker: run it again ({out})"
                )
            return super().retrieve_result_callback(out)

        def effective_n_jobs(self, n_jobs: int) -> int:
            # One would make joblib compute here, with the only worker so far looking on.
            return max(2, super().effective_n_jobs(n_jobs))

    return Backend(client=client)


def environment(shared_file: str) -> dict[str, str]:
    """What must be equal wherever tasks run; `shared_file` is one in the current folder."""
    code = hashlib.sha256()
    for path in sorted(Path(market.__file__).parent.rglob("*.py")):
        code.update(path.read_bytes())
    return {
        "view of this folder": "shared" if Path(shared_file).exists() else "of another one",
        "code": code.hexdigest()[:16],
        "Python": platform.python_version(),
        # Sums come out otherwise with another number of threads.
        "number of torch's threads": os.environ.get("TORCH_THREADS", str(joblib.cpu_count())),
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
