"""A real server for an app, for tests that a test client cannot run."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn


@contextlib.contextmanager
def listening(app: Any) -> Iterator[str]:
    """Serve an app with uvicorn in a thread while the block runs; yield its URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "uvicorn did not start"
        threading.Event().wait(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:  # also after a failed test, as the thread would keep pytest from ending
        server.should_exit = True
        thread.join()
