"""The ranker: it learns from a log, sums the query's signals, and explains each score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shared.ranker import PRIOR, SIGNALS, Ranker


def draw(groups: int, seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Candidates of whom each group takes the one with the most of `next` and `near`."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), 20)
    table = pd.DataFrame(rng.random((len(group), 4)), columns=["together", "next", "near", "words"])
    taken = (table["next"] + table["near"]).groupby(group).rank(ascending=False) == 1
    return table, taken.to_numpy(int), group


@pytest.fixture(scope="module")
def learned() -> Ranker:
    return Ranker.fit(*draw(150, 0), seed=0)


def hit_rate(ranker: Ranker) -> float:
    table, taken, group = draw(100, 1)
    scores = pd.Series(ranker.score(table.drop(columns="words"))[0])
    return float(taken[scores.groupby(group).idxmax()].mean())


def test_it_learns_what_people_take(learned: Ranker) -> None:
    assert hit_rate(learned) > 0.5
    assert hit_rate(learned) > 2 * hit_rate(Ranker.prior())


@pytest.mark.parametrize("kind", ["prior", "learned"])
def test_contributions_add_up_to_the_score(kind: str, learned: Ranker) -> None:
    ranker = learned if kind == "learned" else Ranker.prior()
    table, _, _ = draw(5, 2)
    table.loc[::3, "near"] = np.nan
    scores, parts = ranker.score(table)
    assert parts.columns.tolist() == table.columns.tolist()
    assert parts.index.equals(table.index)
    np.testing.assert_allclose(parts.sum(axis=1), scores)


def test_the_querys_signals_count_also_where_the_rest_is_learned(learned: Ranker) -> None:
    table, _, _ = draw(5, 3)
    more = table.assign(words=table["words"] + 1)
    np.testing.assert_allclose(
        learned.score(more)[0] - learned.score(table)[0], learned.weights["words"]
    )


def test_the_prior_knows_every_signal_and_unknown_ones_add_nothing() -> None:
    assert {name.split(".")[0] for name in PRIOR} == set(SIGNALS)
    scores, _ = Ranker.prior().score(pd.DataFrame({"next": [np.nan, 1.0]}))
    assert scores.tolist() == [0, PRIOR["next"]]
    assert len(Ranker.prior().score(pd.DataFrame({"next": []}))[0]) == 0


def test_what_was_saved_again_is_the_same(learned: Ranker, tmp_path: Path) -> None:
    table, _, _ = draw(5, 4)
    for ranker in (Ranker.prior(), learned):
        ranker.save(tmp_path)
        np.testing.assert_array_equal(Ranker.load(tmp_path).score(table)[0], ranker.score(table)[0])
