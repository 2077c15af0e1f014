"""Photos fetched from the web into the folder of photos, within limits."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from market.core.atomic import replace_when_done
from market.core.errors import MarketError
from market.core.extras import needs_extra
from market.core.stage import progress
from market.data.images import DecodeLimits, decode_photo
from market.data.photo_formats import FORMATS, UnusablePhoto
from market.data.photo_references import fetched_name

with needs_extra("fetch"):
    import httpcore
    import httpx
    import tenacity

TRANSIENT_STATUSES = (408, 425, 429, 500, 502, 503, 504)
MAX_HOST_FAILURES = 8  # in a row, after which a host counts as down
LONGEST_WAIT = 60.0  # seconds before another attempt, whatever the server asks for
HEADERS = {"User-Agent": "market.fetch_photos", "Accept": "image/*,*/*;q=0.5"}


@dataclass(frozen=True)
class DownloadLimits:
    """What may be fetched, and how fast."""

    max_megabytes: float = 25  # of one photo
    timeout: float = 30  # seconds for one attempt, from the first byte to the last
    max_redirects: int = 5
    attempts: int = 4
    parallel: int = 8  # downloads at once
    delay: float = 0.05  # seconds between the starts of two downloads from one host
    first_wait: float = 0.5  # seconds before the second attempt; it doubles with each one
    allow_private: bool = False  # addresses of this machine and of its network


class FailedDownload(Exception):
    """A photo that was not fetched; the message is the reason."""


class TransientFailure(FailedDownload):
    """A failure that may pass, with the seconds that the server asks to wait for."""

    def __init__(self, reason: str, wait: float = 0) -> None:
        super().__init__(reason)
        self.wait = wait


class PublicNetwork(httpcore.SyncBackend):
    """Connects to public addresses only.

    The name is looked up and checked here, and the connection goes to the address that was checked:
    so neither a redirect nor a name server that changes its answer leads into a private network.
    """

    def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        """Connect to a host; raise FailedDownload if one of its addresses is not public."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"unknown host ({error})") from None
        addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
        if not all(map(is_public, addresses)):
            raise FailedDownload("an address of a private network")
        return super().connect_tcp(addresses[0], port, timeout, local_address, socket_options)


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public internet."""
    ip = ipaddress.ip_address(address)
    mapped = getattr(ip, "ipv4_mapped", None)
    if mapped is not None:
        ip = mapped
    return ip.is_global and not ip.is_multicast


class Hosts:
    """Paces the downloads from each host, and gives up a host that is down."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}
        self._failures: Counter[str] = Counter()

    def wait(self, host: str) -> None:
        """Wait for this download's turn; raise FailedDownload if the host is down."""
        with self._lock:
            if self._failures[host] >= MAX_HOST_FAILURES:
                raise FailedDownload(f"its host was down {MAX_HOST_FAILURES} times in a row")
            now = time.monotonic()
            start = max(now, self._next.get(host, now))
            self._next[host] = start + self._delay
        time.sleep(start - now)

    def note(self, host: str, *, reached: bool) -> None:
        """Note whether the host answered at all."""
        with self._lock:
            self._failures[host] = 0 if reached else self._failures[host] + 1


