"""One ranker for search results and recommendations, whose every answer explains itself.

A product has signals, most of them 0 … 1. Without a log of interactions its score is their weighted
sum, with weights from PRIOR. With a log, boosted trees (LambdaRank) learn what to make of the
signals of person and product; the query's stay a weighted sum, as no log holds queries. Either way
the contributions of the signals add up to the score.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

# A signal's name and what a person is told: "why this".
SIGNALS = {
    "words": "has your words",
    "meaning": "means what you wrote",
    "looks": "looks like your photo",
    "together": "goes with what you looked at",
    "next": "often comes next",
    "category": "a category you like",
    "price_level": "your price range",
    "style": "reads like what you looked at",
    "look": "looks like what you looked at",
    "near": "near you",
    "popular": "popular",
    "trending": "popular these days",
    "fresh": "newly listed",
    "fair": "a fair price",
}
QUERY = ["words", "meaning", "looks"]
LEARNED = [name for name in SIGNALS if name not in QUERY]

# The weight of a signal at 1, where nothing was learned.
PRIOR = {
    "words": 1.0,  # what was asked for outweighs all taste: half of it is worth four signals below
    "meaning": 1.0,
    "looks": 1.0,
    "together": 0.3,  # the surest sign of taste, where there is a log
    "next": 0.3,
    "category": 0.2,
    "price_level": 0.1,
    "style": 0.2,
    "look": 0.15,
    "near": 0.1,
    "popular": 0.1,  # what a new user gets, with the three below
    "trending": 0.1,
    "fresh": 0.05,
    "fair": 0.05,
}


@dataclass
class Ranker:
    """Made by `prior` or `fit`."""

    weights: dict[str, float]  # of the signals that are summed
    trees: lightgbm.Booster | None = None  # read LEARNED
    scale: float = 1.0  # of the trees' answer, that makes it as wide as the sum it stands for

    @classmethod
    def prior(cls) -> Ranker:
        """The ranker for when there is no log to learn from."""
        return cls(dict(PRIOR))

    @classmethod
    def fit(
        cls, features: pd.DataFrame, relevance: np.ndarray, groups: np.ndarray, *, seed: int,
        trees: int = 100, rate: float = 0.05, leaves: int = 15, threads: int = 1,
    ) -> Ranker:  # fmt: skip
        """Learn from candidates: the rows of a group are one person's at one time, side by side.

        `features` holds signals (a column may be absent or NaN: unknown), `relevance` is 0 for what
        the person passed over and 1 or more for what they took, `groups` (n,) names a row's group.
        """
        table = features.reindex(columns=LEARNED).astype(float)
        starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
        booster = lightgbm.train(
            {
                "objective": "lambdarank",
                "learning_rate": rate,
                "num_leaves": leaves,
                "min_data_in_leaf": 20,
                "seed": seed,
                "deterministic": True,
                "force_row_wise": True,
                "num_threads": threads,
                "verbosity": -1,
            },
            lightgbm.Dataset(
                table, relevance, group=np.diff(np.r_[starts, len(table)]), params={"verbosity": -1}
            ),
            num_boost_round=trees,
        )
        width = float(np.std(booster.predict(table)))
        usual = float(np.std(_weighted(table, PRIOR).sum(axis=1)))
        return cls(
            {name: PRIOR[name] for name in QUERY},
            booster,
            usual / width if width > 0 and usual > 0 else 1.0,
        )

    def with_weights(self, weights: dict[str, float]) -> Ranker:
        """The same ranker with other weights for some of the summed signals."""
        return replace(self, weights=self.weights | weights)

    def score(self, features: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
        """Return scores (n,), higher first, and each signal's part in it, which add up to it.

        The parts have the columns of `features` that are signals; an unknown (NaN or absent) signal
        adds nothing to a weighted sum.
        """
        parts = _weighted(features, self.weights)
        if self.trees is not None and len(features):
            table = features.reindex(columns=LEARNED).astype(float)
            shap = np.asarray(self.trees.predict(table, pred_contrib=True))[:, :-1] * self.scale
            parts = parts.add(pd.DataFrame(shap, features.index, LEARNED), fill_value=0.0)
        parts = parts.reindex(columns=[name for name in features.columns if name in SIGNALS])
        parts = parts.fillna(0.0)
        return parts.to_numpy().sum(1), parts

    def save(self, folder: Path) -> None:
        """Write the ranker into `folder`, which exists; equal rankers are equal bytes."""
        content: dict[str, Any] = {"weights": self.weights, "scale": self.scale}
        text = json.dumps(content, indent=2, sort_keys=True)
        (folder / "ranker.json").write_text(text + "\n", encoding="utf-8")
        if self.trees is not None:
            self.trees.save_model(str(folder / "ranker.txt"))

    @classmethod
    def load(cls, folder: Path) -> Ranker:
        """The ranker that `save` wrote."""
        content = json.loads((folder / "ranker.json").read_text(encoding="utf-8"))
        model = folder / "ranker.txt"
        trees = lightgbm.Booster(model_file=str(model)) if model.exists() else None
        return cls(content["weights"], trees, content["scale"])


def _weighted(features: pd.DataFrame, weights: dict[str, float]) -> pd.DataFrame:
    """The weighted signals of `features`, 0 where unknown."""
    names = [name for name in weights if name in features.columns]
    return features[names].astype(float).fillna(0.0) * pd.Series(weights)[names]
