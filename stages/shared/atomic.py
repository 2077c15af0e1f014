"""Outputs appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def replace_when_done(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds.

    The block writes either a file or a directory there. An exception leaves `path` as it was.
    A file is replaced in one step; a directory is removed first, so a kill between the two leaves
    it absent, which DVC reads as "run the stage again".
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    _remove(temporary)  # left by a run that was killed
    try:
        yield temporary
    except BaseException:
        _remove(temporary)
        raise
    if path.is_dir():
        shutil.rmtree(path)
    temporary.replace(path)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` with sorted keys and a final newline; NaN and infinity raise ValueError."""
    text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    with replace_when_done(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