class PhotoDownloader:
    """Fetches photos into a folder: each file is a whole photo that the decoder opens, or absent.

    A file's name follows from its URL, so a second run fetches only what is missing.

    Parameters
    ----------
    folder
        Created if absent.
    limits
        Of the downloads.
    decode_limits
        Of the photos.
    """

    def __init__(self, folder: Path, limits: DownloadLimits, decode_limits: DecodeLimits) -> None:
        self.folder = folder
        self._limits = limits
        self._decode_limits = decode_limits
        self._hosts = Hosts(limits.delay)
        self._retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(limits.attempts),
            wait=self._wait,
            retry=tenacity.retry_if_exception_type(TransientFailure),
            reraise=True,
        )

    def fetched(self, urls: Iterable[str]) -> dict[str, Path]:
        """Return the files of those URLs that were fetched before."""
        files = {path.stem: path for path in sorted(self.folder.glob("[!.]*"))}
        return {url: files[name] for url in urls if (name := fetched_name(url)) in files}

    def fetch(self, urls: list[str]) -> Iterator[tuple[str, Path | str]]:
        """Fetch photos in parallel.

        Parameters
        ----------
        urls
            Canonical URLs (`photo_references.canonical_url`), each once.

        Yields
        ------
        url, file or reason
            In the order of completion: the file, or the reason why there is none.

        Raises
        ------
        MarketError
            If a file cannot be written.
        """
        transport = httpx.HTTPTransport(verify=True)
        if not self._limits.allow_private:
            # httpx has no public way to choose the network of its transport.
            transport._pool = httpcore.ConnectionPool(
                ssl_context=httpx.create_ssl_context(),
                max_connections=self._limits.parallel,
                network_backend=PublicNetwork(),
            )
        with (
            httpx.Client(
                transport=transport,
                headers=HEADERS,
                timeout=self._limits.timeout,
                follow_redirects=True,
                max_redirects=self._limits.max_redirects,
            ) as client,
            ThreadPoolExecutor(self._limits.parallel) as threads,
        ):
            tasks = {threads.submit(self._fetch, client, url): url for url in urls}
            try:
                for task in progress(
                    as_completed(tasks), total=len(tasks), desc="fetch", unit="photo"
                ):
                    yield tasks[task], task.result()
            finally:  # after an error, or Ctrl-C
                threads.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, client: httpx.Client, url: str) -> Path | str:
        try:
            data = self._retrying(self._download, client, url)
            photo = decode_photo(data, **self._decode_limits)
        except (FailedDownload, UnusablePhoto) as reason:
            return str(reason)
        suffix = FORMATS.get(photo.format, FORMATS["JPEG"]).suffix
        path = self.folder / f"{fetched_name(url)}{suffix}"
        try:
            with replace_when_done(path) as temporary:
                temporary.write_bytes(data)
        except OSError as error:
            raise MarketError(f"{path} cannot be written: {error.strerror}") from None
        return path

    def _download(self, client: httpx.Client, url: str) -> bytes:
        """Return the bytes behind a URL, or raise FailedDownload."""
        try:
            host = httpx.URL(url).host
            self._hosts.wait(host)
            with client.stream("GET", url) as response:
                self._hosts.note(host, reached=True)
                return self._read(response)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError):
            raise FailedDownload("not an http address") from None
        except httpx.TooManyRedirects:
            limit = self._limits.max_redirects
            raise FailedDownload(f"over {limit} redirects") from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            self._hosts.note(host, reached=False)
            raise TransientFailure(f"no connection ({_line(error)})") from None
        except httpx.TimeoutException:
            raise TransientFailure(f"over {self._limits.timeout:g} seconds") from None
        except httpx.HTTPError as error:
            raise TransientFailure(f"broken off ({_line(error)})") from None

    def _read(self, response: httpx.Response) -> bytes:
        if response.status_code in TRANSIENT_STATUSES:
            wait = response.headers.get("Retry-After", "")
            seconds = float(wait) if wait.isdecimal() else 0
            raise TransientFailure(f"HTTP {response.status_code}", seconds)
        if response.status_code != 200:
            raise FailedDownload(f"HTTP {response.status_code}")
        limits = self._limits
        too_large = FailedDownload(f"over {limits.max_megabytes:g} MB")
        deadline = time.monotonic() + limits.timeout
        data = bytearray()
        for chunk in response.iter_bytes():
            data += chunk
            if len(data) > limits.max_megabytes * 1e6:
                raise too_large
            if time.monotonic() > deadline:  # httpx's own limit is for each chunk
                raise TransientFailure(f"over {limits.timeout:g} seconds")
        return bytes(data)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        backoff = tenacity.wait_random_exponential(self._limits.first_wait, max=LONGEST_WAIT)
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait if isinstance(error, TransientFailure) else 0
        return min(max(backoff(state), asked), LONGEST_WAIT)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:80] or type(error).__name__
