"""A score over several seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean and (population) standard deviation over seeds, and how many these were."""
    return {"mean": float(np.mean(values)), "std": float(np.std(values)), "seeds": len(values)}
