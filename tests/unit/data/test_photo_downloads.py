"""Photos fetched from a local server: whole or not at all, within limits, each once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from photo_server import Server, picture, running

from market.data.photo_downloads import (
    MAX_HOST_FAILURES,
    DownloadLimits,
    PhotoDownloader,
    is_public,
)
from market.data.photo_references import fetched_name

FAST: dict[str, Any] = {
    "timeout": 1,
    "delay": 0,
    "first_wait": 0.01,
    "allow_private": True,
    "max_megabytes": 0.1,
}


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


def downloader(folder: Path, **limits: Any) -> PhotoDownloader:
    decode_limits: Any = {"size": 16, "min_side": 8, "max_megapixels": 1}
    return PhotoDownloader(folder, DownloadLimits(**{**FAST, **limits}), decode_limits)


def test_photos_are_fetched_once_under_names_of_their_urls(server: Server, tmp_path: Path) -> None:
    urls = [server.url(path) for path in ("photo", "png", "moved", "photo?size=2")]
    folder = tmp_path / "images/fetched"
    assert downloader(folder).fetched(urls) == {}
    files = dict(downloader(folder).fetch(urls))
    endings = [".jpg", ".png", ".jpg", ".jpg"]
    for url, ending in zip(urls, endings, strict=True):
        assert files[url] == folder / f"{fetched_name(url)}{ending}"
    png = files[urls[1]]
    assert isinstance(png, Path) and png.read_bytes() == picture("PNG")
    assert sorted(folder.iterdir()) == sorted(set(files.values()))
    assert downloader(folder).fetched(urls) == files


@pytest.mark.parametrize(
    ("path", "reason", "requests"),
    [
        ("status/404", "HTTP 404", 1),
        ("status/500", "HTTP 500", 2),
        ("page", "not one of JPEG", 1),
        ("large", "over 0.1 MB", 1),
        ("loop", "over 5 redirects", 6),
        ("to-file", "not an http address", 1),
        ("cut", "broken off", 2),
        ("slow", "over 0.3 seconds", 2),
    ],
)
def test_a_failure_has_a_reason_and_leaves_nothing(
    server: Server, tmp_path: Path, path: str, reason: str, requests: int
) -> None:
    limits = {"attempts": 2, "timeout": 0.3 if path == "slow" else 1}
    ((_, outcome),) = downloader(tmp_path, **limits).fetch([server.url(path)])
    assert isinstance(outcome, str) and outcome.startswith(reason)
    assert server.requests[path] == requests
    assert list(tmp_path.iterdir()) == []


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    ((_, file),) = downloader(tmp_path).fetch([server.url("busy")])
    assert isinstance(file, Path) and file.read_bytes() == picture()
    assert server.requests["busy"] == 3


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"])
def test_private_addresses_are_refused_before_any_request(
    server: Server, tmp_path: Path, host: str
) -> None:
    url = f"http://{host}:{server.server_port}/photo"
    ((_, reason),) = downloader(tmp_path, allow_private=False).fetch([url])
    assert reason == "an address of a private network"
    assert not server.requests


def test_public_addresses_are_told_from_others() -> None:
    assert all(map(is_public, ("93.184.216.34", "2606:2800:220:1::1")))
    others = (
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "::1", "fe80::1", "fc00::1", "::ffff:10.0.0.1", "::"),
    )
    assert not any(map(is_public, others))


@pytest.mark.parametrize("url", ["http://", "http://[", "https://a..b/", "http://exa mple/a.jpg"])
def test_an_address_that_is_none_has_a_reason(tmp_path: Path, url: str) -> None:
    ((_, reason),) = downloader(tmp_path, attempts=1).fetch([url])
    assert isinstance(reason, str) and "\n" not in reason


def test_a_host_that_is_down_is_given_up(tmp_path: Path) -> None:
    with Server() as closed:
        port = closed.server_port
    urls = [f"http://127.0.0.1:{port}/{number}" for number in range(MAX_HOST_FAILURES + 5)]
    limits = {"attempts": 1, "parallel": 1}
    reasons = [reason for _, reason in downloader(tmp_path, **limits).fetch(urls)]
    assert sum(str(reason).startswith("no connection") for reason in reasons) == MAX_HOST_FAILURES
    assert reasons.count(f"its host was down {MAX_HOST_FAILURES} times in a row") == 5


def test_downloads_from_one_host_keep_their_distance(server: Server, tmp_path: Path) -> None:
    start = time.monotonic()
    urls = [server.url(f"photo?{number}") for number in range(5)]
    assert len(dict(downloader(tmp_path, delay=0.05).fetch(urls))) == 5
    assert time.monotonic() - start >= 0.2
