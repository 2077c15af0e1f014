"""How many processes a stage may use."""

from __future__ import annotations

import os

import joblib


def worker_count() -> int:
    """WORKERS, an environment variable; by default every core that this process may use."""
    return int(os.environ.get("WORKERS", joblib.cpu_count()))
