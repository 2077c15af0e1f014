"""Collaborative features: co-occurrence, next items, popularity and trends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from market.search import item_models
from market.search.collaborative import CollaborativeModel
from market.search.collaborative_scores import (
    COLLABORATIVE_FEATURES,
    PERSONAL_FEATURES,
)

START = pd.Timestamp("2022-03-01")


def make_log(sequences: list[list[str]]) -> pd.DataFrame:
    """Return a log of views: one user for each sequence, a day apart; one view a minute."""
    return pd.DataFrame(
        [
            (f"u{user}", product, "view", START + pd.Timedelta(days=user, minutes=minute))
            for user, sequence in enumerate(sequences)
            for minute, product in enumerate(sequence)
        ],
        columns=["user_id", "product_id", "event", "timestamp"],
    )


def history(*products: str, event: str = "view") -> pd.DataFrame:
    past = make_log([list(products)])[["product_id", "event", "timestamp"]]
    return past.assign(event=event)


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    """Two groups of users, who view their products in a fixed order from a random start."""
    rng = np.random.default_rng(0)
    sequences = []
    for user in range(80):
        start = rng.integers(6)
        sequences.append([f"{'ab'[user % 2]}{(start + step) % 6}" for step in range(4)])
    return make_log(sequences)


@pytest.fixture(scope="module")
def model(log: pd.DataFrame) -> CollaborativeModel:
    return CollaborativeModel.fit(log)


def test_related_and_next_products_have_the_highest_features(model: CollaborativeModel) -> None:
    features = model.features(history("a1", "a2")).drop(index=["a1", "a2"])
    same_group = features.index.str.startswith("a")
    assert (features.loc[same_group, "co_occurrence"] > 0).all()
    assert (features.loc[~same_group, ["co_occurrence", "next_item"]] == 0).all(axis=None)
    assert features["next_item"].idxmax() == "a3"
    assert features["co_occurrence.recent"].idxmax() in {"a0", "a3"}, "viewed next to them"


def test_features_have_a_row_for_every_product_and_one_scale(
    model: CollaborativeModel, log: pd.DataFrame
) -> None:
    features = model.features(history("a1", "b2", "unheard of"))
    assert features.columns.tolist() == COLLABORATIVE_FEATURES
    assert features.index.tolist() == sorted(log["product_id"].unique())
    assert features.index.name == "product_id"
    assert (features.min() >= 0).all() and (features.max() == 1).all()


def test_the_best_unseen_product_is_at_1(model: CollaborativeModel) -> None:
    past = ["a1", "a2", "b4"]
    features = model.features(history(*past)).drop(index=past)
    assert (features[PERSONAL_FEATURES].max() == 1).all()


@pytest.mark.parametrize("past", [history(), history("unheard of")])
def test_a_new_user_has_no_personal_features(model: CollaborativeModel, past: pd.DataFrame) -> None:
    features = model.features(past)
    assert (features[PERSONAL_FEATURES] == 0).all(axis=None)
    assert (features["popularity"] > 0).all()


def test_the_latest_views_count_most(model: CollaborativeModel) -> None:
    a_last = model.features(history("b0", "b1", "b2", "a0", "a1", "a2"))
    b_last = model.features(history("a0", "a1", "a2", "b0", "b1", "b2"))
    for name in ("co_occurrence.recent", "next_item"):
        assert a_last.loc["a3", name] > a_last.loc["b3", name]
        assert b_last.loc["b3", name] > b_last.loc["a3", name]


def test_a_purchase_counts_more_than_a_view(model: CollaborativeModel) -> None:
    def difference(event: str) -> float:
        past = pd.concat([history("a1", event=event), history("b1")])
        features = model.features(past)["co_occurrence"]
        return float(features["a0"] - features["b0"])

    assert difference("buy") > difference("view")
    assert difference("no such event") == difference("view")


def test_repeated_events_are_one_visit(model: CollaborativeModel) -> None:
    twice = pd.concat([history("a1"), history("a1", event="save"), history("a2")])
    once = pd.concat([history("a1", event="save"), history("a2")])
    pd.testing.assert_frame_equal(model.features(twice), model.features(once))


def test_trending_counts_only_events_before_the_time(log: pd.DataFrame) -> None:
    late = log["timestamp"].max()
    rush = pd.DataFrame(
        {
            "user_id": [f"late {i}" for i in range(30)],
            "product_id": "b5",
            "event": "view",
            "timestamp": late,
        }
    )
    model = CollaborativeModel.fit(pd.concat([log, rush]))
    calm = CollaborativeModel.fit(log)
    at_the_end = model.features(history())["trending"]
    assert at_the_end.idxmax() == "b5" and at_the_end["b5"] == 1
    before = late - pd.Timedelta(days=1)
    pd.testing.assert_series_equal(
        model.features(history(), before)["trending"], calm.features(history(), before)["trending"]
    )
    trends = [name for name in COLLABORATIVE_FEATURES if name.startswith("trending")]
    assert (model.features(history(), START)[trends] == 0).all(axis=None), "no event was before it"
    assert (at_the_end == model.features(history(), model.end)["trending"]).all()


def test_each_trend_has_its_own_half_life() -> None:
    days = {"old": 0, "month": 40, "week": 60, "day": 69, "hours": 70}
    rows = [
        (f"{name} {number}", name, "view", START + pd.Timedelta(days=day, minutes=number))
        for name, day in days.items()
        for number in range(20 - 3 * list(days).index(name))
    ]
    log = pd.DataFrame(rows, columns=["user_id", "product_id", "event", "timestamp"])
    features = CollaborativeModel.fit(log).features(history())
    best = features.filter(like="trending").idxmax()
    assert best["trending.hours"] == "hours" and best["trending"] in {"day", "hours"}
    assert features["popularity"].idxmax() == "old" and features.loc["old", "trending.day"] == 0


def test_seen_before_compares_the_hour_of_the_first_event(
    model: CollaborativeModel, log: pd.DataFrame
) -> None:
    when = START + pd.Timedelta(days=3)
    first = log.groupby("product_id")["timestamp"].min()
    products = [*first.index, "unheard of"]
    expected = [*(first < when), False]
    assert model.seen_before(when, products).tolist() == expected
    assert any(expected) and not all(expected)


def test_implicit_raises_no_warning(log: pd.DataFrame, tmp_path: Path) -> None:
    """In a new process: implicit warns only once of a BLAS with several threads."""
    log.to_parquet(tmp_path / "log.parquet")
    code = (
        "import pandas as pd; from market.search.collaborative import CollaborativeModel;"
        "CollaborativeModel.fit(pd.read_parquet('log.parquet'))"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    result = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "OpenBLAS" not in result.stderr


def test_the_order_of_the_rows_does_not_matter(
    model: CollaborativeModel, log: pd.DataFrame
) -> None:
    again = CollaborativeModel.fit(log.sample(frac=1, random_state=0))
    past = history("a1", "a2")
    pd.testing.assert_frame_equal(again.features(past), model.features(past))


@pytest.mark.parametrize("sequences", [[["a"]], [["a"], ["a"]], [["a", "b"]], [["a", "a", "a"]]])
def test_the_smallest_logs_are_fitted(sequences: list[list[str]]) -> None:
    features = CollaborativeModel.fit(make_log(sequences)).features(history("a"))
    assert np.isfinite(features).all(axis=None)


def test_an_empty_log_is_refused(log: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="no interaction"):
        CollaborativeModel.fit(log.iloc[:0])


def test_rare_products_of_a_large_catalogue_have_neighbours_too(
    log: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_models, "EXACT_PRODUCTS", 4)
    monkeypatch.setattr(item_models, "NEIGHBOURS", 3)
    model = CollaborativeModel.fit(log)
    for matrix in (model.co_occurrence, model.recent, model.next_item):
        assert np.diff(matrix.indptr).max() <= 3
        assert (matrix.diagonal() == 0).all()
    for product in model.products:
        features = model.features(history(product)).drop(index=product)
        assert features["co_occurrence"].idxmax()[0] == product[0]


def test_a_model_loads_as_it_was_saved_and_equal_models_are_equal_bytes(
    model: CollaborativeModel, tmp_path: Path
) -> None:
    past = history("a1", "a2")
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        model.save(tmp_path / name)
        again = CollaborativeModel.load(tmp_path / name)
        pd.testing.assert_frame_equal(again.features(past), model.features(past))
        (file,) = (tmp_path / name).iterdir()
        contents.append(file.read_bytes())
    assert contents[0] == contents[1]
