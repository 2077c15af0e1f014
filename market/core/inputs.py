"""What a stage needs from the stages before it."""

from __future__ import annotations

from pathlib import Path

from click import ClickException


def require(*paths: Path) -> None:
    """Raise ClickException naming the first path that is not there, and the remedy."""
    for path in paths:
        if not path.exists():
            raise ClickException(
                f"{path} is not there: run `dvc repro`, which makes it, or pull it"
            )
