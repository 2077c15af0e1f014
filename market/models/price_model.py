"""The price model: the price of a listing in pounds, with an interval.

Two layers are stacked. The first reads all features, among them a hundred thousand terms
(`price_base_models`). The second corrects it by boosted trees on the few numbers that matter in
combination (`price_boosting`), above all the amounts in the text: in a fifth of real listings an
amount is the price itself, in others it is something else ("cost £900 new"). All models predict
log(1 + price), so that errors are ratios.

A simple baseline can take the place of both layers, if it predicts better. `price_training` fits
and selects.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from market.core.atomic import replace_when_done, write_json
from market.core.paths import require
from market.models.price_base_models import NETWORKS, BaseModels
from market.models.price_baselines import Baseline
from market.models.price_boosting import SEEDS, BoostedTrees
from market.models.price_intervals import Margins, equal_bounds, to_pounds
from market.models.skops_files import load_model, save_model

SETTINGS_FILE = "model.json"
BOOSTED = "boosted"  # the stacked model's name beside those of BASELINES


@dataclass(frozen=True)
class StackedModel:
    """Both layers of the price model."""

    base: BaseModels
    trees: BoostedTrees

    name = BOOSTED

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """Predict a `price_table` as `BoostedTrees.predict` does, in log(1 + £)."""
        return self.trees.predict(self.base.predict(table), table)


@dataclass(frozen=True)
class NoPrices:
    """Stands for a model where no listing has a price: every prediction is NaN."""

    name = "no_prices"

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return NaN as `price`, `low` and `high`, for n rows of a `price_table`."""
        return equal_bounds(np.full(len(table), np.nan), table.index)


@dataclass(frozen=True)
class PriceModel:
    """Predicts prices in pounds, with intervals and with bounds for flags: models/price.

    Parameters
    ----------
    estimator
        Predicts log(1 + £) and its bounds.
    margins
        Calibrated for these bounds.
    coverage
        Target coverage of the intervals, from 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyRegressor
    >>> table = pd.DataFrame({"name": ["lamp", "bike"]})
    >>> median = DummyRegressor(strategy="constant", constant=np.log1p(39)).fit(table, [0, 0])
    >>> margins = Margins(interval=np.log(2), flag=np.log(4))
    >>> model = PriceModel(Baseline("constant", median), margins, coverage=0.8)
    >>> model.predict(table)
       price  price_low  price_high  flag_below  flag_above
    0   39.0       19.0        79.0         9.0       159.0
    1   39.0       19.0        79.0         9.0       159.0
    """

    estimator: StackedModel | Baseline | NoPrices
    margins: Margins
    coverage: float

    @classmethod
    def without_prices(cls, coverage: float) -> PriceModel:
        """Return the model of listings that have no prices: it predicts none."""
        return cls(NoPrices(), Margins(0.0, 0.0), coverage)

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """Predict a `price_table` in pounds.

        Returns
        -------
        pd.DataFrame
            By the index of `table`: `price`, its interval `price_low` and `price_high`, and
            `flag_below` and `flag_above`, outside of which an asking price is flagged. For a
            StackedModel also `linear` and `network`, by the ridge and by the networks alone, and
            `seed_<i>`, by each boosted model.
        """
        return to_pounds(self.estimator.predict(table), self.margins)

    def save(self, folder: Path) -> None:
        """Replace `folder` by this model."""
        settings: dict[str, Any] = {
            "coverage": self.coverage,
            "estimator": self.estimator.name,
            "flag_margin": self.margins.flag,
            "interval_margin": self.margins.interval,
            "max_log": self.margins.max_log,
        }
        parts: dict[str, Any] = {}
        if isinstance(self.estimator, Baseline):
            parts = {self.estimator.name: self.estimator.estimator}
        elif isinstance(self.estimator, StackedModel):
            base, trees = self.estimator.base, self.estimator.trees
            settings["network_weight"] = trees.network_weight
            parts = {
                "base_features": base.features,
                "ridge": base.ridge,
                **{f"network_{i}": network for i, network in enumerate(base.networks)},
                "tree_features": trees.features,
                **{f"boosted_{i}": model for i, model in enumerate(trees.boosted)},
                "low": trees.low,
                "high": trees.high,
            }
        with replace_when_done(folder) as temporary:
            temporary.mkdir()
            for name, part in parts.items():
                save_model(part, temporary / f"{name}.skops")
            write_json(temporary / SETTINGS_FILE, settings)

    @classmethod
    def load(cls, folder: Path) -> PriceModel:
        """Read the model that `save` wrote.

        Raises
        ------
        MarketError
            If a file is absent, damaged, or holds types that no model here has.
        """
        require(folder / SETTINGS_FILE)
        settings = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))

        def part(name: str) -> Any:
            return load_model(folder / f"{name}.skops")

        estimator: StackedModel | Baseline | NoPrices
        if settings["estimator"] == BOOSTED:
            networks = [part(f"network_{i}") for i in range(NETWORKS)]
            boosted = [part(f"boosted_{i}") for i in range(SEEDS)]
            estimator = StackedModel(
                BaseModels(part("base_features"), part("ridge"), networks),
                BoostedTrees(
                    settings["network_weight"],
                    part("tree_features"),
                    boosted,
                    part("low"),
                    part("high"),
                ),
            )
        elif settings["estimator"] == NoPrices.name:
            estimator = NoPrices()
        else:
            estimator = Baseline(settings["estimator"], part(settings["estimator"]))
        margins = Margins(settings["interval_margin"], settings["flag_margin"], settings["max_log"])
        return cls(estimator, margins, settings["coverage"])
