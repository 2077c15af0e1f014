"""Simulated listings for the tests of the category models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from market.core.settings import Classify
from market.models.text_encoder import TEXT_WIDTH, with_embedding

SETTINGS = Classify(
    c=0.1,
    min_df=2,
    label_depth=1,
    calibration_slope=6.0,
    calibration_midpoint=-0.3,
    embedding_weight=2.0,
    seed=0,
)
CODES = np.array([0, 0, 1, 1] * 3)  # lamps and bikes


def lamps_and_bikes(**columns: list[str]) -> pd.DataFrame:
    """Return twelve listings, each a group of its own; `columns` replaces some of theirs."""
    products = pd.DataFrame({"name": ["red lamp", "blue lamp", "red bike", "blue bike"] * 3})
    products["description"] = "collect in " + products["name"]
    products = products.assign(**columns, group=range(12), split="train")
    return with_embedding(products, np.random.default_rng(0).normal(size=(12, TEXT_WIDTH)))


def changed(**values: Any) -> Classify:
    """Return SETTINGS with other values."""
    return SETTINGS.model_copy(update=values)
