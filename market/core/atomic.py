"""Atomic writes: an output is written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from market.core.errors import MarketError

# Errors of the disk that the user can remedy. Some libraries (safetensors, FAISS, torch) wrap
# ENOSPC in errors of their own, so on a full disk any error counts as ENOSPC.
_REMEDIES = {
    errno.ENOSPC: "no space left on the disk: free some and run it again",
    errno.EDQUOT: "the disk quota is used up: free some and run it again",
    errno.EROFS: "the disk is read-only: make it writable and run it again",
    errno.EACCES: "writing is not permitted: change the permissions and run it again",
}
_FULL = 256 * 1024  # bytes; a disk with less free space counts as full


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def replace_when_done(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds.

    The block writes a file or a directory there. After an exception `path` is unchanged. A file is
    replaced in one step. A directory is renamed away first: a kill between the two steps leaves no
    directory rather than half of one, and DVC then reruns the stage.

    Parameters
    ----------
    path
        The file or directory to write; its parent is created if absent.

    Raises
    ------
    MarketError
        If the disk is full or not writable.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "scores.txt"
    >>> with replace_when_done(path) as temporary:
    ...     _ = temporary.write_text("0.9")
    ...     path.exists()
    False
    >>> path.read_text()
    '0.9'
    """
    temporary = path.with_name(f".{path.name}.partial")
    former = path.with_name(f".{path.name}.former.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for leftover in (temporary, former):  # from a run that was killed
            _remove(leftover)
        yield temporary
        if path.is_dir() and not path.is_symlink():
            path.replace(former)
        temporary.replace(path)
    except BaseException as error:
        remedy = _remedy(error, path)
        _remove(temporary)
        if remedy is not None:
            raise MarketError(f"{path}: {remedy}") from None
        raise
    _remove(former)


def _remedy(error: BaseException, path: Path) -> str | None:
    if not isinstance(error, Exception) or isinstance(error, MarketError):
        return None
    if isinstance(error, OSError) and error.errno in _REMEDIES:
        return _REMEDIES[error.errno]
    if path.parent.is_dir() and shutil.disk_usage(path.parent).free < _FULL:
        return _REMEDIES[errno.ENOSPC]
    return None


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` with sorted keys and a final newline; NaN and infinity raise ValueError."""
    text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    with replace_when_done(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
