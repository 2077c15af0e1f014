"""`make serve`'s own command: it starts, answers, and loses nothing when it is killed."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from search.app import create_app
from search.events import EventStore

REPO = Path(__file__).parent.parent


@pytest.fixture
def project(ran: Path, tmp_path: Path) -> Path:
    """A project in which every stage has run, to write events into."""
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    for name in ("search", "stages"):
        (project / name).symlink_to(REPO / name)
    for name in ("models", "params.yaml", "data/clean"):
        (project / name).symlink_to(ran / name)
    return project


def serve_command() -> list[str]:
    """What `make serve` runs once .venv is there."""
    printed = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--assume-old=.venv/.installed", "serve"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = printed.stdout.splitlines()
    return shlex.split(line)


def test_make_serve_answers_and_keeps_what_it_answered(project: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "UVICORN_PORT": str(port)}
    environment.pop("PYTHONPATH", None)
    site = f"http://127.0.0.1:{port}"
    with (
        (project / "log").open("w") as log,
        subprocess.Popen(serve_command(), cwd=project, env=environment, stderr=log) as service,
    ):
        try:
            until = time.monotonic() + 180  # a busy machine takes its time
            while True:
                try:
                    health = httpx.get(f"{site}/healthz")
                    break
                except httpx.TransportError:
                    assert service.poll() is None, (project / "log").read_text()
                    assert time.monotonic() < until
                    time.sleep(0.1)
            assert health.json() == {"status": "ok"}
            assert "<!doctype html>" in httpx.get(site).text
            product = httpx.get(f"{site}/api/search").json()["hits"][0]["product_id"]
            event = {"user_id": "anna", "product_id": product, "event": "save"}
            told = httpx.post(f"{site}/api/events", json=event)
        finally:
            service.kill()
    assert told.status_code == 201
    store = EventStore(f"sqlite:///{project}/data/events.sqlite")
    assert store.history("anna", 9)["product_id"].tolist() == [product]
    store.close()


def test_without_an_index_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        create_app()
    assert ended.value.code == (
        "Error: models/index is not there: run `dvc repro`, which makes it, or pull it"
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HISTORY_EVENTS", "many", "HISTORY_EVENTS='many' is not a number"),
        ("MAX_UPLOAD_MB", "0", "MAX_UPLOAD_MB='0' must be above 0"),
    ],
)
def test_a_wrong_setting_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=said):
        create_app()
