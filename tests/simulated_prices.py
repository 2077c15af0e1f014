"""Simulated listings for the tests of the price model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from market.core.settings import Regress
from market.data.money import Money
from market.models.price_features import price_table

POUNDS = Money("GBP", ".")
SETTINGS = Regress(
    alpha=1.0,
    min_df=2,
    epochs=3,
    learning_rate=0.1,
    n_estimators=30,
    coverage=0.8,
    flagged_share=0.02,
    seed=0,
)


def draw(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a `price_table` of n listings and their prices (n,).

    A price depends on the kind of thing, with noise; a third of the descriptions state it.
    """
    rng = np.random.default_rng(seed)
    kinds = np.array(["lamp", "sofa", "piano"])
    kind = rng.integers(3, size=n)
    price = np.expm1(np.array([2.5, 4.5, 6.5])[kind] + rng.normal(0, 0.6, n)).round(2)
    stated = rng.random(n) < 1 / 3
    products = pd.DataFrame(
        {
            "name": kinds[kind],
            "description": np.where(stated, [f"for £{pounds:.2f}" for pounds in price], "collect"),
            "location": "Here",
        }
    )
    photo = rng.normal(size=(n, 4))
    photo[::5] = np.nan  # no photo
    category = np.eye(3)[kind]
    return price_table(products, rng.normal(size=(n, 6)), photo, category, POUNDS), price


def plain_table(n: int, photo: float, **texts: str) -> pd.DataFrame:
    """Return the `price_table` of n listings with uninformative vectors.

    Each text may hold "{i}", where the listings differ; `photo` fills the photo features.
    """
    products = pd.DataFrame(
        {column: [text.format(i=i) for i in range(n)] for column, text in texts.items()}
    )
    return price_table(products, np.zeros((n, 2)), np.full((n, 2), photo), np.ones((n, 1)), POUNDS)


def changed(**values: Any) -> Regress:
    """Return SETTINGS with other values."""
    return SETTINGS.model_copy(update=values)
