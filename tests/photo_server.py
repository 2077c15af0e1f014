"""A web server of photos on this machine, with every way to fail."""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image


def picture(kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 30, 30)).save(buffer, kind)
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    """Counts the requests for each path."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        super().__init__(("127.0.0.1", 0), Handler)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path = self.path.lstrip("/").partition("?")[0]
        self.server.requests[path] += 1
        if path.startswith("status/"):
            self.send_error(int(path.split("/")[1]))
        elif path == "busy" and self.server.requests[path] < 3:
            self.send_response(503)
            self.send_header("Retry-After", "0")
            self.end_headers()
        elif path == "loop":
            self.redirect("/loop")
        elif path == "moved":
            self.redirect("/photo")
        elif path == "to-file":
            self.redirect("file:///etc/passwd")
        elif path == "slow":
            self.begin(10_000)
            for _ in range(40):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.1)
        elif path == "cut":
            self.begin(5000)
            self.wfile.write(picture()[:100])
        else:
            content = {"page": b"<html>", "large": bytes(200_000), "png": picture("PNG")}
            data = content.get(path, picture())
            self.begin(len(data))
            self.wfile.write(data)

    def begin(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def redirect(self, target: str) -> None:
        self.send_response(302)
        self.send_header("Location", target)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def running() -> Iterator[Server]:
    """Yield a server that answers until the block ends."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
