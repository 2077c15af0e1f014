"""Features of users and listings: new users have none of their own; no later event counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from handmade import NO_EVENTS, Handmade, past

from market.search.candidate_features import FRESHNESS_HALF_LIFE_DAYS
from market.search.collaborative import CollaborativeModel
from market.search.collaborative_scores import COLLABORATIVE_FEATURES, SHARED_FEATURES
from market.search.query import Query


@pytest.mark.parametrize("history", [None, NO_EVENTS, past(99)], ids=["none", "empty", "unknown"])
def test_a_new_user_has_only_the_shared_collaborative_features(
    handmade: Handmade, history: pd.DataFrame | None
) -> None:
    """The others are missing, not 0: to the trees 0 would mean "unlike the whole history"."""
    log = pd.concat([past(*range(start, start + 4)).assign(user_id=start) for start in range(40)])
    engine = handmade.engine(collaborative=CollaborativeModel.fit(log))
    everything = np.ones(len(engine.listings), bool)
    new = [f"{name}.new_user" for name in SHARED_FEATURES]
    _, features = engine.candidates(Query(), everything, history)
    assert not set(COLLABORATIVE_FEATURES) & set(features), (
        "shared features have weights of their own"
    )
    assert features[new].notna().any().all()
    _, of_user = engine.candidates(Query(), everything, past(3))
    assert of_user[COLLABORATIVE_FEATURES].notna().any().all() and not set(new) & set(of_user)
    _, in_search = engine.candidates(engine.build_query("guitar"), everything, history)
    assert set(SHARED_FEATURES) <= set(in_search), "a search weighs them as for all users"


@pytest.mark.parametrize("days", [0, 2, 30])
def test_features_as_of_a_time_ignore_later_events_and_listings(
    handmade: Handmade, days: int
) -> None:
    newest = handmade.listings["created"].max()
    as_of = newest - pd.Timedelta(days=days)
    log = pd.concat(
        [past(start).assign(user_id=start, timestamp=as_of + pd.Timedelta(days=start - 5))
         for start in range(10)]
    )  # fmt: skip
    engine = handmade.engine(collaborative=CollaborativeModel.fit(log))
    history = past(0)
    candidates, features = engine.candidates(
        Query(), np.ones(len(engine.listings), bool), history, as_of=as_of
    )
    created = engine.listings["created"].iloc[candidates]
    early = set(log.loc[log["timestamp"] < as_of, "product_id"])
    had_event = engine.listings["product_id"].iloc[candidates].isin(early)
    assert (created.isna() | (created <= as_of) | had_event).all()
    on_offer = engine.listings["created"].le(as_of) | engine.listings["created"].isna()
    on_offer |= engine.listings["product_id"].isin(early)
    assert len(candidates) == on_offer.sum() > 0
    age = ((as_of - created) / pd.Timedelta(days=1)).clip(lower=0).to_numpy()
    np.testing.assert_allclose(features["recency"], 0.5 ** (age / FRESHNESS_HALF_LIFE_DAYS))
    late = [f"p{start:02d}" for start in range(6, 10)]
    trend = features.set_index(engine.listings["product_id"].iloc[candidates])["trending"]
    assert (trend[trend.index.isin(late)] == 0).all()
    hits = engine.recommend(history, limit=100, as_of=as_of).hits
    assert {hit.product_id for hit in hits} <= set(engine.listings["product_id"][on_offer])


def test_without_a_time_recency_counts_from_the_latest_date_known(handmade: Handmade) -> None:
    everything = np.ones(len(handmade.listings), bool)
    newest = handmade.listings["created"].max()
    log = past(1, 2).assign(user_id=1, timestamp=newest + pd.Timedelta(days=14))
    without_log = handmade.engine().candidates(Query(), everything)[1]["recency"].max()
    with_log = handmade.engine(collaborative=CollaborativeModel.fit(log))
    assert without_log == 1
    recency = with_log.candidates(Query(), everything)[1]["recency"]
    assert recency.max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("with_log", [False, True])
def test_undated_listings_are_recommended(with_log: bool) -> None:
    undated = Handmade()
    undated.listings["created"] = pd.Series(pd.NaT, undated.listings.index, dtype="datetime64[s]")
    log = past(1, 2).assign(user_id=1)
    engine = undated.engine(collaborative=CollaborativeModel.fit(log) if with_log else None)
    for as_of in (None, pd.Timestamp("2022-03-01")):
        _, features = engine.candidates(Query(), np.ones(len(engine.listings), bool), as_of=as_of)
        assert features["recency"].isna().all()
        assert engine.recommend(past(0), as_of=as_of).hits
