"""The ranker: it learns from a log, sums the query's features, and explains each score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from market.search import ranker as module
from market.search.feature_names import (
    FEATURE_TEXTS,
    FEEDBACK,
    MATCH_FEATURES,
    PRIOR,
    QUERY_FEATURES,
)
from market.search.ranker import Ranker

COLUMNS = [
    "co_occurrence",
    "co_occurrence.recent",
    "next_item",
    "proximity",
    "price_fairness",
    "bm25",
]
Drawn = tuple[pd.DataFrame, np.ndarray, np.ndarray]


def draw(groups: int, seed: int, *, curved: bool = False) -> Drawn:
    """Draw candidates; each group chooses the best by `next_item` and `proximity`, with noise.

    With `curved` it prefers a middling `price_fairness`, which no weighted sum can express.
    """
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), 20)
    table = pd.DataFrame(rng.random((len(group), len(COLUMNS))), columns=COLUMNS)
    utility = table["next_item"] + table["proximity"]
    if curved:
        utility = 0.3 * table["next_item"] - 2 * (table["price_fairness"] - 0.5).abs()
    utility += rng.normal(0, 0.1, len(group))
    chosen = utility.groupby(group).rank(ascending=False) == 1
    return table, chosen.to_numpy(int), group


@pytest.fixture(scope="module")
def summed() -> Ranker:
    """A ranker learned from few groups: weights without trees."""
    return Ranker.fit(*draw(50, 0), seed=0)


@pytest.fixture(scope="module")
def corrected() -> Ranker:
    """A ranker learned from data on which trees help."""
    return Ranker.fit(*draw(300, 0, curved=True), seed=0)


@pytest.fixture
def ranker(request: pytest.FixtureRequest) -> Ranker:
    if request.param == "prior":
        return Ranker.prior()
    fitted: Ranker = request.getfixturevalue(request.param)
    return fitted


every = pytest.mark.parametrize("ranker", ["prior", "summed", "corrected"], indirect=True)


def hit_rate(ranker: Ranker, drawn: Drawn) -> float:
    table, chosen, group = drawn
    scores = pd.Series(ranker.score(table.drop(columns="bm25"))[0])
    return float(chosen[scores.groupby(group).idxmax()].mean())


def test_weights_are_learned(summed: Ranker) -> None:
    drawn = draw(200, 1)
    assert summed.trees is None
    assert hit_rate(summed, drawn) > 0.6
    assert hit_rate(summed, drawn) > 1.3 * hit_rate(Ranker.prior(), drawn)
    assert summed.weights["next_item"] > 4 * summed.weights["co_occurrence"] >= 0


def test_trees_learn_what_a_weighted_sum_cannot_express(corrected: Ranker) -> None:
    drawn = draw(200, 1, curved=True)
    assert corrected.trees is not None
    alone = Ranker(corrected.weights)
    assert hit_rate(corrected, drawn) > 1.15 * hit_rate(alone, drawn)


def test_trees_that_do_not_help_are_left_out() -> None:
    table, chosen, group = draw(100, 2)
    rng = np.random.default_rng(0)
    shuffled = np.concatenate([rng.permutation(part) for part in chosen.reshape(-1, 20)])
    assert Ranker.fit(table, shuffled, group, seed=0).trees is None


def test_features_without_evidence_keep_their_prior_weight() -> None:
    table, chosen, group = draw(80, 3)
    table = table.assign(proximity=np.nan, bm25=0.5).drop(columns="price_fairness")
    fitted = Ranker.fit(table, chosen, group, seed=0)
    for name in set(PRIOR) - {"co_occurrence", "co_occurrence.recent", "next_item"}:
        assert fitted.weights[name] == pytest.approx(PRIOR[name]), name


@pytest.mark.parametrize("lacking", ["chosen rows", "groups"])
def test_a_ranker_without_choices_is_the_prior(lacking: str) -> None:
    table, relevance, group = draw(10, 4)
    if lacking == "chosen rows":
        relevance = np.zeros_like(relevance)
    else:
        table, relevance, group = table.iloc[:0], relevance[:0], group[:0]
    fitted = Ranker.fit(table, relevance, group, seed=0)
    assert fitted.weights == PRIOR and fitted.trees is None


def test_the_same_seed_gives_the_same_bytes(corrected: Ranker, tmp_path: Path) -> None:
    again = Ranker.fit(*draw(300, 0, curved=True), seed=0)
    for name, ranker in {"one": corrected, "two": again}.items():
        (tmp_path / name).mkdir()
        ranker.save(tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@every
def test_contributions_add_up_to_the_score(ranker: Ranker) -> None:
    table, _, _ = draw(5, 5)
    table.loc[::3, "proximity"] = np.nan
    scores, parts = ranker.score(table)
    assert parts.columns.tolist() == [
        "co_occurrence",
        "next_item",
        "proximity",
        "price_fairness",
        "bm25",
    ]
    assert parts.index.equals(table.index)
    np.testing.assert_allclose(parts.sum(axis=1), scores)
    off = scores - ranker.predict(table)
    np.testing.assert_allclose(off, off[0], atol=1e-9, err_msg="equal up to a constant")


@every
def test_more_of_a_user_or_query_feature_never_lowers_the_score(ranker: Ranker) -> None:
    table, _, _ = draw(20, 6)
    for name in ("co_occurrence", "next_item", "proximity", "bm25"):
        more = table.assign(**{name: table[name] + 0.3})
        assert (ranker.predict(more) >= ranker.predict(table) - 1e-9).all(), name


@every
def test_query_features_keep_their_weight_beside_learned_ones(ranker: Ranker) -> None:
    table, _, _ = draw(5, 7)
    more = table.assign(bm25=table["bm25"] + 1)
    gain = ranker.score(more)[0] - ranker.score(table)[0]
    np.testing.assert_allclose(gain, ranker.weights["bm25"])
    assert ranker.weights["bm25"] > 0


@every
def test_tables_with_few_features_or_no_rows_are_scored(ranker: Ranker) -> None:
    for table in (pd.DataFrame({"next_item": []}), pd.DataFrame({"colour": ["red"]})):
        scores, parts = ranker.score(table)
        assert len(scores) == len(parts) == len(table) and len(parts.columns) <= 1
        assert (scores == 0).all()


def test_unknown_features_add_nothing() -> None:
    scores, parts = Ranker.prior().score(pd.DataFrame({"next_item": [np.nan, 1.0]}))
    assert scores.tolist() == parts["next_item"].tolist() == [0, PRIOR["next_item"]]


def test_the_shortlist_comes_first_and_the_rest_in_the_order_of_the_sum(corrected: Ranker) -> None:
    table, _, _ = draw(5, 8)
    scores = corrected.predict(table, shortlist=30)
    by_sum = np.argsort(-Ranker(corrected.weights).predict(table))
    assert set(np.argsort(-scores)[:30]) == set(by_sum[:30])
    assert np.argsort(-scores)[30:].tolist() == by_sum[30:].tolist()
    full = corrected.predict(table)
    np.testing.assert_array_equal(scores[by_sum[:30]], full[by_sum[:30]])


def test_every_feature_has_a_text_and_a_prior_weight() -> None:
    assert {name.split(".")[0] for name in PRIOR} == set(FEATURE_TEXTS)
    assert {name.split(".")[0] for name in QUERY_FEATURES + module.LISTING_FEATURES} <= set(
        FEATURE_TEXTS
    )


@every
def test_a_ranker_loads_as_it_was_saved(ranker: Ranker, tmp_path: Path) -> None:
    table, _, _ = draw(5, 9)
    ranker.save(tmp_path)
    again = Ranker.load(tmp_path)
    np.testing.assert_array_equal(again.score(table)[0], ranker.score(table)[0])
    pd.testing.assert_frame_equal(again.score(table)[1], ranker.score(table)[1])


def test_feedback_keeps_its_own_weights_and_they_are_saved(tmp_path: Path) -> None:
    ranker = Ranker.prior().with_weights(dict.fromkeys(QUERY_FEATURES, 1.0))
    assert ranker.feedback == FEEDBACK
    ranker.feedback = {name: 2.0 for name in MATCH_FEATURES}
    ranker.save(tmp_path)
    again = Ranker.load(tmp_path)
    assert again.feedback == ranker.feedback and again.weights == ranker.weights


def test_new_users_have_learned_weights_of_their_own() -> None:
    """Users with a history choose by `next_item`, new users by `trending`."""
    table, _, group = draw(120, 10)
    new = group % 2 == 1
    rng = np.random.default_rng(0)
    trend = pd.Series(rng.random(len(table)))
    table = table["next_item"].where(~new).to_frame()
    table["trending.day.new_user"] = trend.where(new)
    utility = table["next_item"].fillna(table["trending.day.new_user"])
    chosen = (utility.groupby(group).rank(ascending=False) == 1).to_numpy(int)
    weights = Ranker.fit(table, chosen, group, seed=0).weights
    assert weights["trending.day.new_user"] > 2
    assert weights["next_item"] > PRIOR["next_item"]
    assert weights["trending.day"] == PRIOR["trending.day"]
