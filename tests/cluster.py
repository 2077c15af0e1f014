"""A PostgreSQL of a test's own, which can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

INITDB = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))  # Debian's place for it


class Cluster:
    """It runs from `start` to `stop` or `kill`, on a socket in its own folder only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs = INITDB[-1].parent
        # PostgreSQL refuses to be root.
        self._user = "nobody" if os.getuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user)
        self.url = f"postgresql+psycopg://test@/postgres?host={folder}"
        made = [*self._command("initdb"), "--auth=trust", "--username=test", "--no-sync"]
        subprocess.run(made, user=self._user, check=True, stdout=subprocess.DEVNULL, cwd=folder)

    def _command(self, program: str) -> list[str]:
        return [str(self._programs / program), "-D", str(self._folder / "data")]

    def start(self) -> None:
        """Returns when it answers; after a kill it first replays what it had logged."""
        command = [*self._command("postgres"), "-k", str(self._folder), "-h", ""]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, user=self._user, cwd=self._folder, stdout=log, stderr=log
            )
        ready = [str(self._programs / "pg_isready"), "-q", "-h", str(self._folder)]
        while subprocess.run(ready).returncode:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL every process of it."""
        first = self._process.pid
        others = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        self._process.kill()
        for process in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        self._process.wait()
        for process in others:  # what has ended has no command line any more
            with contextlib.suppress(OSError):
                while Path(f"/proc/{process}/cmdline").read_bytes():
                    time.sleep(0.01)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """One that runs while the block does."""
    # Not in pytest's folders: those are for their owner alone.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    made = Cluster(folder)
    made.start()
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)
