"""What a stage needs from the stages before it."""

from __future__ import annotations

from pathlib import Path

from market.core.errors import MarketError


def require(*paths: Path) -> None:
    """Raise MarketError naming the first path that is not there, and the remedy."""
    for path in paths:
        if not path.exists():
            raise MarketError(f"{path} is not there: run `dvc repro`, which makes it, or pull it")
