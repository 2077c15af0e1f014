"""One ranker for search results and recommendations, whose every answer explains itself.

A product has signals, most of them 0 … 1, and its score is their weighted sum. The weights are
log odds: a signal at 1 instead of 0 multiplies a product's odds of being chosen by e^weight. PRIOR
holds them for when there is no log of interactions. A log moves those that it knows something
about, by the likelihood of what people chose (conditional logit), none below 0. Boosted trees
(LambdaRank) then correct the sum, if that helps people they were not fitted on; they read the
signals of person and product, not the query's, as no log holds queries. Either way each signal's
contributions add up to the score.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from scipy.optimize import minimize

# A signal's name and what a person is told: "why this". A column "name.detail" is one more measure
# of the signal `name`, told in its words.
SIGNALS = {
    "bm25": "has your words",
    "text_similarity": "means what you wrote",
    "image_similarity": "looks like your photo",
    "co_occurrence": "goes with what you looked at",
    "next_item": "often comes next",
    "user_category": "a category you like",
    "user_price": "your price range",
    "user_text_similarity": "reads like what you looked at",
    "user_image_similarity": "looks like what you looked at",
    "proximity": "near you",
    "popularity": "popular",
    "trending": "popular these days",
    "recency": "newly listed",
    "price_fairness": "a fair price",
}
# What a signal means where that is not what SIGNALS says: asked in words, or by a listing.
OF_WORDS = {"image_similarity": "looks right"}  # like the best matches: there is no photo
OF_LISTING = {"text_similarity": "reads like this one", "image_similarity": "looks like this one"}
QUERY = ("bm25", "text_similarity", "text_similarity.neighbours", "image_similarity")
ITEM = (
    "popularity",
    "trending",
    "recency",
    "price_fairness",
)  # of a product for everybody: the trees may turn
# them as they like; more of any other signal never lowers a score

PRIOR = {
    # The query outweighs the user: it is a half of all that follows a history.
    "bm25": 6.0,
    "text_similarity": 4.0,
    "text_similarity.neighbours": 2.0,  # both of these, averaged over the most similar listings
    "image_similarity": 6.0,
    # These four are what the log of MovieLens 100k gave them, rounded.
    "co_occurrence": 1.5,
    "co_occurrence.recent": 2.0,
    "co_occurrence.factors": 1.5,
    "next_item": 2.0,
    # A listing's own features say less than other users' choices. They serve where there are none:
    # for new listings and in new marketplaces.
    "user_category": 1.2,
    "user_text_similarity": 1.2,
    "user_image_similarity": 0.9,
    "user_price": 0.6,
    "proximity": 0.6,
    # A new user's answer. With a history they break ties only.
    "popularity": 0.6,
    "trending": 0.6,
    "trending.hours": 0.0,  # these three count only where a log shows that they help
    "trending.day": 0.0,
    "trending.month": 0.0,
    "popularity.new_user": 0.6,  # the same features of a user without a history
    "trending.new_user": 0.6,
    "trending.hours.new_user": 0.0,
    "trending.day.new_user": 0.0,
    "trending.month.new_user": 0.0,
    "recency": 0.3,
    "price_fairness": 0.3,
}
CERTAINTY = 1.0  # of PRIOR: the log likelihood that a weight costs at a distance of 1 from it

NEW_USER = ".new_user"  # the end of a signal's name for users without a history

FOLDS = 3
TREES = (20, 40, 80)  # numbers of trees that are tried
LEAST = 60  # groups, without which trees have nothing to learn from
TREE_PARAMS = {
    "objective": "lambdarank",
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 50,
    "lambdarank_truncation_level": 30,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,  # of two, each waits for the other
    "verbosity": -1,
}


@dataclass
class Ranker:
    """Made by `prior` or `fit`."""

    weights: dict[str, float]  # by signal or detail
    trees: lightgbm.Booster | None = None
    # Of QUERY, for choosing the listings that pseudo-relevance feedback learns from. Weights of the
    # query's own are chosen on features made with these, so they must not move with them.
    feedback: dict[str, float] = field(
        default_factory=lambda: {name: PRIOR[name] for name in QUERY}
    )

    @classmethod
    def prior(cls) -> Ranker:
        """The ranker for when there is no log to learn from."""
        return cls(dict(PRIOR))

    @classmethod
    def fit(
        cls, features: pd.DataFrame, relevance: np.ndarray, groups: np.ndarray, *, seed: int
    ) -> Ranker:
        """Learn from candidates: a group's rows, side by side, are one person's at one time.

        `features` has signals and details for columns; NaN, or a column that is not there, is
        unknown, and a query's are not looked at. `relevance` (n,) is 0 for what the person passed
        over and more for what they took, `groups` (n,) names a row's group. A group where nothing
        was taken teaches nothing.
        """
        names = [name for name in PRIOR if name in features and name not in QUERY]
        features = features[names].astype(float)
        relevance, codes = np.asarray(relevance, float), pd.factorize(groups)[0]
        telling = np.bincount(codes, relevance)[codes] > 0
        features, relevance = features[telling], relevance[telling]
        codes = pd.factorize(codes[telling])[0]
        if not len(features):
            return cls.prior()
        ranker = cls(PRIOR | _fit_weights(features, relevance, codes))
        # Trees only for users with a history: of the others there is too little to split by.
        new_user = features.filter(like=NEW_USER).notna().any(axis=1).to_numpy()
        features, relevance = features[~new_user], relevance[~new_user]
        codes = pd.factorize(codes[~new_user])[0]
        names = [name for name in names if features[name].nunique() > 1]
        if names and codes.max() + 1 >= LEAST:
            rounds = ranker._best_rounds(features[names], relevance, codes, seed)
            if rounds:
                ranker.trees = ranker._grow(features[names], relevance, codes, rounds, seed)
        return ranker

    def _grow(
        self, table: pd.DataFrame, relevance: np.ndarray, groups: np.ndarray, rounds: int, seed: int
    ) -> lightgbm.Booster:
        """Trees that correct the weighted sum of `table`."""
        monotone = [int(name.split(".")[0] not in ITEM) for name in table]
        ends = np.flatnonzero(np.r_[groups[1:] != groups[:-1], True])
        data = lightgbm.Dataset(
            table,
            (relevance > 0).astype(int),
            group=np.diff(np.r_[-1, ends]),
            init_score=self._sum(table).to_numpy().sum(1),
            params={"verbosity": -1},
        )
        params = TREE_PARAMS | {"seed": seed, "monotone_constraints": monotone}
        return lightgbm.train(params, data, num_boost_round=rounds)

    def _best_rounds(
        self, table: pd.DataFrame, relevance: np.ndarray, groups: np.ndarray, seed: int
    ) -> int:
        """How many trees are best for groups that they were not grown on; 0 if none clearly are."""
        fold = np.random.default_rng(seed).permutation(groups.max() + 1)[groups] % FOLDS
        base = self._sum(table).to_numpy().sum(1)
        gains = np.zeros((len(TREES), groups.max() + 1))
        for left_out in range(FOLDS):
            rest, held = fold != left_out, fold == left_out
            trees = self._grow(table[rest], relevance[rest], groups[rest], max(TREES), seed)
            before = _ndcg(base[held], relevance[held], groups[held])
            for row, rounds in enumerate(TREES):
                added = np.asarray(trees.predict(table[held], num_iteration=rounds))
                after = _ndcg(base[held] + added, relevance[held], groups[held])
                gains[row, after.index] = after - before
        error = gains.std(axis=1) / np.sqrt(gains.shape[1])
        best = int(np.argmax(gains.mean(axis=1)))
        return TREES[best] if gains[best].mean() > 2 * error[best] else 0

    def _sum(self, features: pd.DataFrame) -> pd.DataFrame:
        """The weighted columns of `features`, 0 where unknown."""
        names = [name for name in features if name in self.weights]
        return features[names].astype(float).fillna(0.0) * pd.Series(self.weights)[names]

    def predict(self, features: pd.DataFrame, shortlist: int | None = None) -> np.ndarray:
        """The scores (n,) of `score` but for a constant, sooner, as nothing is explained.

        With `shortlist` the trees correct only that many, the best by the weighted sum, and all
        others come below them in the order of the sum.
        """
        names = [name for name in features if name in self.weights]
        known = np.nan_to_num(features[names].to_numpy(float))
        scores = known @ np.array([self.weights[name] for name in names])
        if self.trees is None or not len(features):
            return scores
        if shortlist is None or shortlist >= len(features):
            return scores + np.asarray(self.trees.predict(self._read_by_trees(features)))
        best = np.argpartition(-scores, shortlist)
        best, rest = best[:shortlist], best[shortlist:]
        scores[best] += self.trees.predict(self._read_by_trees(features.iloc[best]))
        scores[rest] -= max(0.0, scores[rest].max() - scores[best].min()) + 1
        return scores

    def with_weights(self, weights: dict[str, float]) -> Ranker:
        """The same ranker with other weights for some of the summed signals; those of feedback
        stay as they are."""
        return replace(self, weights=self.weights | weights)

    def score(self, features: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
        """Return scores (n,), higher first, and each signal's part in it, which add up to it.

        `features` has signals and details for columns; what is unknown (NaN, or not there) adds
        nothing to the weighted sum. The parts have a column for each signal among them, details
        included in theirs. That of the trees is TreeSHAP's, without its constant.
        """
        parts = self._sum(features)
        if self.trees is not None and len(features):
            table = self._read_by_trees(features)
            shap = np.asarray(self.trees.predict(table, pred_contrib=True))[:, :-1]
            parts = parts.add(pd.DataFrame(shap, features.index, table.columns), fill_value=0.0)
        parts = parts.T.groupby(lambda name: name.split(".")[0]).sum().T
        names = dict.fromkeys(name.split(".")[0] for name in features)
        parts = parts.reindex(columns=[name for name in names if name in SIGNALS], fill_value=0.0)
        return parts.to_numpy().sum(1), parts

    def _read_by_trees(self, features: pd.DataFrame) -> pd.DataFrame:
        assert self.trees is not None
        return features.reindex(columns=self.trees.feature_name()).astype(float)

    def save(self, folder: Path) -> None:
        """Write the ranker into `folder`, which exists; equal rankers are equal bytes."""
        content = {"weights": self.weights, "feedback": self.feedback}
        text = json.dumps(content, indent=2, sort_keys=True)
        (folder / "ranker.json").write_text(text + "\n", encoding="utf-8")
        trees = "" if self.trees is None else self.trees.model_to_string()
        (folder / "trees.txt").write_text(trees, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Ranker:
        """The ranker that `save` wrote."""
        content: dict[str, Any] = json.loads((folder / "ranker.json").read_text(encoding="utf-8"))
        trees = (folder / "trees.txt").read_text(encoding="utf-8")
        booster = lightgbm.Booster(model_str=trees) if trees else None
        return cls(content["weights"], booster, content["feedback"])


def _fit_weights(
    features: pd.DataFrame, relevance: np.ndarray, groups: np.ndarray
) -> dict[str, float]:
    """The weights that make what was chosen likely among its group, near PRIOR, none below 0.

    A signal that never differs within a group keeps its prior weight.
    """
    table = features.fillna(0.0).to_numpy()
    prior = np.array([PRIOR[name] for name in features])
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    row = np.cumsum(np.r_[True, groups[1:] != groups[:-1]]) - 1
    chosen = np.bincount(row, relevance)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = table @ weights
        scores -= np.maximum.reduceat(scores, starts)[row]
        powers = np.exp(scores)
        total = np.add.reduceat(powers, starts)[row]
        off = weights - prior
        slope = table.T @ (chosen[row] * powers / total - relevance) + 2 * CERTAINTY * off
        return float(CERTAINTY * off @ off - relevance @ (scores - np.log(total))), slope

    bounds = [(0.0, None)] * len(prior)
    found = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds).x
    return dict(zip(features, found.tolist(), strict=True))


def _ndcg(scores: np.ndarray, relevance: np.ndarray, groups: np.ndarray) -> pd.Series:
    """NDCG@10 by group, for relevances of 0 or not."""
    table = pd.DataFrame({"score": -scores, "taken": relevance > 0, "group": groups})
    place = table.groupby("group")["score"].rank(method="average")
    table["gain"] = np.where(table["taken"] & (place <= 10), 1 / np.log2(place + 1), 0.0)
    by_group = table.groupby("group")[["gain", "taken"]].sum()
    ideal = np.cumsum(1 / np.log2(np.arange(2, 12)))
    return by_group["gain"] / ideal[by_group["taken"].clip(upper=10) - 1]
