"""What the ranker learns from a log of searches: for service, and for each evaluation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from market.data.holdouts import cutoff_time
from market.data.searches import clicks_of
from market.search.cases import sample_rows
from market.search.click_fitting import LearnedRanker, learn_from_clicks
from market.search.engine import Engine
from market.search.impressions import Impressions, query_keys
from market.search.ranker import Ranker
from market.search.ranking_models import FittedProtocol, SearchesProtocol, SearchTest

REPORTED_PLACES = 20  # of the examination in metrics/rank.json


@dataclass(frozen=True, eq=False)
class SearchLearning:
    """What was learned from a log of searches.

    Attributes
    ----------
    ranker
        The ranker to serve.
    tests
        Queries with known answers; each test has a ranker that learned from no search for them.
    learned
        Details of the ranker to serve; None if no search has a click.
    later
        The ranker of the searches before a cut-off; None if there is no cut-off.
    """

    ranker: Ranker
    tests: list[SearchTest]
    learned: LearnedRanker | None = None
    later: SearchesProtocol | None = None

    def summary(self, *, seed: int) -> dict[str, Any]:
        """Return what metrics/rank.json says under `searches`."""
        if self.learned is None:
            return {"learned": False, "n": 0, "seed": seed}
        error = self.learned.standard_error
        return {
            "learned": self.learned.accepted,
            "n": self.learned.n_searches,
            "gain": self.learned.gain,
            "standard_error": error if np.isfinite(error) else None,
            "examination": self.learned.examination[:REPORTED_PLACES].tolist(),
            "seed": seed,
        }

    def outcome(self) -> str:
        """Return the end of a sentence about what the ranker learned from."""
        if self.learned is None:
            return ""
        count = f"{self.learned.n_searches:,} searches"
        if self.learned.accepted:
            return f", and from {count}"
        return f"; {count} did not clearly help on held-out queries, and move nothing"


def learn_from_searches(
    engine: Engine,
    searches: pd.DataFrame,
    log: pd.DataFrame,
    tests: list[SearchTest],
    *,
    weights: dict[str, float],
    protocol: FittedProtocol | None,
    test_share: float,
    max_searches: int,
    seed: int,
) -> SearchLearning:
    """Learn all weights from the clicks of searches, if there are any.

    Parameters
    ----------
    engine
        Its ranker has learned from users who did not search, if from any.
    searches
        As `read_searches` returns them.
    log
        The clean log of interactions with the engine's listings, by time.
    tests
        Queries with known answers, and the weights that were chosen without them.
    weights
        Of the query features, as they were chosen without searches: the prior.
    protocol
        What the engine's ranker learned from, and the time from which searches are held out.
    test_share
        Without a time in `protocol`, this share of the searches is held out, the latest ones.
    max_searches
        Of more searches, this many are drawn with `seed`, those with a click first.
    """
    prior = engine.ranker.with_weights(weights)
    clicks = clicks_of(searches, log)
    chosen = clicked_first(searches, clicks, max_searches, seed)
    impressions = Impressions.collect(
        engine, chosen, clicks, log, max_searches=max_searches, seed=seed
    )
    if not impressions.clicked.any():
        return SearchLearning(prior, tests)
    evidence = None if protocol is None else protocol.evidence

    def learn(part: Impressions, ranker: Ranker) -> LearnedRanker:
        return learn_from_clicks(part, ranker, seed=seed, evidence=evidence)

    read = chosen.set_index("search_id").loc[impressions.search_ids]
    learned = learn(impressions, prior)
    cutoff = None if protocol is None else protocol.cutoff
    cutoff = cutoff or cutoff_time(searches["timestamp"], test_share)
    later = None
    if cutoff is not None:
        earlier = learn(impressions.select((read["timestamp"] < cutoff).to_numpy()), prior)
        later = SearchesProtocol(cutoff, prior, earlier.ranker, earlier.examination)
    if learned.accepted:
        tested = {key for test in tests for key in query_keys(engine, list(test.queries))}
        others = ~np.isin(query_keys(engine, read["query"]), list(tested))
        untested = impressions.select(others)
        learned_for = {
            weights: learn(untested, engine.ranker.with_weights(dict(weights)))
            for weights in dict.fromkeys(tuple(test.weights.items()) for test in tests)
        }
        tests = [
            replace(test, learned=learned_for[tuple(test.weights.items())].ranker) for test in tests
        ]
    return SearchLearning(learned.ranker, tests, learned, later)


def clicked_first(
    searches: pd.DataFrame, clicks: pd.DataFrame, count: int, seed: int
) -> pd.DataFrame:
    """Return the searches with a click, and as many others as make `count`.

    The others tell how often users looked at a listing in vain.
    """
    is_clicked = searches["search_id"].isin(clicks["search_id"]).to_numpy()
    room = max(count - int(is_clicked.sum()), 0)
    others = sample_rows(np.flatnonzero(~is_clicked), room, seed)
    return searches.iloc[np.union1d(np.flatnonzero(is_clicked), others)]
