"""A Dask cluster: parallel tasks run on its workers instead of this machine's cores."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import signal
import tempfile
import time
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import joblib

import market
from market.core.errors import MarketError
from market.core.extras import needs_extra

# Packages that give other bytes in another version.
DECISIVE_PACKAGES = ("numpy", "pillow", "scikit-learn", "sentence-transformers", "torch")
CONNECT_SECONDS = 60
SCHEDULER_GONE = "the scheduler is gone, and all results with it: start one and run the stage again"
START_HINT = (
    "start each worker in the project's shared folder, with the same TORCH_THREADS as the stage: "
    "dask worker ADDRESS"
)


class ClusterFault(Exception):
    """A fault of the cluster, described for the person who started it."""


@contextmanager
def cluster() -> Iterator[None]:
    """Run joblib's tasks on the Dask cluster whose scheduler's address is in SCHEDULER.

    Without this environment variable nothing changes: joblib starts processes on this machine. With
    it, WORKERS is the number of workers to wait for, by default one. The tasks of a worker that
    dies run again on another. Works in the main thread only, which a watching thread interrupts.

    Raises
    ------
    MarketError
        If no scheduler or no worker answers, now or later; if a worker, now or later, sees another
        folder or has other code, threads or packages than this process; or if one task ended every
        worker that it ran on.
    """
    address = os.environ.get("SCHEDULER")
    if not address:
        yield
        return
    with needs_extra("cluster"):
        from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=True)
    except (OSError, ValueError, TimeoutError) as error:
        raise MarketError(
            f"SCHEDULER={address}: no Dask scheduler answers there ({type(error).__name__}): "
            "start one with `dask scheduler`, or unset SCHEDULER"
        ) from None
    # It would log a traceback of each fault that is one line here.
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
    """Let SIGINT interrupt the main thread.

    A job that a script starts with `&` ignores SIGINT, by POSIX, and would wait for a lost cluster
    for ever.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Watch(Thread):
    """Checks each worker that joins, and watches that the scheduler and a worker are alive.

    It interrupts the main thread if they are not: that would wait for ever.
    """

    def __init__(self, client: Any) -> None:
        super().__init__(daemon=True)
        self.client = client
        self.checked: set[str] = set()
        self.fault: ClusterFault | None = None
        self.ended = Event()
        self.deciding = Lock()

    def start(self) -> None:
        """Check the workers that are there, then watch in the background.

        Raises ClusterFault if too few workers join in time, or one differs from this process.
        """
        wanted = int(os.environ.get("WORKERS", 1))
        with suppress(TimeoutError):
            self.client.wait_for_workers(wanted, timeout=CONNECT_SECONDS)
        workers = set(self.client.nthreads())
        if len(workers) < wanted:
            raise ClusterFault(
                f"it has {len(workers)} of {wanted} workers after {CONNECT_SECONDS} s: {START_HINT}"
            )
        self.check(workers)
        super().start()

    def run(self) -> None:
        last_seen = time.monotonic()
        try:
            while not self.ended.wait(1):
                if self.client.status != "running":
                    raise ClusterFault(SCHEDULER_GONE)
                with suppress(OSError):  # within a second the scheduler is lost, or answers
                    workers = set(self.client.nthreads())
                    self.check(workers - self.checked)
                    if workers:
                        last_seen = time.monotonic()
                if time.monotonic() - last_seen > CONNECT_SECONDS:
                    raise ClusterFault(
                        f"lost its last worker: {START_HINT}, and run the stage again"
                    )
        except ClusterFault as fault:
            with self.deciding:
                if not self.ended.is_set():
                    self.fault = fault
                    interrupt_main()

    def end(self) -> None:
        """Stop watching."""
        with self.deciding:
            self.ended.set()

    def explain(self, error: BaseException) -> BaseException | str | None:
        """Return the fault of the cluster that caused an error in the main thread, or None."""
        from distributed import KilledWorker

        if self.fault is not None:
            return self.fault
        if self.client.status != "running":
            return SCHEDULER_GONE
        if isinstance(error, KilledWorker):
            return f"a task ended every worker that it ran on, perhaps out of memory: {error}"
        return error if isinstance(error, ClusterFault) else None

    def check(self, workers: set[str]) -> None:
        """Raise ClusterFault if one of these workers differs from this process."""
        from distributed.comm import CommClosedError

        if not workers:
            return
        with tempfile.NamedTemporaryFile(dir=".", prefix=".cluster-") as shared:
            name = Path(shared.name).name
            own = environment(name)
            answers = self.client.run(environment, name, workers=list(workers), on_error="return")
        for worker, other in sorted(answers.items()):
            if isinstance(other, CommClosedError | ConnectionError | TimeoutError):
                continue  # it died during the check
            if isinstance(other, Exception):
                raise ClusterFault(
                    f"worker {worker} cannot read this project's code ({other}): {START_HINT}"
                )
            for aspect, value in own.items():
                if other[aspect] != value:
                    raise ClusterFault(
                        f"worker {worker}: its {aspect} is {other[aspect]}, here it is {value}: "
                        f"{START_HINT}"
                    )
            self.checked.add(worker)


def _backend(client: Any) -> Any:
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):
        def retrieve_result_callback(self, out: Any) -> Any:
            # joblib returns a cancelled task's error as if it were a result.
            if isinstance(out, BaseException):
                raise ClusterFault(
                    f"data that a task needs died with a worker: run the stage again ({out})"
                )
            return super().retrieve_result_callback(out)

        def effective_n_jobs(self, n_jobs: int) -> int:
            # At one, joblib would compute in this process and leave the only worker idle.
            return max(2, super().effective_n_jobs(n_jobs))

    return Backend(client=client)


def environment(shared_file: str) -> dict[str, str]:
    """Return what must be equal in every process that runs tasks.

    Parameters
    ----------
    shared_file
        The name of a file in this process's current folder, which workers must see too.
    """
    code = hashlib.sha256()
    for path in sorted(Path(market.__file__).parent.rglob("*.py")):
        code.update(path.read_bytes())
    return {
        "view of this folder": "shared" if Path(shared_file).exists() else "of another one",
        "code": code.hexdigest()[:16],
        "Python": platform.python_version(),
        # The last digits of a sum depend on the number of threads.
        "number of torch's threads": os.environ.get("TORCH_THREADS", str(joblib.cpu_count())),
        **{name: version(name) for name in DECISIVE_PACKAGES},
    }
