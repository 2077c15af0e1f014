"""The rankers that the benchmark on a log of searches compares."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import lightgbm
import numpy as np
import pandas as pd
from search_log_counts import ITEM_QUERY, ShownRows, count_features, text_features
from search_log_data import SearchLog

from market.search.click_fitting import ClickFit, LearnedRanker, fit_clicks, learn_from_clicks
from market.search.engine import Engine
from market.search.impressions import Impressions
from market.search.lexical import LexicalIndex

OURS = "ours, as the gate serves it"
# Beginnings of the features that only a log of interactions gives.
FROM_LOG = ("co_occurrence", "next_item", "popularity", "trending", "user_")
# The defaults of `lambdamart` in metarank's documentation, as LightGBM calls them.
LAMBDAMART = {
    "objective": "lambdarank",
    "learning_rate": 0.1,
    "max_depth": 8,
    "num_leaves": 16,
    "lambdarank_truncation_level": 10,
    "feature_fraction": 0.8,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
ITERATIONS = 100


@dataclass(frozen=True, eq=False)
class Part:
    """One part of the log: its impressions, and the rows of the log that they are."""

    impressions: Impressions
    rows: ShownRows


@dataclass(eq=False)
class Comparison:
    """Fits all models on one part of a log, and scores the listings that the other part showed.

    Attributes
    ----------
    engine
        With prior weights.
    log
        The part of the log that models are fitted on.
    fitting, judged
        Its impressions, and those of the judged searches.
    seed
        Of the models.
    scores
        By model, (n,) of the n judged rows; `run` fills it, ours last.
    seconds
        By model, the time to fit and score it; features that models share are not counted.
    """

    engine: Engine
    log: SearchLog
    fitting: Part
    judged: Part
    seed: int
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> tuple[ClickFit, LearnedRanker]:
        """Fit and score all models; return our position-aware fit, and what the gate decided."""
        fitting, judged = self.fitting.impressions, self.judged.impressions
        prior = self.engine.ranker
        texts = self._text_features()
        counts = [count_features(self.log, self.fitting.rows, part.rows) for part in self._parts]
        without_log = [name for name in judged.features if not name.startswith(FROM_LOG)]

        self._time("shown order", lambda: -judged.place.astype(float))
        self._time("BM25", texts[1]["bm25"].to_numpy)
        self._time("text embedding", texts[1]["bi_encoder"].to_numpy)
        self._time("prior, no log", lambda: prior.predict(judged.features[without_log]))
        self._time("prior, popularity known", lambda: prior.predict(judged.features))
        metarank = [pd.concat(tables, axis=1) for tables in zip(texts, counts, strict=True)]
        plain = [table.drop(columns=ITEM_QUERY) for table in metarank]
        ours = [fitting.features, judged.features]
        self._time("LambdaMART, metarank's features", lambda: self._lambdamart(*plain))
        self._time("LambdaMART, with item-query rate", lambda: self._lambdamart(*metarank))
        self._time("LambdaMART, our features", lambda: self._lambdamart(*ours))

        fits: dict[str, ClickFit | LearnedRanker] = {}

        def ours_by(name: str, fit: Callable[[], ClickFit | LearnedRanker]) -> None:
            def score() -> np.ndarray:
                fits[name] = fit()
                return fits[name].ranker.predict(judged.features)

            self._time(name, score)

        ours_by(
            "ours, without places",
            lambda: fit_clicks(fitting, prior, seed=self.seed, position_aware=False),
        )
        ours_by("ours, with places", lambda: fit_clicks(fitting, prior, seed=self.seed))
        ours_by(OURS, lambda: learn_from_clicks(fitting, prior, seed=self.seed))
        aware, served = fits["ours, with places"], fits[OURS]
        assert isinstance(aware, ClickFit) and isinstance(served, LearnedRanker)
        return aware, served

    @property
    def _parts(self) -> tuple[Part, Part]:
        return self.fitting, self.judged

    def _time(self, name: str, score: Callable[[], np.ndarray]) -> None:
        started = time.perf_counter()
        self.scores[name] = score()
        self.seconds[name] = time.perf_counter() - started

    def _text_features(self) -> list[pd.DataFrame]:
        names = self.engine.listings["name"].tolist()
        code = self.engine.lexical.language.code
        index = LexicalIndex.build(names, [""] * len(names), [], code)
        return [text_features(self.engine, part.rows, index) for part in self._parts]

    def _lambdamart(self, fitting: pd.DataFrame, judged: pd.DataFrame) -> np.ndarray:
        """Return the scores (n,) of trees on some features; searches without a click say nothing.

        LightGBM knows features by their order, which may differ between the parts of the log.
        Metarank does not correct for places unless it is told to.
        """
        impressions = self.fitting.impressions
        kept = impressions.clicked[impressions.search]
        sizes = np.bincount(impressions.search[kept])
        data = lightgbm.Dataset(
            fitting[kept].astype(np.float32),
            (impressions.gain[kept] > 0).astype(int),
            group=sizes[sizes > 0],
            params={"verbosity": -1},
        )
        booster = lightgbm.train(LAMBDAMART | {"seed": self.seed}, data, ITERATIONS)
        same_order = judged.reindex(columns=fitting.columns)
        return np.asarray(booster.predict(same_order.astype(np.float32)))
