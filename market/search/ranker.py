"""One ranker for search results and recommendations, which explains each of its scores.

A listing's score is a weighted sum of its features, almost all between 0 and 1. The weights are log
odds: a feature at 1 instead of 0 multiplies a listing's odds of being chosen by e^weight. PRIOR
holds the weights without a log of interactions. A log moves the weights that it has evidence on
towards those that make the users' choices most likely, and none below 0. Boosted trees (LambdaRank)
then correct the sum if that helps users whom they were not fitted on. These trees read the features
of users and listings, but not of the query, because users who browse have none. With a log of
searches, further trees may correct searches in words. With and without trees, the contributions of
the features add up to the score.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from market.search.conditional_logit import fit_conditional_logit
from market.search.feature_names import (
    FEATURE_TEXTS,
    FEEDBACK,
    LISTING_FEATURES,
    NEW_USER,
    PRIOR,
    QUERY_FEATURES,
    SEARCH_FEATURE,
)
from market.search.metrics import ndcg_by_group

PRIOR_PENALTY = 1.0  # cost in log likelihood of a weight at a distance of 1 from its prior

FOLDS = 3
TREE_COUNTS = (20, 40, 80)
MIN_GROUPS = 60  # below which trees have too little to learn from
TREE_PARAMS = {
    "objective": "lambdarank",
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 50,
    "lambdarank_truncation_level": 30,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,  # with two, each waits for the other
    "verbosity": -1,
}

_WEIGHTS, _TREES, _SEARCH_TREES = "ranker.json", "trees.txt", "search_trees.txt"


@dataclass
class Ranker:
    """A weighted sum of features, corrected by trees.

    `prior` and `fit` make one.

    Attributes
    ----------
    weights
        By feature or detail.
    trees
        Correct every answer; None if they would not help.
    search_trees
        Correct searches in words only; None if they would not help.
    feedback
        Weights of MATCH_FEATURES that choose the listings for pseudo-relevance feedback. Feedback
        changes the features that the other weights are tuned on, so tuning leaves these alone.

    Examples
    --------
    >>> features = pd.DataFrame({"next_item": [1.0, 0.0], "popularity": [0.5, 1.0]})
    >>> scores, contributions = Ranker.prior().score(features)
    >>> scores.tolist()
    [2.3, 0.6]
    >>> contributions
       next_item  popularity
    0        2.0         0.3
    1        0.0         0.6
    """

    weights: dict[str, float]
    trees: lightgbm.Booster | None = None
    feedback: dict[str, float] = field(default_factory=FEEDBACK.copy)
    search_trees: lightgbm.Booster | None = None

    @classmethod
    def prior(cls) -> Ranker:
        """Return the ranker for when there is no log to learn from."""
        return cls(dict(PRIOR))

    @classmethod
    def fit(
        cls, features: pd.DataFrame, relevance: np.ndarray, groups: np.ndarray, *, seed: int
    ) -> Ranker:
        """Learn from the choices of users among candidates.

        Parameters
        ----------
        features
            (n, k), features and details as columns. NaN or a missing column is unknown. Query
            features are ignored.
        relevance
            (n,), 0 for a candidate that was not chosen, more for one that was.
        groups
            (n,), the choice that a row belongs to; the rows of a group are adjacent. A group
            without a chosen row is ignored.
        seed
            The seed of folds and trees.

        Returns
        -------
        Ranker
            Ranker.prior() if no group has a chosen row.

        References
        ----------
        Burges, "From RankNet to LambdaRank to LambdaMART: an overview", 2010.
        """
        names = [name for name in PRIOR if name in features and name not in QUERY_FEATURES]
        features = features[names].astype(float)
        relevance, codes = np.asarray(relevance, float), pd.factorize(groups)[0]
        has_choice = np.bincount(codes, relevance)[codes] > 0
        features, relevance = features[has_choice], relevance[has_choice]
        codes = pd.factorize(codes[has_choice])[0]
        if not len(features):
            return cls.prior()
        weights = fit_conditional_logit(
            features.fillna(0.0).to_numpy(),
            relevance,
            codes,
            np.array([PRIOR[name] for name in names]),
            penalty=PRIOR_PENALTY,
        )
        ranker = cls(PRIOR | dict(zip(names, weights.tolist(), strict=True)))
        # New users have too few features for trees to split by.
        new_user = features.filter(like=NEW_USER).notna().any(axis=1).to_numpy()
        features, relevance = features[~new_user], relevance[~new_user]
        codes = pd.factorize(codes[~new_user])[0]
        names = [name for name in names if features[name].nunique() > 1]
        if names and codes.max() + 1 >= MIN_GROUPS:
            count = ranker._best_tree_count(features[names], relevance, codes, seed)
            if count:
                ranker.trees = ranker._grow(features[names], relevance, codes, count, seed)
        return ranker

    def _grow(
        self,
        features: pd.DataFrame,
        relevance: np.ndarray,
        groups: np.ndarray,
        count: int,
        seed: int,
    ) -> lightgbm.Booster:
        """Return `count` trees that correct the weighted sum."""
        monotone = [int(name.split(".")[0] not in LISTING_FEATURES) for name in features]
        ends = np.flatnonzero(np.r_[groups[1:] != groups[:-1], True])
        data = lightgbm.Dataset(
            features,
            (relevance > 0).astype(int),
            group=np.diff(np.r_[-1, ends]),
            init_score=self._weighted(features).to_numpy().sum(1),
            params={"verbosity": -1},
        )
        params = TREE_PARAMS | {"seed": seed, "monotone_constraints": monotone}
        return lightgbm.train(params, data, num_boost_round=count)

    def _best_tree_count(
        self, features: pd.DataFrame, relevance: np.ndarray, groups: np.ndarray, seed: int
    ) -> int:
        """Return the best of TREE_COUNTS for held-out groups; 0 if none clearly helps."""
        fold = np.random.default_rng(seed).permutation(groups.max() + 1)[groups] % FOLDS
        base = self._weighted(features).to_numpy().sum(1)
        chosen = relevance > 0
        gains = np.zeros((len(TREE_COUNTS), groups.max() + 1))
        for number in range(FOLDS):
            rest, held_out = fold != number, fold == number
            trees = self._grow(
                features[rest], relevance[rest], groups[rest], max(TREE_COUNTS), seed
            )
            before = ndcg_by_group(base[held_out], chosen[held_out], groups[held_out])
            for row, count in enumerate(TREE_COUNTS):
                added = np.asarray(trees.predict(features[held_out], num_iteration=count))
                after = ndcg_by_group(base[held_out] + added, chosen[held_out], groups[held_out])
                gains[row, after.index] = after - before
        error = gains.std(axis=1) / np.sqrt(gains.shape[1])
        best = int(np.argmax(gains.mean(axis=1)))
        return TREE_COUNTS[best] if gains[best].mean() > 2 * error[best] else 0

    def _weighted(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return the features that have a weight, times it, 0 where unknown."""
        names = [name for name in features if name in self.weights]
        return features[names].astype(float).fillna(0.0) * pd.Series(self.weights)[names]

    def predict(self, features: pd.DataFrame, shortlist: int | None = None) -> np.ndarray:
        """Return the scores of `score` up to a constant, faster and without contributions.

        Parameters
        ----------
        features
            As for `score`.
        shortlist
            The trees correct only this many rows, the best by the weighted sum. All others come
            below them, in the order of the sum. By default the trees correct all rows.

        Returns
        -------
        np.ndarray
            (n,), higher is better.
        """
        names = [name for name in features if name in self.weights]
        values = np.nan_to_num(features[names].to_numpy(float))
        scores = values @ np.array([self.weights[name] for name in names])
        all_trees = self._trees_for(features)
        if not all_trees or not len(features):
            return scores
        if shortlist is None or shortlist >= len(features):
            for trees in all_trees:
                scores = scores + np.asarray(trees.predict(_tree_input(trees, features)))
            return scores
        best = np.argpartition(-scores, shortlist)
        best, rest = best[:shortlist], best[shortlist:]
        for trees in all_trees:
            scores[best] += trees.predict(_tree_input(trees, features.iloc[best]))
        scores[rest] -= max(0.0, scores[rest].max() - scores[best].min()) + 1
        return scores

    def with_weights(self, weights: dict[str, float]) -> Ranker:
        """Return this ranker with some weights replaced; the weights of feedback stay."""
        return replace(self, weights=self.weights | weights)

    def without_trees(self) -> Ranker:
        """Return the weighted sum alone."""
        return replace(self, trees=None, search_trees=None)

    def score(self, features: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
        """Return scores, and the contribution of each feature to them.

        Parameters
        ----------
        features
            (n, k), features and details as columns. Unknown ones (NaN, or a missing column) add
            nothing to the weighted sum.

        Returns
        -------
        scores : np.ndarray
            (n,), higher is better.
        contributions : pd.DataFrame
            (n, features), which add up to the scores. Details count with their feature. TreeSHAP
            gives the contributions of the trees, without its constant.

        References
        ----------
        Lundberg et al., "From local explanations to global understanding with explainable AI for
        trees", 2020.
        """
        contributions = self._weighted(features)
        for trees in self._trees_for(features) if len(features) else ():
            table = _tree_input(trees, features)
            shap = np.asarray(trees.predict(table, pred_contrib=True))[:, :-1]
            of_trees = pd.DataFrame(shap, features.index, table.columns)
            contributions = contributions.add(of_trees, fill_value=0.0)
        contributions = contributions.T.groupby(lambda name: name.split(".")[0]).sum().T
        names = dict.fromkeys(name.split(".")[0] for name in features)
        contributions = contributions.reindex(
            columns=[name for name in names if name in FEATURE_TEXTS], fill_value=0.0
        )
        return contributions.to_numpy().sum(1), contributions

    def _trees_for(self, features: pd.DataFrame) -> list[lightgbm.Booster]:
        """Return the trees that correct the scores of a table of features."""
        search_trees = self.search_trees if SEARCH_FEATURE in features else None
        return [trees for trees in (self.trees, search_trees) if trees is not None]

    def save(self, folder: Path) -> None:
        """Write the ranker into `folder`, which exists; equal rankers are equal bytes."""
        content = {"weights": self.weights, "feedback": self.feedback}
        text = json.dumps(content, indent=2, sort_keys=True)
        (folder / _WEIGHTS).write_text(text + "\n", encoding="utf-8")
        for name, trees in ((_TREES, self.trees), (_SEARCH_TREES, self.search_trees)):
            text = "" if trees is None else trees.model_to_string()
            (folder / name).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Ranker:
        """Return the ranker that `save` wrote."""
        content: dict[str, Any] = json.loads((folder / _WEIGHTS).read_text(encoding="utf-8"))
        trees, search_trees = (
            lightgbm.Booster(model_str=text) if text else None
            for text in (_read_trees(folder / name) for name in (_TREES, _SEARCH_TREES))
        )
        return cls(content["weights"], trees, content["feedback"], search_trees)


def _read_trees(path: Path) -> str:
    """Return the text of a file of trees; "" in a version that had none."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _tree_input(trees: lightgbm.Booster, features: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that some trees were grown on."""
    return features.reindex(columns=trees.feature_name()).astype(float)
