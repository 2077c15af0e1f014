"""Boosted trees that correct the ranker's sum for searches in words, grown on clicks.

LightGBM learns the bias of each place beside the trees, and they leave it out when they rank.
"""

from __future__ import annotations

from dataclasses import replace

import lightgbm
import numpy as np

from market.search.click_logit import place_groups
from market.search.click_metrics import mean_and_error, reranking_gains, surplus_clicks
from market.search.collaborative import EVENT_WEIGHTS
from market.search.feature_names import LISTING_FEATURES
from market.search.impressions import Impressions
from market.search.query_folds import folds_of
from market.search.ranker import TREE_PARAMS, Ranker

MIN_SEARCHES = 1000  # with a click; trees need more of them than weights
FOLDS = 3
TREE_COUNTS = (20, 40, 80)
ERRORS = 1.0  # standard errors that the gain must exceed; the whole ranker is tested once more
MAX_GAIN = int(max(EVENT_WEIGHTS.values()))


def with_search_trees(
    clicked: Impressions,
    ranker: Ranker,
    *,
    seed: int,
    position_aware: bool = True,
) -> Ranker:
    """Return the ranker with trees, if they help on queries that they were not grown on.

    Parameters
    ----------
    clicked
        Searches with a click.
    ranker
        The sum to correct.
    seed
        Of the folds and the trees.
    position_aware
        Whether the trees account for places.
    """
    if len(clicked) < MIN_SEARCHES:
        return ranker
    count = _best_count(clicked, ranker, seed, position_aware)
    if not count:
        return ranker
    return replace(ranker, search_trees=_grow(clicked, ranker, count, seed, position_aware))


def _grow(
    clicked: Impressions, ranker: Ranker, count: int, seed: int, position_aware: bool
) -> lightgbm.Booster:
    """Return `count` trees that correct the scores of a ranker."""
    features = clicked.features[
        [
            name
            for name in clicked.features
            if name in ranker.weights and clicked.features[name].nunique() > 1
        ]
    ]
    monotone = [int(name.split(".")[0] not in LISTING_FEATURES) for name in features]
    data = lightgbm.Dataset(
        features.astype(float),
        np.minimum(np.ceil(clicked.gain), MAX_GAIN).astype(int),
        weight=clicked.weight,
        group=np.bincount(clicked.search),
        position=place_groups(clicked.place) if position_aware else None,
        init_score=ranker.predict(clicked.features),
        params={"verbosity": -1},
    )
    params = TREE_PARAMS | {
        "seed": seed,
        "monotone_constraints": monotone,
        "label_gain": list(range(MAX_GAIN + 1)),
    }
    return lightgbm.train(params, data, num_boost_round=count)


def _best_count(clicked: Impressions, ranker: Ranker, seed: int, position_aware: bool) -> int:
    """Return the best of TREE_COUNTS on held-out queries; 0 if none helps."""
    same_place = np.zeros_like(clicked.place)
    surplus = surplus_clicks(clicked if position_aware else replace(clicked, place=same_place))
    fold_of = folds_of(clicked.query, FOLDS, seed)
    gains: list[list[np.ndarray]] = [[] for _ in TREE_COUNTS]
    for fold in range(FOLDS):
        held_out = clicked.select(fold_of == fold)
        trees = _grow(
            clicked.select(fold_of != fold), ranker, max(TREE_COUNTS), seed, position_aware
        )
        before = ranker.predict(held_out.features)
        held_out_surplus = surplus[(fold_of == fold)[clicked.search]]
        table = held_out.features.reindex(columns=trees.feature_name()).astype(float)
        for count_gains, count in zip(gains, TREE_COUNTS, strict=True):
            after = before + np.asarray(trees.predict(table, num_iteration=count))
            count_gains.append(reranking_gains(held_out, after, before, held_out_surplus))
    by_count = [mean_and_error(np.concatenate(count_gains)) for count_gains in gains]
    best = int(np.argmax([gain for gain, _ in by_count]))
    gain, error = by_count[best]
    return TREE_COUNTS[best] if gain > ERRORS * error else 0
