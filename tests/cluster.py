"""A temporary PostgreSQL that tests can kill and restart."""

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

INITDB = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))  # where Debian installs it


class Cluster:
    """A PostgreSQL server that listens only on a socket in its own folder.

    Parameters
    ----------
    folder
        Existing empty folder for the database, the socket and the log.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs = INITDB[-1].parent
        # PostgreSQL refuses to run as root.
        self._user = "nobody" if os.getuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user)
        self.url = f"postgresql+psycopg://test@/postgres?host={folder}"
        initialise = [*self._command("initdb"), "--auth=trust", "--username=test", "--no-sync"]
        subprocess.run(
            initialise, user=self._user, check=True, stdout=subprocess.DEVNULL, cwd=folder
        )

    def _command(self, program: str) -> list[str]:
        return [str(self._programs / program), "-D", str(self._folder / "data")]

    def start(self) -> None:
        """Start the server, and return when it answers. After a kill it first replays its log."""
        command = [*self._command("postgres"), "-k", str(self._folder), "-h", ""]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, user=self._user, cwd=self._folder, stdout=log, stderr=log
            )
        is_ready = [str(self._programs / "pg_isready"), "-q", "-h", str(self._folder)]
        while subprocess.run(is_ready).returncode:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL the server and all its processes."""
        server = self._process.pid
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        self._process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self._process.wait()
        for child in children:  # a process that has ended has an empty command line
            with contextlib.suppress(OSError):
                while Path(f"/proc/{child}/cmdline").read_bytes():
                    time.sleep(0.01)

    def stop(self) -> None:
        """Stop the server at once."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a server while the block runs."""
    # Other users, such as the one PostgreSQL runs as, cannot enter pytest's folders.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = Cluster(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
