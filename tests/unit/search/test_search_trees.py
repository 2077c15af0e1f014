"""Trees of searches: they account for places, and correct searches in words only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click_models import FEATURES, draw, served_ranker

from market.search import search_trees as module
from market.search.impressions import Impressions
from market.search.ranker import Ranker
from market.search.search_trees import with_search_trees


@pytest.fixture(scope="module")
def clicked() -> Impressions:
    """Searches whose users prefer a middling `recency`, which no weighted sum can express."""
    drawn = draw(500, seed=1)
    rng = np.random.default_rng(0)
    middling = (drawn.features["recency"] - 0.5).abs() < 0.2
    click = rng.random(len(middling)) < np.where(middling, 0.9, 0.1) / (drawn.place + 1)
    impressions = Impressions(
        drawn.features, drawn.search, drawn.place, click * 1.0, drawn.query, drawn.weight,
        listing=drawn.listing,
    )  # fmt: skip
    return impressions.select(impressions.clicked)


@pytest.fixture(scope="module")
def corrected(clicked: Impressions) -> Ranker:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MIN_SEARCHES", 100)
        return with_search_trees(clicked, served_ranker(), seed=0)


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return listings of middling and of high `recency`, otherwise equal."""
    middling = pd.DataFrame(0.5, index=range(20), columns=FEATURES)
    return middling, middling.assign(recency=0.95)


def test_trees_learn_what_a_weighted_sum_cannot_express(corrected: Ranker) -> None:
    assert corrected.search_trees is not None and corrected.trees is None
    middling, high = tables()
    assert corrected.predict(middling).mean() > corrected.predict(high).mean()
    assert served_ranker().predict(middling).mean() < served_ranker().predict(high).mean()


def test_trees_correct_searches_in_words_only(corrected: Ranker) -> None:
    for table in tables():
        browsed = table.drop(columns="bm25")
        np.testing.assert_array_equal(
            corrected.predict(browsed), corrected.without_trees().predict(browsed)
        )


def test_contributions_of_trees_add_up(corrected: Ranker, clicked: Impressions) -> None:
    table = clicked.features.iloc[:50]
    scores, parts = corrected.score(table)
    np.testing.assert_allclose(parts.sum(axis=1), scores)
    off = scores - corrected.predict(table)
    np.testing.assert_allclose(off, off[0], atol=1e-9, err_msg="equal up to a constant")


def test_more_of_a_query_feature_never_lowers_the_score(
    corrected: Ranker, clicked: Impressions
) -> None:
    table = clicked.features.iloc[:100]
    for name in ("bm25", "text_similarity"):
        more = table.assign(**{name: table[name] + 0.3})
        assert (corrected.predict(more) >= corrected.predict(table) - 1e-9).all(), name


def test_few_searches_and_useless_trees_leave_the_sum(
    clicked: Impressions, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior = served_ranker()
    assert with_search_trees(clicked, prior, seed=0) is prior
    monkeypatch.setattr(module, "MIN_SEARCHES", 50)
    placebo = draw(150, seed=2, placebo=True)
    placebo = placebo.select(placebo.clicked)
    assert with_search_trees(placebo, prior, seed=0) is prior


def test_trees_of_searches_are_saved(
    corrected: Ranker, clicked: Impressions, tmp_path: Path
) -> None:
    corrected.save(tmp_path)
    again = Ranker.load(tmp_path)
    np.testing.assert_array_equal(
        again.predict(clicked.features), corrected.predict(clicked.features)
    )
    (tmp_path / "search_trees.txt").unlink()  # as a version without them wrote it
    assert Ranker.load(tmp_path).search_trees is None
